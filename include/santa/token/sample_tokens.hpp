// Exact sampling of tokens from a language-model head, without writing the logits.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/kept.hpp>
#include <santa/decode/chance.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/token/bind_results.hpp>
#include <santa/token/merge_tokens.hpp>
#include <santa/token/token_kernel.hpp>
#include <santa/token/token_options.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

/// Samples tokens for batches, vocabularies and dimensions up to the ones given, with all memory owned.
/// Computes: tokens[b] drawn with probability softmax(logits[b] / temperature), logits[b, i] = <hidden[b], weights[i]>:
///           the row of the largest logit + temperature * noise, the noise of each row independent and of the standard
///           Gumbel distribution. Temperature 0: of the largest logit. Among equal rows the lowest is taken.
/// Memory:   allocated here, once; `run` allocates nothing, does not fence and can be captured in a graph.
/// Order:    one run of a sampler at a time; runs on one execution space instance follow each other.
/// Errors:   as DecodePlan's.
/// Bytes:    the weights, once for every 64 requests; logits are not written.
/// Random:   see `gumbel`; key (seed; step, stream, request, 65535, row of the whole vocabulary). A request's noise,
///           and on one backend its logits, do not depend on batch mates, its place among them, shards or threads.
/// Source:   the Gumbel-max trick (Gumbel 1954; Maddison, Tarlow and Minka, "A* sampling", 2014), fused into the head's
///           product as in "FlashSampling" (Ruiz et al. 2026, arXiv 2603.15854).
template <class Space>
class TokenSampler {
  static_assert(Kokkos::is_execution_space_v<Space>, "santa::TokenSampler: the argument must be an execution space");

 public:
  using MemorySpace = typename Space::memory_space;
  using Options = TokenOptions<MemorySpace>;

  template <class Build = lanes::Build>
  TokenSampler(const Space& space, const TokenShape& shape) : _shape(shape) {
    lanes::require_launchable(space);
    detail::require(shape.batch >= 0 && shape.batch <= most_batch, "batch", shape.batch, "0 to 2^20");
    detail::require(shape.vocab >= 1 && shape.vocab < most_rows, "vocab", shape.vocab, "1 to 2^31 - 1");
    detail::require(shape.dim >= 8 && shape.dim % 8 == 0 && shape.dim <= most_dim, "dim", shape.dim,
                    "a multiple of 8 from 8 to 2^20");
    const std::int64_t padded_dim = (shape.dim + 31) / 32 * 32;
    _vectors = detail::allocate<Floats>(space, "santa::hidden", padded(shape.batch) * (padded_dim + 1));
    const std::int64_t best = room(shape.vocab) * shape.batch;
    _tokens = detail::allocate<Tokens, detail::Fresh::unset>(space, "santa::tokens", best);
    _scores = detail::allocate<Floats, detail::Fresh::unset>(space, "santa::scores", 3 * best);
  }

  [[nodiscard]] const TokenShape& shape() const { return _shape; }
  [[nodiscard]] std::size_t workspace_bytes() const {
    return sizeof(float) * (_vectors.size() + _scores.size()) + sizeof(std::int32_t) * _tokens.size();
  }

  /// Samples one token for each request.
  /// Shapes:  hidden [batch, dim] and weights [vocab, dim], float, santa::half, santa::bfloat16 or equivalent 2-byte
  ///          types, each its own; last extents contiguous. tokens [batch], std::int32_t or std::int64_t. Extents may
  ///          be smaller than the sampler's.
  /// Logits:  in float. -infinity: never drawn. NaN or +infinity show: the token is then -1, as it is where every logit
  ///          is -infinity; score, logit and lse are NaN (-infinity if all logits are).
  /// Errors:  std::invalid_argument before anything is launched or written.
  template <class Hidden, class Weights, class Out, class Build = lanes::Build>
  void run(const Space& space, const Hidden& hidden, const Weights& weights, const Out& tokens,
           const Options& options = {}) const {
    lanes::require_launchable(space);
    _kept.require("TokenSampler");
    detail::TokenArguments a = bind(hidden, weights);
    const detail::TokenArrays to = detail::bind_results<Space>(tokens, options.results, a.batch);
    bind(a, options, to);
    if (a.batch == 0) return;
    using T = storage_t<typename Weights::value_type>;
    const auto* const data = reinterpret_cast<const T*>(weights.data());
    const bool aligned = reinterpret_cast<std::uintptr_t>(data) % 16 == 0 &&
                         static_cast<std::size_t>(a.row_stride) * sizeof(T) % 16 == 0;
    const Kokkos::Profiling::ScopedRegion region("santa::sample_tokens");
    lanes::Seam<Space>::template with_vectors<T>(a.batch, aligned, [&](auto extents) {
      using Context = detail::TokenContext<Space, T, decltype(extents)>;
      detail::launch_tokens("santa::arrange_hidden", space, detail::ArrangeKernel<Context>{{a, data}});
      detail::launch_tokens("santa::sample_tokens", space, detail::TokenKernel<Context>{{a, data}});
    });
    detail::launch_tokens("santa::merge_tokens", space, detail::MergeTokensKernel<Space>{a.best, to, a.parts, a.batch});
  }

 private:
  using Floats = Kokkos::View<float*, MemorySpace>;
  using Tokens = Kokkos::View<std::int32_t*, MemorySpace>;

  static constexpr std::int64_t most_batch = std::int64_t{1} << 20;
  static constexpr std::int64_t most_dim = std::int64_t{1} << 20;
  static constexpr std::int64_t most_rows = std::int64_t{1} << 31;
  static constexpr std::int64_t most_parts = 2048;

  /// Vectors of whole slices.
  static std::int64_t padded(std::int64_t batch) {
    if (batch > 64) return (batch + 63) / 64 * 64;
    return batch <= 8 ? 8 : batch <= 16 ? 16 : batch <= 32 ? 32 : 64;
  }

  using Group = lanes::GroupOf<Space, lanes::Products<64, false>>;
  static constexpr std::int64_t turn = Group::size * Group::groups_per_team;
  static constexpr std::int64_t least_part = lanes::is_host_space<Space> ? 512 : turn;

  /// Rows of a part, whole tiles for each group of a team: on a host so many that dealing them out costs nothing.
  static std::int64_t part_rows(std::int64_t vocab) {
    const std::int64_t share = (vocab + most_parts - 1) / most_parts;
    return share < least_part ? least_part : (share + turn - 1) / turn * turn;
  }
  static std::int64_t parts(std::int64_t vocab) { return (vocab + part_rows(vocab) - 1) / part_rows(vocab); }
  /// The most parts of any vocabulary up to this one: smaller ones may have more, as their parts are shorter.
  static std::int64_t room(std::int64_t vocab) { return std::min(most_parts, (vocab + least_part - 1) / least_part); }

  template <class Hidden, class Weights>
  detail::TokenArguments bind(const Hidden& hidden, const Weights& weights) const {
    static_assert(Kokkos::is_view_v<Hidden> && Kokkos::is_view_v<Weights>,
                  "santa::sample_tokens: hidden and weights must be Kokkos views");
    static_assert(Hidden::rank() == 2 && Weights::rank() == 2,
                  "santa::sample_tokens: hidden must be [batch, dim], weights [vocab, dim]");
    static_assert(
        Element<typename Hidden::value_type> && Element<typename Weights::value_type>,
        "santa::sample_tokens: hidden and weights must be float, santa::half, santa::bfloat16 or an equivalent "
        "2-byte type");
    static_assert(Kokkos::SpaceAccessibility<Space, typename Hidden::memory_space>::accessible &&
                      Kokkos::SpaceAccessibility<Space, typename Weights::memory_space>::accessible,
                  "santa::sample_tokens: views must be accessible from the execution space");
    const auto extent = [](const auto& view, std::size_t i) { return static_cast<std::int64_t>(view.extent(i)); };
    const auto require_within = [](const char* name, std::int64_t given, std::int64_t most) {
      detail::require(given >= 0 && given <= most, name, given, "at most the sampler's " + std::to_string(most));
    };
    detail::TokenArguments a;
    require_within("hidden.extent(0)", extent(hidden, 0), _shape.batch);
    require_within("weights.extent(0)", extent(weights, 0), _shape.vocab);
    require_within("hidden.extent(1)", extent(hidden, 1), _shape.dim);
    detail::require(extent(weights, 0) >= 1, "weights.extent(0)", extent(weights, 0), "1 or more");
    detail::require(extent(hidden, 1) >= 8 && extent(hidden, 1) % 8 == 0, "hidden.extent(1)", extent(hidden, 1),
                    "a multiple of 8");
    detail::require_same_extent("weights.extent(1)", weights.extent(1), "the dim of hidden", extent(hidden, 1));
    detail::require_rows("hidden", hidden);
    detail::require_rows("weights", weights);
    using H = typename Hidden::value_type;
    a.hidden = {hidden.data(), element_type_of<H>};
    a.hidden_stride = static_cast<std::int64_t>(hidden.stride(0));
    a.batch = static_cast<std::int32_t>(hidden.extent(0));
    a.dim = static_cast<std::int32_t>(hidden.extent(1));
    a.vocab = extent(weights, 0);
    a.row_stride = static_cast<std::int64_t>(weights.stride(0));
    a.exact = std::is_same_v<storage_t<H>, storage_t<typename Weights::value_type>>;
    return a;
  }

  void bind(detail::TokenArguments& a, const Options& options, const detail::TokenArrays& to) const {
    if (!(options.temperature >= 0.F && options.temperature <= 1e30F))
      detail::reject("temperature", std::to_string(options.temperature), "0 to 1e30");
    detail::require(options.first_row >= 0 && options.first_row < most_rows - a.vocab, "first_row", options.first_row,
                    "0 or more, with fewer than 2^31 rows in the whole vocabulary");
    constexpr const char* instead = "; to leave rows out, write the logits and draw_rows from those kept";
    detail::require(options.top_k == 0, "top_k", options.top_k, std::string("0: the whole vocabulary") + instead);
    if (options.top_p != 1.F)
      detail::reject("top_p", std::to_string(options.top_p), std::string("1: the whole vocabulary") + instead);
    a.chance = detail::bind_chance(options, a.batch);
    a.temperature = options.temperature;
    a.first_row = options.first_row;
    a.part_rows = part_rows(a.vocab);
    a.parts = static_cast<std::int32_t>(parts(a.vocab));
    a.vectors = _vectors.data();
    a.factors = _vectors.data() + padded(a.batch) * a.padded_dim();
    const std::int64_t count = std::int64_t{a.parts} * a.batch;
    const auto scores = [&](std::int64_t which) {
      return detail::Matrix<float>{_scores.data() + which * count, {a.batch, 1}};
    };
    a.best = {{_tokens.data(), {a.batch, 1}, false}, scores(0), {}, {}};
    if (to.logit) a.best.logit = scores(1);
    if (to.lse) a.best.lse = scores(2);
    a.with_lse = static_cast<bool>(to.lse);
  }

  TokenShape _shape;
  Floats _vectors;  // arranged hidden states, then a factor for each
  Tokens _tokens;   // [parts][batch]
  Floats _scores;   // score, logit, lse [parts][batch]
  detail::Kept _kept;
};

/// Samples one token for each request: makes a sampler, runs it. Allocates and fences; for more than one step, keep a
/// TokenSampler. Shapes, results and errors: as TokenSampler::run.
template <class Space, class Hidden, class Weights, class Out, class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void sample_tokens(const Space& space, const Hidden& hidden, const Weights& weights, const Out& tokens,
                   const TokenOptions<typename Space::memory_space>& options = {}) {
  static_assert(Kokkos::is_view_v<Hidden> && Kokkos::is_view_v<Weights>,
                "santa::sample_tokens: hidden and weights must be Kokkos views");
  static_assert(Hidden::rank() == 2 && Weights::rank() == 2,
                "santa::sample_tokens: hidden must be [batch, dim], weights [vocab, dim]");
  const TokenSampler<Space> sampler(space, {.batch = static_cast<std::int64_t>(hidden.extent(0)),
                                            .vocab = static_cast<std::int64_t>(weights.extent(0)),
                                            .dim = static_cast<std::int64_t>(hidden.extent(1))});
  sampler.run(space, hidden, weights, tokens, options);
  space.fence("santa::sample_tokens");  // the sampler's memory goes with it
}

}  // namespace santa
