// Communicator: what the ranks of a whole ask of those who connect them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace santa {

/// Ranks that do not agree, or one that is gone: the same on all that are left, in bounded time where what connects
/// them allows it.
class RankError : public std::runtime_error {
 public:
  explicit RankError(const std::string& text) : std::runtime_error("santa: " + text) {}
};

/// Ranks 0 to size() - 1 that exchange blocks of equal size: MpiRanks (ranks/mpi.hpp), NcclRanks (ranks/nccl.hpp),
/// ThreadRank (ranks/one_process.hpp), OneRank, or a type of a user's own, copied as it is.
///   rank(), size()
///   all_gather(space, all, bytes, ticket)  all[size()][bytes], in memory of `space`: of each rank's block, which lies
///       at its place, a copy to all ranks. It sees what was enqueued on `space` before, and what is enqueued after
///       sees all blocks. All ranks call it, in the same order. `ticket` is a number that they have to agree on: where
///       it, or `bytes`, differs, all of them throw RankError, if that can be told before blocks are exchanged (see the
///       adapters). Blocks carry what they are of besides, so that no result is made of others.
template <class C, class Space>
concept Communicator = requires(const C& ranks, const Space& space, void* all, std::size_t bytes,
                                std::uint64_t ticket) {
  { ranks.rank() } -> std::same_as<int>;
  { ranks.size() } -> std::same_as<int>;
  ranks.all_gather(space, all, bytes, ticket);
};

/// A rank by itself.
struct OneRank {
  [[nodiscard]] static int rank() { return 0; }
  [[nodiscard]] static int size() { return 1; }
  template <class Space>
  static void all_gather(const Space& /*space*/, void* /*all*/, std::size_t /*bytes*/, std::uint64_t /*ticket*/) {}
};

namespace detail {

/// What a rank says before a block: what all have to agree on.
struct Greeting {
  std::uint64_t bytes;
  std::uint64_t ticket;
  bool operator==(const Greeting&) const = default;
};

/// Errors: RankError naming the first two ranks that differ.
inline void require_agreement(const Greeting* of_ranks, int size) {
  for (int rank = 1; rank < size; ++rank) {
    if (of_ranks[rank] == of_ranks[0]) continue;
    const bool blocks = of_ranks[rank].bytes != of_ranks[0].bytes;
    const auto number = [](auto value) { return std::to_string(value); };
    throw RankError("ranks 0 and " + number(rank) + " disagree: " +
                    (blocks ? "blocks of " + number(of_ranks[0].bytes) + " and " + number(of_ranks[rank].bytes) +
                                  " bytes: shapes, methods or states that differ"
                            : std::string("method, shape, options, seed, step or state differ")));
  }
}

}  // namespace detail
}  // namespace santa
