// ShardedSampler: tokens from a language-model head whose rows are shared out over ranks.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/ticket.hpp>
#include <santa/decode/chance.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/lanes/math.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/token/bind_results.hpp>
#include <santa/token/merge_tokens.hpp>
#include <santa/token/sample_tokens.hpp>
#include <santa/token/token_options.hpp>

#include <Kokkos_Core.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// A rank's block: where its rows begin and how many they are; [batch] each of tickets, tokens, scores, logits, sums of
/// logits.
struct TokenBlock {
  std::uint64_t* data;
  std::int64_t batch;

  [[nodiscard]] KOKKOS_FUNCTION static std::int64_t words(std::int64_t batch) { return 2 + 3 * batch; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t& first_row() const { return data[0]; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t& rows() const { return data[1]; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t* tickets() const { return data + 2; }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t* tokens() const {
    return reinterpret_cast<std::int32_t*>(tickets() + batch);
  }
  /// Scores, logits, sums, each `batch` behind the one before.
  [[nodiscard]] KOKKOS_FUNCTION float* numbers(int which) const {
    return reinterpret_cast<float*>(tokens()) + (1 + which) * batch;
  }
  /// That of another rank, behind this.
  [[nodiscard]] KOKKOS_FUNCTION TokenBlock of_rank(int rank) const { return {data + rank * words(batch), batch}; }
};

/// Where the ranks of a request were told other things, or their rows do not follow each other, there is no token: -1,
/// and numbers that are NaN.
template <class Space>
void refuse_tokens(const Space& space, const TokenBlock& first, int ranks, const TokenArrays& to) {
  Kokkos::parallel_for(
      "santa::refuse_tokens", Range<Space>(space, 0, first.batch), KOKKOS_LAMBDA(const std::int64_t request) {
        bool same = true;
        std::uint64_t begin = 0;
        for (int rank = 0; rank < ranks; ++rank) {
          const TokenBlock block = first.of_rank(rank);
          same = same && block.tickets()[request] == first.tickets()[request] && block.first_row() == begin;
          begin += block.rows();
        }
        if (same) return;
        to.token.set(0, request, -1);
        if (to.score) to.score(0, request) = lanes::not_a_number;
        if (to.logit) to.logit(0, request) = lanes::not_a_number;
        if (to.lse) to.lse(0, request) = lanes::not_a_number;
      });
}

/// Notes what a request's ranks have to agree on, and which rows are this rank's.
template <class Space>
void write_tickets(const Space& space, const TokenBlock& own, const Chance& chance, std::uint64_t ticket,
                   std::int64_t first_row, std::int64_t rows) {
  Kokkos::parallel_for(
      "santa::write_tickets", Range<Space>(space, 0, own.batch), KOKKOS_LAMBDA(const std::int64_t request) {
        const StreamKey key = chance.key(static_cast<std::int32_t>(request));
        const std::uint64_t named = mixed(mixed(ticket, key.seed), std::uint64_t{key.step} << 32 | key.request);
        own.tickets()[request] = mixed(named, key.stream);
        if (request > 0) return;
        own.first_row() = static_cast<std::uint64_t>(first_row);
        own.rows() = static_cast<std::uint64_t>(rows);
      });
}

}  // namespace detail::inline SANTA_BUILD

/// Samples tokens as TokenSampler does, from weights of which each rank has some rows: the first rank the first ones,
/// and so on; `first_row` of the options says which. Every rank gets the token that one sampler with all rows draws,
/// where logits have the same bits.
/// Exchanges: one, of 24 bytes a request and rank and 16 a rank.
/// Memory:    allocated here, once; `run` allocates nothing, and does not fence but for what the communicator does.
/// Errors:    those of TokenSampler; RankError where ranks disagree, as the communicator says. Requests whose ranks
///            were told other seeds or steps in device memory get token -1 and numbers that are NaN, and so do all
///            where a rank's rows do not begin where those of the rank before end, the first one's at 0.
template <class Space>
class ShardedSampler {
 public:
  using MemorySpace = typename Space::memory_space;
  using Options = TokenOptions<MemorySpace>;

  /// `shape` is that of this rank's rows. Called by all ranks.
  template <Communicator<Space> Ranks, class Build = lanes::Build>
  ShardedSampler(const Space& space, const Ranks& ranks, const TokenShape& shape)
      : _sampler(space, shape), _size(ranks.size()), _rank(ranks.rank()) {
    _blocks = detail::allocate<Blocks, detail::Fresh::unset>(space, "santa::token_shards", std::int64_t{_size},
                                                             detail::TokenBlock::words(shape.batch));
  }

  [[nodiscard]] const TokenShape& shape() const { return _sampler.shape(); }

  /// Samples one token for each request, on all ranks. Shapes and results: as TokenSampler::run.
  template <Communicator<Space> Ranks, class Hidden, class Weights, class Out, class Build = lanes::Build>
  void run(const Space& space, const Ranks& ranks, const Hidden& hidden, const Weights& weights, const Out& tokens,
           const Options& options = {}) const {
    lanes::require_launchable(space);
    _kept.require("ShardedSampler");
    detail::require(ranks.size() == _size && ranks.rank() == _rank, "ranks.rank()", ranks.rank(),
                    "the sampler's " + std::to_string(_rank) + " of " + std::to_string(_size));
    const auto batch = static_cast<std::int64_t>(hidden.extent(0));
    detail::require(batch <= shape().batch, "hidden.extent(0)", batch,
                    "at most the sampler's " + std::to_string(shape().batch));
    const detail::TokenArrays to = detail::bind_results<Space>(tokens, options.results, batch);
    const detail::Chance chance = detail::bind_chance(options, batch);
    const std::uint64_t ticket = ticket_of(options, batch);
    if (batch == 0) return;
    const detail::TokenBlock own = block(_rank, batch);
    using Numbers = Kokkos::View<float*, Kokkos::LayoutStride, MemorySpace>;
    const auto count = static_cast<std::size_t>(batch);
    const auto numbers = [&](int which) { return Numbers(own.numbers(which), Kokkos::LayoutStride(count, 1)); };
    Options of_shard = options;
    of_shard.results = {numbers(0), numbers(1), numbers(2)};
    _sampler.run(space, hidden, weights, Kokkos::View<std::int32_t*, MemorySpace>(own.tokens(), count), of_shard);
    detail::write_tickets(space, own, chance, ticket, options.first_row, static_cast<std::int64_t>(weights.extent(0)));
    ranks.all_gather(space, _blocks.data(), static_cast<std::size_t>(8 * detail::TokenBlock::words(batch)), ticket);
    merge(space, batch, tokens, options.results);
    detail::refuse_tokens(space, block(0, batch), _size, to);
  }

 private:
  using Blocks = Kokkos::View<std::uint64_t**, Kokkos::LayoutRight, MemorySpace>;

  /// Blocks of a smaller batch lie closer together.
  [[nodiscard]] detail::TokenBlock block(int rank, std::int64_t batch) const {
    return detail::TokenBlock{_blocks.data(), batch}.of_rank(rank);
  }

  template <class Out>
  void merge(const Space& space, std::int64_t batch, const Out& tokens,
             const TokenResults<MemorySpace>& results) const {
    const detail::TokenBlock first = block(0, batch);
    const auto stride = static_cast<std::size_t>(2 * detail::TokenBlock::words(batch));
    const Kokkos::LayoutStride layout(static_cast<std::size_t>(_size), stride, static_cast<std::size_t>(batch), 1);
    using Tokens = Kokkos::View<const std::int32_t**, Kokkos::LayoutStride, MemorySpace>;
    using Numbers = Kokkos::View<const float**, Kokkos::LayoutStride, MemorySpace>;
    merge_tokens(space,
                 TokenShards{Tokens(first.tokens(), layout), Numbers(first.numbers(0), layout),
                             Numbers(first.numbers(1), layout), Numbers(first.numbers(2), layout)},
                 tokens, results);
  }

  [[nodiscard]] std::uint64_t ticket_of(const Options& options, std::int64_t batch) const {
    std::uint64_t ticket = detail::mixed(static_cast<std::uint64_t>(batch), static_cast<std::uint64_t>(shape().dim));
    ticket = detail::mixed(ticket, std::bit_cast<std::uint32_t>(options.temperature));
    if (options.seed.where() == nullptr) ticket = detail::mixed(ticket, options.seed.value("seed"));
    if (options.step.where() == nullptr) ticket = detail::mixed(ticket, options.step.value("step"));
    return detail::mixed(ticket, static_cast<std::uint64_t>(_size));
  }

  TokenSampler<Space> _sampler;
  int _size, _rank;
  Blocks _blocks;  // [ranks][words]
  detail::Kept _kept;
};

}  // namespace santa
