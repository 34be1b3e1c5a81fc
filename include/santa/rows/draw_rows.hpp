// Drawing rows by log-weights with any rule, for codes that have weights and rows of their own.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shard.hpp>
#include <santa/decode/bind.hpp>
#include <santa/decode/chance.hpp>
#include <santa/decode/method_traits.hpp>
#include <santa/decode/methods.hpp>
#include <santa/decode/options.hpp>
#include <santa/decode/workspace.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/list_kernel.hpp>
#include <santa/rows/log_sums.hpp>
#include <santa/rows/log_weights.hpp>
#include <santa/rows/row_teams.hpp>
#include <santa/rows/team_draw.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

/// Options of a draw; all views are optional.
template <class MemorySpace>
struct DrawOptions {
  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};
  WholeNumber stream = 0;                                         // streams draw independently
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};  // [batch] identities; default: the batch index
  LogSums<MemorySpace> log_sum = {};  // [batch] out, float or double: log of the sum of the weights
};

/// Draws rows by one method for batches up to the one given, with all memory owned.
/// Computes: for each vector of log-weights, rows and weights whose expectation is the normalised weight of each row:
///           see DrawnRows. The normalisation is exact, as every log-weight is read.
/// Memory:   allocated here, once; `run` allocates nothing and does not fence.
/// Errors:   as DecodePlan's; std::invalid_argument for a MassUnit with a target_error or steered.
/// Precision: weights are floats, and masses of 32 rows 31 bits: for counts of up to some millions of draws. Rows in
/// double, by
///           62 bits: ResamplePlan, DistinctPlan.
/// Bytes:    the log-weights, once or (two-pass rules) with their scores three times; doubles once more before, for the
///           largest; 20 a drawn row.
/// Random:   as the method says, for one head: key (seed; step, stream, request, 0, tile or draw).
template <class Space, Method M>
class DrawPlan {
  static_assert(Kokkos::is_execution_space_v<Space>, "santa::DrawPlan: the first argument must be an execution space");

 public:
  using MemorySpace = typename Space::memory_space;
  using Options = DrawOptions<MemorySpace>;

  /// `shard`: where the rows lie in a whole that ranks share, for ShardedDraw (ranks/), which alone runs such a plan.
  template <class Build = lanes::Build>
  DrawPlan(const Space& space, const M& method, std::int64_t batch, std::int64_t rows, const Shard& shard = {})
      : _method(method) {
    lanes::require_launchable(space);
    method.check();
    require_no_steps(method);
    detail::require(batch >= 0 && batch <= detail::most_query_heads, "batch", batch, "0 to 2^27");
    detail::require(rows >= 0 && rows <= detail::most_rows, "rows", rows, "0 to 2^36");
    lay_out<Build>(space, batch, rows, shard);
    _workspace.template allocate<Build>(space, _arguments);
    _places = detail::allocate<Places, detail::Fresh::unset>(space, "santa::places", batch, std::int64_t{3}, places());
    _largest = detail::allocate<Largest, detail::Fresh::unset>(space, "santa::largest", batch,
                                                               std::int64_t{std::int32_t{_arguments.splits}});
    _scratch = detail::allocate<Scratch>(space, "santa::scratch", batch,
                                         static_cast<std::int64_t>(scratch_floats() + detail::LocalTeam::rule_floats));
  }

  /// Draws.
  /// Shapes: log_weights [rows] or [batch, rows], float or double, any strides; -infinity: never drawn, NaN: an error
  ///         that shows in the results. Doubles may be as large as any: what is taken off them is their largest, in
  ///         double precision. Floats are taken as they are, within 1e38: of large ones the last bit is lost, so shift
  ///         them.
  /// Errors: std::invalid_argument before anything is launched or written.
  template <class LogWeights, class Build = lanes::Build>
  void run(const Space& space, const LogWeights& log_weights, const DrawnRows<MemorySpace>& drawn,
           const Options& options = {}) const {
    lanes::require_launchable(space);
    detail::require_whole(_arguments);
    const auto context = bind<Build>(log_weights, drawn, options, _arguments);
    if (context.arguments.batch == 0) return;
    const Kokkos::Profiling::ScopedRegion region("santa::rows");
    const detail::RowTeams<Space> teams{space};
    detail::draw_lists<M>(teams, context, pointers(drawn, options));
  }

  /// The same draws for a kernel of the caller's: an object to hand to `draw_rows(member, draw, batch)` there.
  /// Requires: log_weights and drawn outlive the kernel; a plan serves one such kernel, or `run`, at a time.
  template <class LogWeights, class Build = lanes::Build>
  [[nodiscard]] auto on_team(const LogWeights& log_weights, const DrawnRows<MemorySpace>& drawn,
                             const Options& options = {}) const {
    static_assert(lanes::is_host_space<Space>, "santa::DrawPlan::on_team: of host execution spaces alone, so far");
    detail::require(places() <= detail::most_counted, "rows", _arguments.storage, "less than 2^31 for one team");
    detail::require_whole(_arguments);
    Arguments whole = _arguments;
    whole.splits = 1;
    whole.keys_per_split = places();
    const auto context = bind<Build>(log_weights, drawn, options, whole);
    return TeamDraw<M, std::remove_const_t<decltype(context)>>(context, pointers(drawn, options), _scratch.data(),
                                                               static_cast<std::int64_t>(_scratch.extent(1)));
  }

  [[nodiscard]] std::size_t workspace_bytes() const {
    return _workspace.bytes() + sizeof(float) * (_places.size() + _scratch.size()) + sizeof(double) * _largest.size();
  }

 private:
  template <class Plan>
  friend class ShardedDraw;

  using Arguments = typename detail::Recipe<M>::Arguments;
  template <class T>
  using Context = detail::RowsContext<Space, Arguments, T>;
  using Places = Kokkos::View<float***, Kokkos::LayoutRight, MemorySpace>;   // [batch][index, weight, spread][places]
  using Largest = Kokkos::View<double**, Kokkos::LayoutRight, MemorySpace>;  // [batch][splits], of double log-weights
  using Scratch = Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace>;   // of a team that the caller launches

  /// Of a team, with room for the error bar's sums.
  [[nodiscard]] std::size_t scratch_floats() const {
    Context<float> context{};
    context.arguments = _arguments;
    context.arguments.with_spread = true;
    return context.scratch_floats(1, 0);
  }

  [[nodiscard]] std::int64_t places() const {
    const std::int64_t whole = (_arguments.storage + detail::tile_keys - 1) / detail::tile_keys * detail::tile_keys;
    return whole > 0 ? whole : detail::tile_keys;
  }

  /// There are no values to be wrong about, and no steps that learn from those before.
  static void require_no_steps(const M& method) {
    if constexpr (requires { method.target_error; }) {
      if (method.target_error != 0.)
        detail::reject("MassUnit.target_error", detail::text_of(method.target_error),
                       "0: rows are drawn without values");
      if (method.steered) detail::reject("MassUnit.steered", "true", "false: draws of rows carry no state");
    }
  }

  template <class Build>
  void lay_out(const Space& space, std::int64_t batch, std::int64_t rows, const Shard& shard) {
    Arguments& a = _arguments;
    a.batch = static_cast<std::int32_t>(batch);
    a.heads = a.kv_heads = 1;
    a.storage = rows;
    detail::Recipe<M>::set(a, _method, detail::lay_out_shard(a, shard, rows));
    const detail::RowTeams<Space> teams{space};
    const lanes::Division division = lanes::Seam<detail::RowTeams<Space>>::divide(
        teams, {.rows = batch > 0 ? batch : 1, .length = rows, .tile = detail::draw_tile_of(a)});
    a.keys_per_split = division.keys_per_split;
    a.splits = static_cast<std::int32_t>(division.splits > 0 ? division.splits : 1);
    a.most_splits = a.splits;
    a.most_merged = lanes::every_state;
    detail::require_countable_splits(a);
  }

  template <class Build, class LogWeights>
  auto bind(const LogWeights& log_weights, const DrawnRows<MemorySpace>& drawn, const Options& options,
            Arguments a) const {
    static_assert(Kokkos::is_view_v<LogWeights>, "santa::draw_rows: log_weights must be a Kokkos view");
    using T = typename LogWeights::non_const_value_type;
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>,
                  "santa::draw_rows: log_weights must be float or double");
    static_assert(LogWeights::rank() == 1 || LogWeights::rank() == 2,
                  "santa::draw_rows: log_weights must have rank 1 or 2: [rows] or [batch, rows]");
    static_assert(Kokkos::SpaceAccessibility<Space, typename LogWeights::memory_space>::accessible,
                  "santa::draw_rows: log_weights must be accessible from the execution space");
    _kept.require("DrawPlan");
    constexpr std::size_t last = LogWeights::rank() - 1;
    const std::int64_t batch = last == 1 ? static_cast<std::int64_t>(log_weights.extent(0)) : 1;
    const auto rows = static_cast<std::int64_t>(log_weights.extent(last));
    detail::require(batch <= a.batch, "batch", batch, "at most the plan's " + std::to_string(a.batch));
    detail::require(rows <= a.storage, "rows", rows, "at most the plan's " + std::to_string(a.storage));
    if (detail::has_elements(log_weights)) detail::require_pointer(log_weights.data(), "log_weights.data()");
    check(drawn, batch);
    a.batch = static_cast<std::int32_t>(batch);
    a.storage = rows;
    a.chance = detail::bind_chance(options, batch);
    if (options.log_sum.given()) require_at_least("log_sum.extent(0)", options.log_sum.extent(0), batch);
    a.with_spread = drawn.spreads.data() != nullptr;
    const std::int64_t stride[2] = {last == 1 ? static_cast<std::int64_t>(log_weights.stride(0)) : 0,
                                    static_cast<std::int64_t>(log_weights.stride(last))};
    const std::int64_t before = a.shard.first_row;  // rows are numbered as in the whole
    return Context<T>{a,
                      {{log_weights.data() - before * stride[1],
                        {stride[0], stride[1]},
                        _places.data() - before,
                        places(),
                        _largest.data(),
                        a.splits}}};
  }

  static void require_at_least(const std::string& name, std::size_t extent, std::int64_t batch) {
    detail::require(static_cast<std::int64_t>(extent) >= batch, name, static_cast<std::int64_t>(extent),
                    "the batch (" + std::to_string(batch) + ") or more");
  }

  static void check(const DrawnRows<MemorySpace>& drawn, std::int64_t batch) {
    drawn.require_kept();
    require_at_least("drawn.rows.extent(0)", drawn.rows.extent(0), batch);
    require_at_least("drawn.count.extent(0)", drawn.count.extent(0), batch);
    const auto like_rows = [&](const auto& view, const std::string& name) {
      for (std::size_t i = 0; i < 2; ++i)
        detail::require(view.extent(i) == drawn.rows.extent(i), name + ".extent(" + std::to_string(i) + ")",
                        static_cast<std::int64_t>(view.extent(i)),
                        "that of drawn.rows (" + std::to_string(drawn.rows.extent(i)) + ")");
    };
    like_rows(drawn.weights, "drawn.weights");
    if (drawn.spreads.data() != nullptr) like_rows(drawn.spreads, "drawn.spreads");
  }

  static detail::ListPointers pointers(const DrawnRows<MemorySpace>& drawn, const Options& options) {
    const auto stride = [](const auto& view) { return static_cast<std::int64_t>(view.stride(0)); };
    return {drawn.rows.data(),
            drawn.weights.data(),
            drawn.spreads.data(),
            drawn.count.data(),
            static_cast<std::int64_t>(drawn.rows.extent(1)),
            {stride(drawn.rows), stride(drawn.weights), stride(drawn.spreads)},
            options.log_sum.floats(),
            options.log_sum.doubles()};
  }

  M _method;
  Arguments _arguments;
  detail::Workspace<Space> _workspace;
  Places _places;
  Largest _largest;
  Scratch _scratch;
  detail::Kept _kept;
};

/// Draws rows by log-weights: makes a plan, runs it. Allocates and fences; for more than one draw, keep a DrawPlan.
/// Shapes and errors: as DrawPlan::run.
template <class Space, Method M, class LogWeights, class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void draw_rows(const Space& space, const M& method, const LogWeights& log_weights,
               const DrawnRows<typename Space::memory_space>& drawn,
               const DrawOptions<typename Space::memory_space>& options = {}) {
  static_assert(Kokkos::is_view_v<LogWeights>, "santa::draw_rows: log_weights must be a Kokkos view");
  static_assert(LogWeights::rank() == 1 || LogWeights::rank() == 2,
                "santa::draw_rows: log_weights must have rank 1 or 2: [rows] or [batch, rows]");
  const auto batch = LogWeights::rank() == 2 ? static_cast<std::int64_t>(log_weights.extent(0)) : 1;
  const DrawPlan plan(space, method, batch, static_cast<std::int64_t>(log_weights.extent(LogWeights::rank() - 1)));
  plan.run(space, log_weights, drawn, options);
  space.fence("santa::draw_rows");  // the plan's memory goes with it
}

}  // namespace santa
