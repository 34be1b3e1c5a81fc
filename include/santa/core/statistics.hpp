// What a run reports about its draws.
#pragma once

#include <cstdint>

namespace santa {

/// Counts of one (batch, kv head) in one run.
struct Statistics {
  /// Distinct value rows read: the union over the group's query heads (over each slice of a group of more than 16
  /// heads, which is read on its own).
  std::int64_t rows_read = 0;
  /// Draws: counted with multiplicity and over heads where heads draw separately; `rows_read` where they draw together.
  std::int64_t samples = 0;
  /// (sum w)^2 / sum w^2 of the weights given to the rows read; the smallest over the group's heads that see keys, 0
  /// where none does.
  float effective_sample_size = 0.F;
  /// Bits of `Flag`.
  std::uint32_t flags = 0;

  enum Flag : std::uint32_t {
    /// The request's length was negative or beyond the storage, or its pages beyond their list, and was clamped. See
    /// `validate`.
    length_clamped = 1,
    /// Of some query head, rows were left to chance and none of them was read: there is no error bar (it is NaN).
    /// Whether one is asked for or not; but where none is, a head that draws separately has it only where none of its
    /// rows was read, and merged parts do not say.
    no_error_bar = 2,
    /// Of a cache in pages, a page of visible keys was none of the pool, and page 0 was taken. See `validate`.
    page_out_of_range = 4,
    /// Of a cache in shards, these were not of one run: of another seed, step or length. Outputs are NaN.
    shards_disagree = 8,
  };
};

}  // namespace santa
