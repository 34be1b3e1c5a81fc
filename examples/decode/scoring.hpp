// What scores are made from: the keys, or a narrow copy of them.
#pragma once

#include "decode/methods.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace santa::example {

enum class ScoreStage { keys, int8, fp8, int4, low_rank, sparse_keys };

struct Scoring {
  ScoreStage stage = ScoreStage::keys;
  bool rescored = false;     // the drawn rows' scores are made again from their keys
  std::int64_t numbers = 0;  // that low-rank and sparse keys keep of a key; 0: a quarter of its features

  [[nodiscard]] bool narrow() const { return stage != ScoreStage::keys; }
  [[nodiscard]] bool counted() const { return stage == ScoreStage::low_rank || stage == ScoreStage::sparse_keys; }
  [[nodiscard]] std::int64_t numbers_of(std::int64_t dim) const { return numbers > 0 ? numbers : dim / 4; }
  /// Bytes by which a key of `dim` elements of `element` bytes is scored.
  [[nodiscard]] double bytes_of_key(std::int64_t dim, std::size_t element) const;
};

/// "bf16" or whatever type keys have: `keys`.
std::string_view name_of(ScoreStage stage);
/// Errors: UserError that lists the names.
ScoreStage find_stage(std::string_view name);

/// Whether a method runs on narrow keys here: those that draw by mass. The exact one is what they are compared with.
bool takes_narrow_keys(const AnyMethod& method);

}  // namespace santa::example
