// Draft tokens verified by a model's logits: how many stand, and which token follows them.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/kept.hpp>
#include <santa/decode/chance.hpp>
#include <santa/decode/options.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/token/bind_results.hpp>
#include <santa/token/draft_kernels.hpp>
#include <santa/token/merge_tokens.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

/// Extents of a verification: `drafts` tokens a request at most, 0 or more, of a vocabulary of `vocab` tokens.
struct DraftShape {
  std::int64_t batch = 1;
  std::int64_t drafts = 0;
  std::int64_t vocab = 1;
};

/// Options of a verification; all views are optional.
template <class MemorySpace>
struct DraftOptions {
  float temperature = 1.F;  // of both models, 0 to 1e30; 0: drafts stand while they are the likeliest tokens
  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};                // the first draft's place in its text, say
  WholeNumber stream = 0;                                         // streams draw independently
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};  // [batch] identities; default: the batch index
  Kokkos::View<const std::int32_t*, MemorySpace> counts = {};     // [batch]: drafts of a request, where they are fewer
};

/// Accepts drafts by the rejection rule of speculative sampling, for batches, drafts and vocabularies up to the ones
/// given, with all memory owned.
/// Computes: with p_j = softmax(target_logits[b, j] / temperature) and q_j the same of draft_logits, draft x_j stands
///           with probability min(1, p_j(x_j) / q_j(x_j)). accepted[b] drafts stand, those before the first that does
///           not; next[b] is drawn from max(p - q, 0), normalised, at the place of that one, or from p behind the last
///           if all stand. The tokens accepted and the next one then have exactly the distribution of tokens drawn from
///           p one by one, whatever q is, if x_j was drawn from q_j. A better q only makes more of them stand.
///           Temperature 0: drafts stand while they are the likeliest tokens (the first of equals); next is the
///           likeliest.
/// Memory:   allocated here, once; `run` allocates nothing, does not fence and can be captured in a graph.
/// Order:    one run at a time; runs on one execution space instance follow each other.
/// Errors:   as DecodePlan's.
/// Bytes:    all logits once; two rows of each request again where the temperature is not 0.
/// Random:   key (seed; step, stream, request, 65535, draft, or 65536 + token of the vocabulary), words 2 and 3: apart
///           from those of TokenSampler, which may have the same seed, step and stream. What a request is given does
///           not depend on its batch mates, nor on threads.
/// Source:   Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative Decoding" (arXiv
///           2211.17192), Chen et al., "Accelerating Large Language Model Decoding with Speculative Sampling" (arXiv
///           2302.01318).
template <class Space>
class DraftVerifier {
  static_assert(Kokkos::is_execution_space_v<Space>, "santa::DraftVerifier: the argument must be an execution space");

 public:
  using MemorySpace = typename Space::memory_space;
  using Options = DraftOptions<MemorySpace>;

  template <class Build = lanes::Build>
  DraftVerifier(const Space& space, const DraftShape& shape) : _shape(shape) {
    lanes::require_launchable(space);
    detail::require(shape.batch >= 0 && shape.batch <= most_batch, "batch", shape.batch, "0 to 2^20");
    detail::require(shape.drafts >= 0 && shape.drafts < most_drafts, "drafts", shape.drafts, "0 to 1023");
    detail::require(shape.vocab >= 1 && shape.vocab <= most_vocab, "vocab", shape.vocab, "1 to 2^31 - 2^16");
    _sums = detail::allocate<Sums>(space, "santa::logit_sums", shape.batch * (2 * shape.drafts + 1));
    const std::int64_t best = room(shape.vocab) * shape.batch;
    _tokens = detail::allocate<Tokens, detail::Fresh::unset>(space, "santa::tokens", best);
    _scores = detail::allocate<Scores, detail::Fresh::unset>(space, "santa::scores", best);
  }

  [[nodiscard]] const DraftShape& shape() const { return _shape; }
  [[nodiscard]] std::size_t workspace_bytes() const {
    return sizeof(detail::LogitSum) * _sums.size() + sizeof(std::int32_t) * _tokens.size() +
           sizeof(float) * _scores.size();
  }

  /// Verifies.
  /// Shapes:  drafts [batch, drafts]; accepted, next [batch]; all std::int32_t or std::int64_t, each its own.
  ///          target_logits [batch, drafts + 1, vocab], of the token before the drafts and of each draft; draft_logits
  ///          [batch, drafts, vocab], those that each draft was drawn by. Both float, their last extents contiguous.
  ///          draft_logits without data: drafts were not left to chance (looked up in the text, say), q_j(x_j) = 1.
  ///          Extents may be smaller than the verifier's.
  /// Logits:  -infinity: never drawn. NaN or +infinity among a target's, or all of them -infinity: no draft stands from
  ///          there on, and next is -1. A draft that is no token of the vocabulary, or whose draft_logits are wrong in
  ///          this way, does not stand; next is drawn from p.
  /// Errors:  std::invalid_argument before anything is launched or written.
  template <class Drafts, class DraftLogits, class TargetLogits, class Accepted, class Next, class Build = lanes::Build>
  void run(const Space& space, const Drafts& drafts, const DraftLogits& draft_logits, const TargetLogits& target_logits,
           const Accepted& accepted, const Next& next, const Options& options = {}) const {
    lanes::require_launchable(space);
    _kept.require("DraftVerifier");
    detail::DraftArguments a = bind(drafts, draft_logits, target_logits);
    static_assert(Accepted::rank() == 1 && Next::rank() == 1 && !std::is_const_v<typename Accepted::value_type> &&
                      !std::is_const_v<typename Next::value_type>,
                  "santa::DraftVerifier: accepted and next must be [batch], not const");
    a.accepted = detail::bind_tokens<Space>("accepted", accepted, a.batch);
    a.next = detail::bind_tokens<Space>("next", next, a.batch);
    bind(a, options);
    if (a.batch == 0) return;
    const Kokkos::Profiling::ScopedRegion region("santa::accept_drafts");
    detail::launch_tokens("santa::sum_logits", space, detail::LogitSumsKernel<Space>{a});
    detail::launch_tokens("santa::accept_drafts", space, detail::AcceptKernel<Space>{a});
    if (!a.greedy)
      detail::launch_tokens("santa::merge_tokens", space,
                            detail::MergeTokensKernel<Space>{a.best, {a.next, {}, {}, {}}, a.parts, a.batch});
  }

 private:
  using Sums = Kokkos::View<detail::LogitSum*, MemorySpace>;  // [batch][2 drafts + 1]
  using Tokens = Kokkos::View<std::int32_t*, MemorySpace>;    // [parts][batch]
  using Scores = Kokkos::View<float*, MemorySpace>;           // the same

  static constexpr std::int64_t most_batch = std::int64_t{1} << 20;
  static constexpr std::int64_t most_drafts = 1024;
  static constexpr std::int64_t most_vocab = (std::int64_t{1} << 31) - (1 << 16);
  static constexpr std::int64_t least_part = 4096;  // tokens
  static constexpr std::int64_t most_parts = 256;

  /// Tokens of a part of the vocabulary: by its size alone.
  static std::int64_t part_rows(std::int64_t vocab) {
    return std::max(least_part, (vocab + most_parts * 32 - 1) / (most_parts * 32) * 32);
  }
  static std::int64_t parts(std::int64_t vocab) { return (vocab + part_rows(vocab) - 1) / part_rows(vocab); }
  /// The most parts of any vocabulary up to this one: smaller ones may have more, as their parts are shorter.
  static std::int64_t room(std::int64_t vocab) { return std::min(most_parts, (vocab + least_part - 1) / least_part); }

  template <class View>
  static detail::LogitRows bind_logits(const char* name, const View& logits, std::int64_t batch, std::int64_t rows,
                                       std::int64_t vocab) {
    static_assert(
        Kokkos::is_view_v<View> && View::rank() == 3 && std::is_same_v<typename View::non_const_value_type, float>,
        "santa::DraftVerifier: logits must be float, of rank 3: [batch, tokens, vocab]");
    static_assert(Kokkos::SpaceAccessibility<Space, typename View::memory_space>::accessible,
                  "santa::DraftVerifier: logits must be accessible from the execution space");
    const std::string text = name;
    detail::require_same_extent(text + ".extent(0)", logits.extent(0), "the batch", batch);
    detail::require_same_extent(text + ".extent(1)", logits.extent(1), "tokens", rows);
    detail::require_same_extent(text + ".extent(2)", logits.extent(2), "the vocabulary", vocab);
    const auto stride = [&](std::size_t i) { return static_cast<std::int64_t>(logits.stride(i)); };
    detail::require(vocab < 2 || stride(2) == 1, text + ".stride(2)", stride(2), "1");
    if (batch > 0) detail::require_pointer(logits.data(), text + ".data()");
    return {logits.data(), {stride(0), stride(1)}};
  }

  template <class Drafts, class DraftLogits, class TargetLogits>
  detail::DraftArguments bind(const Drafts& drafts, const DraftLogits& draft_logits,
                              const TargetLogits& target_logits) const {
    static_assert(Kokkos::is_view_v<Drafts> && Drafts::rank() == 2,
                  "santa::DraftVerifier: drafts must be a Kokkos view of rank 2: [batch, drafts]");
    const auto require_within = [](const char* name, std::size_t given, std::int64_t least, std::int64_t most) {
      const auto extent = static_cast<std::int64_t>(given);
      detail::require(extent >= least && extent <= most, name, extent,
                      std::to_string(least) + " to the verifier's " + std::to_string(most));
    };
    require_within("drafts.extent(0)", drafts.extent(0), 0, _shape.batch);
    require_within("drafts.extent(1)", drafts.extent(1), 0, _shape.drafts);
    require_within("target_logits.extent(2)", target_logits.extent(2), 1, _shape.vocab);
    detail::DraftArguments a;
    a.batch = static_cast<std::int32_t>(drafts.extent(0));
    a.most = static_cast<std::int32_t>(drafts.extent(1));
    a.vocab = static_cast<std::int64_t>(target_logits.extent(2));
    a.target = bind_logits("target_logits", target_logits, a.batch, a.most + 1, a.vocab);
    if (a.most == 0) return a;
    a.drafts = detail::bind_tokens<Space>("drafts", drafts, a.most);
    if (draft_logits.data() != nullptr) a.draft = bind_logits("draft_logits", draft_logits, a.batch, a.most, a.vocab);
    return a;
  }

  void bind(detail::DraftArguments& a, const Options& options) const {
    if (!(options.temperature >= 0.F && options.temperature <= 1e30F))
      detail::reject("temperature", std::to_string(options.temperature), "0 to 1e30");
    a.greedy = options.temperature == 0.F;
    if (!a.greedy) a.factor = std::min(lanes::log2_of_e / options.temperature, 1e30F);
    a.chance = detail::bind_chance(options, a.batch);
    if (options.counts.data() != nullptr) {
      detail::require_same_extent("counts.extent(0)", options.counts.extent(0), "the batch", a.batch);
      a.counts = options.counts.data();
    }
    a.part_rows = part_rows(a.vocab);
    a.parts = a.greedy ? 1 : static_cast<std::int32_t>(parts(a.vocab));
    a.sums = _sums.data();
    a.best = {{_tokens.data(), {a.batch, 1}, false}, {_scores.data(), {a.batch, 1}}, {}, {}};
  }

  DraftShape _shape;
  Sums _sums;
  Tokens _tokens;
  Scores _scores;
  detail::Kept _kept;
};

/// Verifies drafts: makes a verifier, runs it. Allocates and fences; for more than one step, keep a DraftVerifier.
/// Shapes, results and errors: as DraftVerifier::run.
template <class Space, class Drafts, class DraftLogits, class TargetLogits, class Accepted, class Next,
          class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void accept_drafts(const Space& space, const Drafts& drafts, const DraftLogits& draft_logits,
                   const TargetLogits& target_logits, const Accepted& accepted, const Next& next,
                   const DraftOptions<typename Space::memory_space>& options = {}) {
  static_assert(
      Kokkos::is_view_v<Drafts> && Drafts::rank() == 2 && Kokkos::is_view_v<TargetLogits> && TargetLogits::rank() == 3,
      "santa::accept_drafts: drafts must be [batch, drafts], logits [batch, tokens, vocab]");
  const DraftVerifier<Space> verifier(space, {.batch = static_cast<std::int64_t>(drafts.extent(0)),
                                              .drafts = static_cast<std::int64_t>(drafts.extent(1)),
                                              .vocab = static_cast<std::int64_t>(target_logits.extent(2))});
  verifier.run(space, drafts, draft_logits, target_logits, accepted, next, options);
  space.fence("santa::accept_drafts");  // the verifier's memory goes with it
}

}  // namespace santa
