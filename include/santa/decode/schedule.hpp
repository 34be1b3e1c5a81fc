// Schedule: how the requests of a step are cut into units of work where they differ in length.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/schedule/cut.hpp>
#include <santa/schedule/fill_balance.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

namespace santa {

/// What a schedule has from the plans that it is for.
struct ScheduleOptions {
  /// That of PlanOptions.
  std::int64_t keys_per_split = 0;
  /// Of the last keys, that of the plans' modifier: its `window()`.
  std::int64_t window = every_key;
};

namespace detail::inline SANTA_BUILD {

/// Errors: std::invalid_argument: name, given, accepted.
inline void check_keys_per_split(std::int64_t keys) {
  require(keys >= 0 && keys % split_keys == 0 && keys <= most_counted, "keys_per_split", keys,
          "a multiple of 256 below 2^31, or 0");
}

/// How an execution space cuts the requests of a shape.
template <class Space>
Cut cut_of(const Space& space, const Shape& shape, const ScheduleOptions& options) {
  Cut cut;
  cut.keys_per_split = options.keys_per_split;
  cut.window = options.window;
  Arguments a;
  set_heads(a, shape, lanes::Seam<Space>::most_heads(dims_of(shape).most()));
  const lanes::Shares shares = lanes::Seam<Space>::shares(
      space,
      {.rows = shape.kv_heads * a.slices, .heads = a.slice_heads, .dim = a.row_dims().most(), .length = shape.length},
      shape.batch);
  cut.parts = shares.parts;
  cut.least = shares.least;
  cut.most_merged = lanes::Seam<Space>::most_merged(a.slice_heads, a.dim);
  return cut;
}

/// Neither fences nor allocates.
template <class Space>
void fill_balance(const Space& space, const FillBalance& kernel) {
  constexpr int threads = lanes::is_host_space<Space> ? 1 : 512;
  const auto policy = Kokkos::TeamPolicy<Space>(space, 1, threads)
                          .set_scratch_size(0, Kokkos::PerTeam(FillBalance::scratch_bytes + 64));
  Kokkos::parallel_for("santa::schedule",
                       Kokkos::Experimental::require(policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight),
                       kernel);
}
/// Of a cache's lengths.
template <class Space, class Cache>
void fill_balance(const Space& space, const Cut& cut, const Cache& cache, const Balance& balance) {
  const Shape shape = cache.shape();
  fill_balance(space, {cut, cache.length_data(), shape.length, static_cast<std::int32_t>(shape.batch), balance});
}

}  // namespace detail::inline SANTA_BUILD

/// How the requests of a step are cut into units of work, and in which order these are taken: by lengths in device
/// memory. One serves all layers of a step, and all plans of its shape, keys_per_split and window. A plan whose run
/// is given none makes its own at the start of each run with lengths, for a kernel more; one for a single request needs
/// none.
///
/// How a request is cut follows from its own length alone, so that its output has the same bits in any batch. With a
/// schedule of lengths that have changed since, outputs are as right, but units are not balanced.
///
/// Made by default it is none.
template <class MemorySpace>
class Schedule {
 public:
  Schedule() = default;
  /// For steps up to this shape. Errors: std::invalid_argument: name, given, accepted; AllocationError.
  template <class Space, class Build = lanes::Build>
  Schedule(const Space& space, const Shape& shape, const ScheduleOptions& options = {})
      : _shape(shape), _updated(std::make_shared<std::int64_t>(-1)) {
    lanes::require_launchable(space);
    detail::check_shape(shape);
    detail::check_keys_per_split(options.keys_per_split);
    detail::require(options.window >= 0, "window", options.window, "0 or more");
    _cut = detail::cut_of(space, shape, options);
    _requests = detail::allocate<Requests>(space, "santa::schedule", shape.batch + 1);
    const std::int64_t splits = detail::product("batch * splits", {shape.batch, _cut.most(shape.length)},
                                                detail::most_counted, "less than 2^31: give a larger keys_per_split");
    _order = detail::allocate<Order>(space, "santa::schedule", splits);
    _apart = detail::allocate<Apart>(space, "santa::schedule", shape.batch);
  }

  /// Notes the lengths of a step: a view [batch] of int32 or int64, or the cache that has them. They are read by one
  /// small kernel, when it runs; neither fences nor allocates, and can be captured in a graph.
  /// Errors: std::invalid_argument for more requests or keys than the schedule is for.
  template <class Space, class LengthsOrCache, class Build = lanes::Build>
  void update(const Space& space, const LengthsOrCache& lengths) const {
    require_kept();
    if constexpr (Kokkos::is_view_v<LengthsOrCache>) {
      using Length = typename LengthsOrCache::non_const_value_type;
      static_assert(
          LengthsOrCache::rank() == 1 && (std::is_same_v<Length, std::int32_t> || std::is_same_v<Length, std::int64_t>),
          "santa::Schedule: lengths must have rank 1 and hold int32 or int64");
      static_assert(Kokkos::SpaceAccessibility<Space, typename LengthsOrCache::memory_space>::accessible,
                    "santa::Schedule: lengths must be accessible from the execution space");
      if (lengths.extent(0) > 0) detail::require_pointer(lengths.data(), "lengths.data()");
      if (lengths.stride(0) != 1 && lengths.extent(0) > 1)
        detail::reject("lengths.stride(0)", std::to_string(lengths.stride(0)), "1");
      fill<Build>(space, {lengths.data(), std::is_same_v<Length, std::int64_t>},
                  static_cast<std::int64_t>(lengths.extent(0)), _shape.length);
    } else {
      const Shape given = lengths.shape();
      fill<Build>(space, lengths.length_data(), given.batch, given.length);
    }
  }

  [[nodiscard]] const Shape& shape() const { return _shape; }
  [[nodiscard]] bool given() const { return _updated != nullptr; }
  /// Errors: std::invalid_argument if the schedule was moved from.
  void require_kept() const { _kept.require("schedule"); }

  /// For plans: checks that a step of so many requests, of a plan of this shape and cut, can be run by it.
  void require_fit(const Shape& shape, const detail::Cut& cut, std::int64_t batch) const {
    require_kept();
    if (_shape != shape) detail::reject("the schedule's shape", text(_shape), "the plan's, " + text(shape));
    const auto same = [](const char* name, std::int64_t given, std::int64_t expected) {
      detail::require(given == expected, name, given, {"the plan's ", expected, ""});
    };
    same("the schedule's keys_per_split", _cut.keys_per_split, cut.keys_per_split);
    same("the schedule's window", _cut.window, cut.window);
    if (_cut != cut) detail::reject("the schedule", "one of another execution space", "one of the plan's");
    if (*_updated < 0) detail::reject("the schedule", "without lengths", "one that `update` was called for");
    detail::require(*_updated == batch, "the schedule's requests", *_updated, {"those of the run (", batch, ")"});
  }
  [[nodiscard]] detail::Balance data() const { return {_requests.data(), _order.data(), _apart.data()}; }

 private:
  using Requests = Kokkos::View<detail::RequestSplits*, MemorySpace>;
  using Order = Kokkos::View<detail::SplitOfRequest*, MemorySpace>;
  using Apart = Kokkos::View<std::int32_t*, MemorySpace>;

  template <class Build, class Space>
  void fill(const Space& space, const detail::Lengths& lengths, std::int64_t batch, std::int64_t storage) const {
    lanes::require_launchable(space);
    detail::require(batch <= _shape.batch, "batch", batch, {"at most the schedule's ", _shape.batch, ""});
    detail::require(storage <= _shape.length, "length", storage, {"at most the schedule's ", _shape.length, ""});
    detail::fill_balance(space, {_cut, lengths, storage, static_cast<std::int32_t>(batch), data()});
    *_updated = batch;
  }

  static std::string text(const Shape& shape) {
    const auto number = [](std::int64_t value) { return std::to_string(value); };
    return "batch " + number(shape.batch) + ", heads " + number(shape.heads) + "/" + number(shape.kv_heads) + ", dim " +
           number(shape.dim) + (shape.values() != shape.dim ? "/" + number(shape.values()) : std::string{}) +
           ", length " + number(shape.length) +
           (shape.tokens > 1 ? ", " + number(shape.tokens) + " tokens" : std::string{});
  }

  Shape _shape;
  detail::Cut _cut;
  Requests _requests;
  Order _order;
  Apart _apart;
  std::shared_ptr<std::int64_t> _updated;  // requests at the last update, or -1; shared by copies, as the views are
  detail::Kept _kept;
};

}  // namespace santa
