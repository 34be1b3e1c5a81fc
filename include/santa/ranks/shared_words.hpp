// Words that shards exchange before they draw: packed, and put together from all ranks.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/shard_recipe.hpp>
#include <santa/lanes/group.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Where word i of all lies.
KOKKOS_INLINE_FUNCTION std::uint32_t& word_at(const SharedWords& words, std::int64_t i) {
  return i < words.count[0] ? words.array[0][i] : words.array[1][i - words.count[0]];
}

/// Makes all words those of others.
template <class Space>
void clear_words(const Space& space, const SharedWords& words) {
  Kokkos::parallel_for(
      "santa::clear_words", Range<Space>(space, 0, words.all()),
      KOKKOS_LAMBDA(const std::int64_t i) { word_at(words, i) = others_word; });
}
template <class Space>
void pack_words(const Space& space, const SharedWords& words, std::uint32_t* to) {
  Kokkos::parallel_for(
      "santa::pack_words", Range<Space>(space, 0, words.all()),
      KOKKOS_LAMBDA(const std::int64_t i) { to[i] = word_at(words, i); });
}
/// Of [ranks][words], each word from the rank that has made it. Bytes: all of them once.
template <class Space>
void unpack_words(const Space& space, const SharedWords& words, const std::uint32_t* from, int ranks) {
  const std::int64_t count = words.all();
  Kokkos::parallel_for(
      "santa::unpack_words", Range<Space>(space, 0, count), KOKKOS_LAMBDA(const std::int64_t i) {
        std::uint32_t word = others_word;
        for (int rank = 0; rank < ranks; ++rank) {
          const std::uint32_t own = from[rank * count + i];
          word = own != others_word ? own : word;
        }
        word_at(words, i) = word;
      });
}

/// Words of any step of a plan.
template <class M, class Arguments>
std::int64_t most_shared_words(Arguments a) {
  if constexpr (requires { a.state; }) {
    float any = 0.F;
    a.state = &any;  // with a state, steps may be steered
    return std::max(ShardRecipe<M>::shared(a, true).all(), ShardRecipe<M>::shared(a, false).all());
  } else {
    return ShardRecipe<M>::shared(a, true).all();
  }
}

}  // namespace santa::detail::inline SANTA_BUILD
