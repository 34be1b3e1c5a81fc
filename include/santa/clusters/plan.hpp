// ClusterPlan: decode attention over clustered keys, with all memory owned.
#pragma once

#include <santa/clusters/clustered_cache.hpp>
#include <santa/clusters/method.hpp>
#include <santa/clusters/passes.hpp>
#include <santa/clusters/state.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/decode/bind.hpp>
#include <santa/decode/check_types.hpp>
#include <santa/decode/options.hpp>
#include <santa/decode/plan_shape.hpp>
#include <santa/decode/workspace.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

/// Options of a ClusterPlan.
struct ClusterPlanOptions {
  /// Factor of <q, k> in natural units; 0 means 1 / sqrt(dim).
  float scale = 0.F;
};

/// Options of a ClusterPlan's run; all views are optional. Members as RunOptions has them.
template <class MemorySpace>
struct ClusterRunOptions {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutStride, MemorySpace>;

  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};
  WholeNumber stream = 0;
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};
  View<float**> lse = {};  // log Z, an estimate: Z is unbiased, its logarithm low by half its relative variance
  // Estimated L2 norm of the error of `out`, to first order in the ratio and as if rows and clusters were drawn
  // independently. Short where few draws carry the output (docs/clusters.md). NaN where outputs are
  // by rows alone (ClusterStatistics::self_normalised).
  View<float**> error = {};
  View<ClusterStatistics**> statistics = {};  // [batch, kv_heads] out
  ClusterState<MemorySpace> state = {};       // carried from step to step: thresholds
};

/// Decode attention over clusters of keys, for one type of cache and shapes up to the one given. `Kernels`: a KernelSet
/// of at most 8 heads, or all.
/// Computes: out[b, h] = sum_i a_i v_i over the valid keys of request b, a = softmax(scale <q, k_i>), by an estimate
///           whose numerator and denominator are unbiased: see Clusters and docs/clusters.md.
/// Memory:   allocated here, once; a step with a state that another has left allocates nothing, does not fence and can
///           be captured in a graph.
/// Order:    one run of a plan at a time.
/// Errors:   std::invalid_argument for a bad method, shape or options: name, given, accepted; AllocationError.
template <class Space, class Cache, class Kernels = KernelSet<>>
class ClusterPlan {
 public:
  using MemorySpace = typename Space::memory_space;
  using Addresses = typename Cache::Addresses;
  using Options = ClusterPlanOptions;
  using Run = ClusterRunOptions<MemorySpace>;
  using State = ClusterState<MemorySpace>;

  /// For steps as large as this one, at most.
  template <class QueryView, class Build = lanes::Build>
  ClusterPlan(const Space& space, const Clusters& method, const QueryView& query, const Cache& cache,
              const Options& options = {}, Kernels /*kernels*/ = {})
      : _shape(shape_of(query, cache)) {
    lanes::require_launchable(space);
    static_assert(QueryView::rank() == 3, "santa::ClusterPlan: query must have rank 3: [batch, heads, dim]");
    detail::check_shape(_shape);
    detail::require(_shape.values() == _shape.dim, "value_dim", _shape.values(), "dim, where keys are clustered");
    if (!std::isfinite(options.scale)) detail::reject("scale", std::to_string(options.scale), "a finite number");
    set_shape(cache.clusters().arrays(), options);
    set_method(method);
    with_extents<Build>([&]<class Extents>(Extents /*extents*/) {
      if (detail::has_parts<Addresses, Extents> && Extents::dim == _shape.dim) set_parts();
    });
    _workspace.template allocate<Build>(space, _arguments);
  }

  [[nodiscard]] const Shape& shape() const { return _shape; }
  [[nodiscard]] std::size_t workspace_bytes() const { return _workspace.bytes(); }

  /// Decodes one step.
  /// Shapes:  query [batch, heads, dim]; out [batch, heads, dim], float or the query's type; last extents contiguous.
  ///          The batch may be smaller than the plan's; clusters are of the plan's layout.
  /// Errors:  std::invalid_argument before anything is launched or written. What lies in device memory is not looked
  /// at:
  ///          lengths and counts of chunks out of range are clamped and flagged in the statistics.
  template <class QueryView, class AnyCache, class OutView, class Build = lanes::Build>
  void run(const Space& space, const QueryView& query, const AnyCache& cache, const OutView& out,
           const Run& options = {}) const {
    detail::check_types<Space, Addresses, QueryView, AnyCache, OutView>();
    lanes::require_launchable(space);
    detail::ClusterArguments a = bind(query, cache, out, options);
    if (a.batch == 0) return;
    const Kokkos::Profiling::ScopedRegion region("santa::decode_clusters");
    launch<Build>(space, a, cache.addresses(), options.state.is_fresh() ? rehearsals : 0);
    options.state.note_step();
  }

  /// What the plan does and costs, in a few lines for people.
  [[nodiscard]] std::string describe() const {
    const auto number = [](double value) { return std::to_string(static_cast<std::int64_t>(value)); };
    const detail::ClusterArrays& c = _arguments.clusters;
    const double chunks = static_cast<double>(c.chunks);
    return "santa::Clusters for batch " + number(_arguments.batch) + ", heads " + number(_arguments.heads) + "/" +
           number(_arguments.kv_heads) + ", dim " + number(_arguments.dim) + ", up to " +
           number(static_cast<double>(_shape.length)) + " keys\n  chunks of " + number(c.chunk) + " keys, " +
           number(c.clusters) + " clusters each\n  workspace " + number(static_cast<double>(_workspace.bytes())) +
           " bytes\n  reads of each kv head " + number(chunks * c.summary_bytes()) +
           " bytes of means, of exact attention's " +
           number(static_cast<double>(_shape.length) * _arguments.row_bytes) + ", and " +
           (_arguments.bytes > 0. ? "codes and rows up to " + detail::text_of(_arguments.bytes) + " of them"
                                  : "codes and rows as the method says") +
           "\n";
  }

 private:
  /// Searches for tau and delta: by means alone, and then by codes.
  static constexpr std::int32_t rehearsals = 10;
  /// Query heads that draw together, on all backends: more are read slice by slice.
  static constexpr int most_heads = 8;

  void set_shape(const detail::ClusterArrays& clusters, const Options& options) {
    detail::ClusterArguments& a = _arguments;
    a.batch = static_cast<std::int32_t>(_shape.batch);
    a.heads = static_cast<std::int32_t>(_shape.heads);
    a.kv_heads = static_cast<std::int32_t>(_shape.kv_heads);
    a.dim = static_cast<std::int32_t>(_shape.dim);
    const auto group = static_cast<std::int32_t>(_shape.group());
    a.slices = (group + most_heads - 1) / most_heads;
    a.slice_heads = (group + a.slices - 1) / a.slices;
    a.clusters = clusters;
    a.row_bytes =
        static_cast<std::int32_t>(2 * _shape.dim * static_cast<std::int64_t>(sizeof(typename Addresses::Element)));
    const float scale = options.scale != 0.F ? options.scale : 1.F / std::sqrt(static_cast<float>(_shape.dim));
    a.score_factor = scale * lanes::log2_of_e;
    // By the plan's shape alone, so that a request's output depends on none of its batch mates.
    const std::int64_t teams = (a.clusters.chunks * ((a.clusters.clusters + 31) / 32) + 3) / 4;  // of 4 tiles
    a.chunk_units = static_cast<std::int32_t>(std::clamp<std::int64_t>(teams, 1, detail::most_chunk_units));
    a.row_units =
        static_cast<std::int32_t>(std::clamp<std::int64_t>((a.clusters.chunk + 255) / 256, 1, detail::most_row_units));
    check_units();
  }
  /// Means, codes and rows by kernels of their own.
  void set_parts() {
    detail::ClusterArguments& a = _arguments;
    const auto units = [](std::int64_t count, std::int64_t each, std::int64_t most) {
      return static_cast<std::int32_t>(std::clamp<std::int64_t>((count + each - 1) / each, 1, most));
    };
    a.parts.used = true;
    // Of a large batch fewer teams, each of more tiles, as many as run at once: fewer states to merge.
    constexpr std::int64_t at_once = 512;
    const std::int64_t of_one = std::max<std::int64_t>(a.slice_rows() * a.chunk_units / at_once, 1);
    a.chunk_units = units(a.chunk_units, of_one, detail::most_chunk_units);
    a.parts.mean_units = units(a.clusters.chunks, 4, 128);                 // a chunk a warp
    a.gather_units = units(a.all_tiles(), 16, detail::most_gather_units);  // four tiles
    check_units();
  }
  void check_units() const {
    detail::product("batch * heads * units", {_shape.batch, _shape.heads, _arguments.units()}, detail::most_counted,
                    "less than 2^31");
  }

  void set_method(const Clusters& method) {
    detail::ClusterArguments& a = _arguments;
    method.check(a.clusters.summary_bytes() / (static_cast<double>(a.clusters.chunk) * a.row_bytes));
    _steered = method.steered;
    a.telescoping = method.estimate == ClusterEstimate::telescoping;
    a.value_codes = method.value_codes && a.clusters.value_codes;
    a.chooses_codes = method.chooses_codes && method.by_bytes();
    a.bytes = method.by_bytes() ? method.bytes : 0.;
    a.code_share = method.code_share;
    a.keys = method.keys.number;
    a.rows = method.rows.number;
    a.share_of_keys = method.keys.is_share;
    a.share_of_rows = method.rows.is_share;
  }

  template <class QueryView, class AnyCache, class OutView>
  [[nodiscard]] detail::ClusterArguments bind(const QueryView& query, const AnyCache& cache, const OutView& out,
                                              const Run& options) const {
    _kept.require("ClusterPlan");
    detail::ClusterArguments a = _arguments;
    const Shape given = shape_of(query, cache);
    const detail::Array rows = detail::array_of("query", query);
    const detail::Array to = detail::array_of("out", out);
    detail::require_query_extents(rows, given.batch, _shape, _shape.dim);
    detail::require_query_extents(to, given.batch, _shape, _shape.dim);
    detail::require_fit(given, _shape);
    require_layout(cache.clusters().layout());
    a.batch = static_cast<std::int32_t>(given.batch);
    a.storage = given.length;
    a.lengths = cache.length_data();
    a.clusters = cache.clusters().arrays();
    a.query = {rows.data, element_type_of<typename QueryView::value_type>};
    a.out = {out.data(), element_type_of<typename OutView::value_type>};
    for (int i = 0; i < 2; ++i) {  // of requests and heads; rank 4 has the one token between them
      a.query_stride[i] = rows.stride[i * (rows.rank - 2)];
      a.out_stride[i] = to.stride[i * (to.rank - 2)];
    }
    a.chance = detail::bind_chance(options, a.batch);
    a.lse = detail::optional_matrix("lse", options.lse, a.batch, _shape.heads);
    a.error = detail::optional_matrix("error", options.error, a.batch, _shape.heads);
    a.statistics = detail::optional_matrix("statistics", options.statistics, a.batch, _shape.kv_heads);
    a.with_error = static_cast<bool>(a.error);
    a.sighted = _steered && !options.state.is_fresh();
    bind_state(a, options.state);
    return a;
  }
  void bind_state(detail::ClusterArguments& a, const State& state) const {
    state.require_kept();
    if (!state.given()) return;
    detail::require(state.batch() >= a.batch, "state's batch", state.batch(),
                    "the batch (" + std::to_string(a.batch) + ") or more");
    detail::require(state.heads() == _shape.heads, "state's heads", state.heads(),
                    "the plan's heads (" + std::to_string(_shape.heads) + ")");
    int n = 0;
    for (float** array : {&a.log_tau, &a.log_delta, &a.log_means, &a.log_codes, &a.log_clusters, &a.mismatch})
      *array = state.array(n++);
  }
  void require_layout(const ClusterLayout& given) const {
    const detail::ClusterArrays& plan = _arguments.clusters;
    detail::require(given.chunk == plan.chunk, "clustered keys' chunk", given.chunk,
                    "the plan's " + std::to_string(plan.chunk));
    detail::require(given.clusters() == plan.clusters, "clustered keys' clusters of a chunk", given.clusters(),
                    "the plan's " + std::to_string(plan.clusters));
    detail::require(given.value_codes == plan.value_codes, "clustered keys' value_codes", given.value_codes ? 1 : 0,
                    plan.value_codes ? "1, as the plan's" : "0, as the plan's");
  }

  /// Calls f with the extents of the kernels that take the plan's shape.
  template <class Build, class F>
  void with_extents(const F& f) const {
    using Compiled = std::conditional_t<Kernels::any, lanes::BuildFor<Kernels, KernelSet<>>, Build>;
    lanes::Seam<Space>::template with_extents<typename Addresses::Element, Compiled>(
        _arguments.slice_heads, _arguments.dim, true, [&]<class Extents>(Extents extents) {
          if constexpr (Extents::heads <= most_heads || lanes::has_calls<Space>)
            f(extents);
          else
            detail::reject("heads / kv_heads of kernels", std::to_string(Extents::heads), "at most 8 for clusters");
        });
  }
  template <class Build>
  void launch(const Space& space, const detail::ClusterArguments& a, const Addresses& addresses,
              std::int32_t searches) const {
    with_extents<Build>(
        [&]<class Extents>(Extents /*extents*/) { detail::run_clusters<Extents>(space, a, addresses, searches); });
  }

  Shape _shape;
  bool _steered = true;
  detail::ClusterArguments _arguments;
  detail::Workspace<Space> _workspace;
  detail::Kept _kept;
};

}  // namespace santa
