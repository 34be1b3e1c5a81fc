// DecodePlan: decode attention for one shape, with all memory owned.
#pragma once

#include <santa/cache/addressed_cache.hpp>
#include <santa/cache/contiguous.hpp>
#include <santa/cache/shard_addresses.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/decode/bind.hpp>
#include <santa/decode/check_types.hpp>
#include <santa/decode/method_traits.hpp>
#include <santa/decode/methods.hpp>
#include <santa/decode/options.hpp>
#include <santa/decode/plan_shape.hpp>
#include <santa/decode/schedule.hpp>
#include <santa/decode/workspace.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/merge/attention_states.hpp>
#include <santa/schedule/cut.hpp>
#include <santa/schedule/units.hpp>
#include <santa/score/any_stage.hpp>
#include <santa/score/cache_stages.hpp>
#include <santa/score/modifiers.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>

namespace santa {

/// Decode attention by one method, for one type of cache and shapes up to the one given; by the kernels of a KernelSet.
/// Computes: out[b, h] = sum_i a_i v_i over the visible keys of request b, a = softmax(modifier(scale <q, k_i>)),
///           exactly or by an unbiased sample of the rows.
/// Scores:   within 1e38 of 0, like products <q, k>: a key of less may be taken for a hidden one, as at -infinity.
/// Shapes:   last extents are contiguous: a device's View has to name LayoutRight, as its default is LayoutLeft.
/// Memory:   allocated here, once, or given (PlanOptions::workspace); `run` allocates nothing, does not fence and can
///           be captured in a graph. Of the query and the cache that it is made with, it keeps extents and types alone.
/// Order:    one run of a plan at a time; runs on one execution space instance follow each other. Copies of a plan
///           share its memory. It is gone before Kokkos::finalize, as all views are.
/// Errors:   std::invalid_argument for bad method, shape, options: name, given, accepted; AllocationError;
///           std::runtime_error where Kokkos launches nothing: not initialized, or in an OpenMP parallel region.
template <class Space, Method M, class Cache, ScoreModifier Modifier = Identity, class Kernels = KernelSet<>>
class DecodePlan {
  static_assert(Kokkos::is_execution_space_v<Space>,
                "santa::DecodePlan: the first argument must be an execution space");
  static_assert(AddressedCache<Cache>,
                "santa::DecodePlan: the cache lacks a member of AddressedCache: see santa/cache/addressed_cache.hpp");

 public:
  using MemorySpace = typename Space::memory_space;
  using Addresses = typename Cache::Addresses;
  using Options = PlanOptions;
  using Run = RunOptions<MemorySpace>;
  using State = DecodeState<MemorySpace>;

  /// For steps as large as this one, at most.
  template <class QueryView, class Build = lanes::Build>
  DecodePlan(const Space& space, const M& method, const QueryView& query, const Cache& cache,
             const Options& options = {}, const Modifier& modifier = {}, Kernels kernels = {})
      : DecodePlan(space, method, shape_of(query, cache), CacheOf<Cache>{}, options, modifier, kernels) {}

  /// For shapes up to this one, before there is a cache.
  template <class Build = lanes::Build>
  DecodePlan(const Space& space, const M& method, const Shape& shape, CacheOf<Cache> /*cache*/,
             const Options& options = {}, const Modifier& modifier = {}, Kernels /*kernels*/ = {})
      : _method(method), _modifier(modifier), _shape(shape) {
    lanes::require_launchable(space);
    method.check();
    detail::check_shape(shape);
    detail::check_modifier(modifier, shape);
    detail::check_keys_per_split(options.keys_per_split);
    if (!std::isfinite(options.scale)) detail::reject("scale", std::to_string(options.scale), "a finite number");
    lay_out<Build>(space, options);
    PlanMemory memory{_arguments, _balance, _cut.most(shape.length)};
    _workspace.template allocate<Build>(space, memory, options.workspace);
  }

  [[nodiscard]] const Shape& shape() const { return _shape; }
  [[nodiscard]] std::size_t workspace_bytes() const { return _workspace.bytes(); }

  /// Decodes one step.
  /// Shapes:  query [batch, heads, dim]; out [batch, heads, value_dim], float or the query's type; last extents
  ///          contiguous. Of several tokens (drafts, say): [batch, tokens, heads, dim], one draw for all rows of a kv
  ///          head.
  ///          Batch and storage length may be smaller than the plan's, the other extents must be equal.
  /// Cache:   of the plan's type, or another whose rows are addressed alike (with lengths or without, views of const
  ///          elements or of others).
  /// Errors:  std::invalid_argument before anything is launched or written. Lengths in device memory are not looked
  /// at:
  ///          out of range they are clamped and flagged in the statistics; see `validate`.
  template <class QueryView, class AnyCache, class OutView, class Build = lanes::Build>
  void run(const Space& space, const QueryView& query, const AnyCache& cache, const OutView& out,
           const Run& options = {}) const {
    detail::check_types<Space, Addresses, QueryView, AnyCache, OutView>();
    lanes::require_launchable(space);
    detail::require_whole(_arguments);
    Arguments arguments = bind<Build>(query, cache, options);
    detail::bind_out(arguments, _shape, detail::array_of("out", out), out.data(),
                     element_type_of<typename OutView::value_type>);
    const bool first_step = options.state.is_fresh();
    launch<Build>(space, arguments, cache, options,
                  [&](const auto& context) { detail::run_method<M>(space, context, first_step); });
  }

  /// Decodes one step and keeps the heads' whole states, as part `part` of `states`, in the place of an output: `merge`
  /// makes that of all parts, by this plan or others, over keys of the same requests. Each part has its own state of
  /// MassUnit, its budget is of its own keys; error bars take states that have them. Of `options`, lse, error and
  /// statistics are the part's own, and there are no sinks. States of requests beyond the batch stay as they are.
  /// Errors:  as `run`; for states of another shape than the plan's, or none so numbered.
  template <class QueryView, class AnyCache, class Build = lanes::Build>
  void run_partial(const Space& space, const QueryView& query, const AnyCache& cache,
                   const AttentionStates<MemorySpace>& states, std::int64_t part, const Run& options = {}) const {
    detail::check_types<Space, Addresses, QueryView, AnyCache, typename QueryView::non_const_type>();
    lanes::require_launchable(space);
    Arguments arguments = bind<Build>(query, cache, options);
    detail::bind_part(arguments, _shape, states);
    float* const to = states.part(part);
    const bool first_step = options.state.is_fresh();
    launch<Build>(space, arguments, cache, options,
                  [&](const auto& context) { detail::run_part<M>(space, context, first_step, to); });
  }

  /// The same for keys that requests share, a common prefix say, which are read once for all of them: the plan's batch
  /// is one of prefixes, its tokens are those of all requests of a prefix (see shape_of_prefixes), and it is not
  /// causal. Requests sharers(p) to sharers(p + 1) - 1 share prefix p. States of requests without a prefix stay as they
  /// are. With joint draws, requests of a prefix share the rows that are read, 16 heads a kv head at a time; these are
  /// counted in the statistics of the first of them.
  /// Shapes:  query [requests, heads, dim] or [requests, tokens, heads, dim], contiguous in the first two extents then;
  ///          sharers [prefixes + 1], ascending, read when the kernels run and clamped to the requests of `states`.
  /// Errors:  as `run_partial`; for a causal plan, or modifiers that look at positions.
  template <class QueryView, class AnyCache, class Build = lanes::Build>
  void run_shared(const Space& space, const QueryView& query, const AnyCache& cache,
                  const Kokkos::View<const std::int32_t*, MemorySpace>& sharers,
                  const AttentionStates<MemorySpace>& states, std::int64_t part, const Run& options = {}) const {
    static_assert(
        PlainModifier<Modifier>,
        "santa::DecodePlan::run_shared: the positions of the queries are not known: no modifier may look at them");
    detail::check_types<Space, Addresses, QueryView, AnyCache, typename QueryView::non_const_type>();
    lanes::require_launchable(space);
    detail::require_whole(_arguments);
    Arguments arguments = begin_bind<Build>();
    detail::bind_shared(arguments, _shape, cache.shape(), detail::array_of("query", query), sharers, states);
    arguments.query = {query.data(), element_type_of<typename QueryView::value_type>};
    bind_run<Build>(arguments, cache, options);
    detail::bind_part_options(arguments, states.error_bars());
    float* const to = states.part(part);
    const bool first_step = options.state.is_fresh();
    launch<Build>(space, arguments, cache, options,
                  [&](const auto& context) { detail::run_part<M>(space, context, first_step, to); });
  }

  /// What the plan does and costs, in a few lines for people.
  [[nodiscard]] std::string describe() const {
    return detail::describe_plan(detail::Recipe<M>::name, _shape, _arguments, _workspace.bytes(),
                                 detail::Recipe<M>::rows_read(_method, _shape.length));
  }

 private:
  template <class Plan>
  friend class ShardedPlan;

  using Arguments = typename detail::Recipe<M>::Arguments;
  /// Scores are made from something narrower than keys of 2 bytes: the memory is waited for less than arithmetic is.
  static constexpr bool narrow = !std::same_as<typename Addresses::Element, typename Addresses::ScoredElement> ||
                                 sizeof(typename Addresses::Element) == 1;

  /// What the plan allocates: the memory of the kernels, and a schedule's.
  struct PlanMemory {
    Arguments& arguments;
    detail::Balance& balance;
    std::int64_t splits;  // of a request, at most

    template <class Take>
    void take_memory(const Take& take) {
      arguments.take_memory(take);
      take(balance.requests, std::int64_t{arguments.batch} + 1);
      take(balance.order, std::int64_t{arguments.batch}, splits);
      take(balance.apart, std::int64_t{arguments.batch});
    }
  };

  /// Calls run(context) with the context of a step's kernels, and notes the step.
  template <class Build, class AnyCache, class F>
  void launch(const Space& space, Arguments& arguments, const AnyCache& cache, const Run& options, const F& run) const {
    if (arguments.batch == 0) return;
    const Kokkos::Profiling::ScopedRegion region("santa::decode");
    using Stages = detail::CacheStages<Space, Addresses, Modifier>;
    const Stages stages{detail::addresses_of(cache, arguments), _modifier};
    using Compiled = std::conditional_t<Kernels::any, lanes::BuildFor<Kernels, KernelSet<>>, Build>;
    lanes::Seam<Space>::template with_extents<typename detail::ElementsOf<Addresses>::Larger, Compiled>(
        arguments.slice_heads, arguments.row_dims(), stages.addresses.aligned(), [&]<class Extents>(Extents extents) {
          // A kernel may be launched here, the first: all that can be refused has been looked at.
          arguments.balance = balance<Build>(space, cache, options.schedule);
          detail::note_balance(arguments, _cut, _shape.batch);
          if constexpr (lanes::has_calls<Space>) {
            using Any = detail::AnyStages<Addresses::rescored>;
            run(detail::KernelContext<Space, Arguments, Extents, Any>{arguments, {extents, stages}});
          } else {
            using Own = std::conditional_t<narrow, lanes::Crowded<Extents>, Extents>;
            run(detail::KernelContext<Space, Arguments, Own, Stages>{arguments, stages});
          }
        });
    if constexpr (detail::carries_state<M>) options.state.note_step();
  }

  // Functions with a `Build` are not shared by units that are compiled for different processors.
  template <class Build>
  void lay_out(const Space& space, const Options& options) {
    Arguments& a = _arguments;
    detail::set_heads(a, _shape, lanes::Seam<Space>::most_heads(detail::dims_of(_shape).most()));
    a.token_rows.causal = options.causal;
    a.storage = _shape.length;
    a.window = _modifier.window();
    const float scale = options.scale != 0.F ? options.scale : 1.F / std::sqrt(static_cast<float>(_shape.dim));
    a.score_factor = scale * lanes::log2_of_e;
    detail::Recipe<M>::set(a, _method, detail::lay_out_shard(a, options.shard, _shape.length));
    const lanes::Division division = detail::divide_plan(space, a, _shape.length, options.keys_per_split,
                                                         detail::work_of<M, detail::ElementsOf<Addresses>>(a, narrow));
    a.keys_per_split = division.keys_per_split;
    a.split_step = static_cast<std::uint16_t>(division.step);
    a.splits = static_cast<std::int32_t>(division.splits > 0 ? division.splits : 1);
    _cut = detail::cut_of(space, _shape, {options.keys_per_split, a.window});
    if (division.by_shares) detail::cut_evenly(a, _cut, _cut.most(_shape.length));
    a.most_merged = _cut.most_merged;
    a.most_splits = static_cast<std::int32_t>(std::max(_cut.most(_shape.length), std::int64_t{a.splits}));
    detail::require_countable_units(a);
  }

  template <class Build, class QueryView, class AnyCache>
  Arguments bind(const QueryView& query, const AnyCache& cache, const Run& options) const {
    Arguments a = begin_bind<Build>();
    detail::bind_step(a, _shape, shape_of(query, cache), detail::array_of("query", query),
                      element_type_of<typename QueryView::value_type>);
    bind_run<Build>(a, cache, options);
    return a;
  }
  template <class Build>
  Arguments begin_bind() const {
    _kept.require("DecodePlan");
    _workspace.require_memory();
    return _arguments;
  }
  /// What a step is given besides its queries.
  template <class Build, class AnyCache>
  void bind_run(Arguments& a, const AnyCache& cache, const Run& options) const {
    a.lengths = cache.length_data();
    detail::bind_options(a, _shape, options);
    options.schedule.require_kept();
    if (options.schedule.given()) options.schedule.require_fit(_shape, _cut, a.batch);
    if constexpr (detail::carries_state<M>) {
      detail::bind_state(a, options.state);
      a.with_spread = a.with_spread || a.target_error > 0.F;
      a.budgets = detail::bind_budgets(options.budgets, a.batch);
    } else if (options.budgets.data() != nullptr) {
      detail::reject("budgets", "given", "none: the method is not MassUnit");
    }
  }

  /// Units by the schedule that is given or, of a cache with lengths, by the plan's own, brought up to date; else, and
  /// where a plan is for one request or a few, all requests have equally many.
  template <class Build, class AnyCache>
  detail::Balance balance(const Space& space, const AnyCache& cache, const Schedule<MemorySpace>& given) const {
    if constexpr (std::same_as<typename AnyCache::length_view, NoLengths>) {
      return {};
    } else {
      if (cache.length_data().data == nullptr) return {};
      if (given.given()) return given.data();
      if (_shape.batch <= lanes::requests_cut_evenly<Space>()) return {};
      detail::fill_balance(space, _cut, cache, _balance);
      return _balance;
    }
  }

  M _method;
  Modifier _modifier;
  Shape _shape;
  Arguments _arguments;
  detail::Cut _cut;          // of requests whose lengths are given
  detail::Balance _balance;  // for runs with lengths and no schedule
  detail::Workspace<Space> _workspace;
  detail::Kept _kept;
};

}  // namespace santa

#if defined(SANTA_KERNELS)
#include <santa/decode/compiled_kernels.hpp>
#endif
