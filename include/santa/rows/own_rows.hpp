// The rows of a block that a device's thread holds in registers.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Eight rows of a thread: read side by side with those of the others, a team's threads apart, and gone through in
/// order, eight in a row. Between both they lie in the block's memory, with a word left out after each eight, so that
/// threads side by side use different banks.
template <class Member>
struct OwnRows {
  static constexpr int count = 8;  // see TeamBlock::holds_rows
  const TeamBlock<Member>& block;

  /// Reads `all` rows or fewer than a block has: `rest` stands for those that are not there.
  template <class T>
  KOKKOS_FORCEINLINE_FUNCTION void load(const T* from, std::int64_t stride, int all, double rest,
                                        double (&value)[count]) const {
    const int thread = block.member.team_rank(), threads = block_rows / count;
    SANTA_UNROLL()
    for (int k = 0; k < count; ++k) {
      const int row = thread + k * threads;
      value[k] = row < all ? static_cast<double>(from[row * stride]) : rest;
    }
  }
  /// What each thread has of the rows that it read becomes what it has of those that it goes through.
  KOKKOS_FORCEINLINE_FUNCTION void put_in_order(std::uint64_t (&value)[count]) const {
    std::uint64_t* const memory = block.memory.first;
    const int thread = block.member.team_rank(), threads = block_rows / count;
    SANTA_UNROLL()
    for (int k = 0; k < count; ++k) memory[place(thread) + k * place(threads)] = value[k];
    block.member.team_barrier();
    SANTA_UNROLL()
    for (int k = 0; k < count; ++k) value[k] = memory[thread * (count + 1) + k];
  }

 private:
  [[nodiscard]] static KOKKOS_FUNCTION constexpr int place(int row) { return row + row / count; }
};

}  // namespace santa::detail::inline SANTA_BUILD
