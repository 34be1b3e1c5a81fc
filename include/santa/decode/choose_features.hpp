// The choice of features by itself.
#pragma once

#include <santa/cache/feature_keys.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/decode/chance.hpp>
#include <santa/decode/methods.hpp>
#include <santa/decode/options.hpp>
#include <santa/lanes/feature_coefficients.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace santa {

/// Options of `choose_features`: chance as of a run, see RunOptions.
template <class MemorySpace>
struct FeatureOptions {
  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};
  WholeNumber stream = 0;
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};
  /// Factor of <q, k>, by which `variance` is in units of scores; 0 means 1 / sqrt(dim).
  float scale = 0.F;
  /// [batch, heads] out, optional: the mean over keys of the squared error that the choice leaves in a head's scores,
  /// as if features were drawn independently.
  Kokkos::View<float**, Kokkos::LayoutStride, MemorySpace> variance = {};
};

namespace detail::inline SANTA_BUILD {

/// Coefficients of a slice's heads, and their variance; a team each.
template <class ExecutionSpace, class Addresses>
struct FeatureKernel {
  using Extents = lanes::Teams<4, max_heads>;
  using Group = lanes::GroupOf<ExecutionSpace, Extents>;
  using Coefficients = lanes::FeatureCoefficients<Group>;

  Arguments arguments;
  Addresses addresses;
  float* coefficients;  // [batch, heads, dim]
  std::int64_t stride[2];
  Matrix<float> variance;
  float squared_scale;

  KOKKOS_FUNCTION static std::size_t scratch_floats(int heads, int dim) {
    return Coefficients::kept_floats(heads, dim) + Coefficients::working_floats(heads, dim);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = arguments;
    const Unit unit = unit_of(a, member.league_rank());
    const Group group(member);
    float* const scratch = group.template scratch<float>(member, scratch_floats(a.slice_heads, a.key_dim));
    Coefficients c(group, scratch, scratch + Coefficients::kept_floats(unit.heads, a.key_dim), unit.heads, a.key_dim);
    const auto rows = addresses.scored(unit.batch, unit.kv_head);
    const ChosenQueryRows<decltype(addresses.choice)> query{
        {a.query, unit.batch * a.query_stride[0] + unit.first_head * a.query_stride[1], a.query_stride[1]},
        addresses.choice,
        rows.mean,
        rows.deviation,
        stream_key(a, unit),
        unit.kv_head};
    if (variance) find_variance(group, c, query, unit);
    c.choose(query, 1.F);
    c.for_own_heads([&](int head) {
      float* const to = coefficients + unit.batch * stride[0] + (unit.first_head + head) * stride[1];
      group.for_each(a.key_dim, [&](int d) { to[d] = c.scale(head) * c.of(head)[d]; });
    });
  }

 private:
  template <class Query>
  KOKKOS_FUNCTION void find_variance(const Group& group, Coefficients& c, const Query& query, const Unit& unit) const {
    c.read(query);
    group.team_barrier();
    query.choice.find_variance(group, c, query.deviation);
    group.team_barrier();
    c.for_own_heads([&](int head) {
      typename Coefficients::Float sum = 0.F;
      c.for_all_blocks([&](int first) {
        const auto deviation = c.load(query.deviation, first);
        sum = lanes::fma(c.load(c.of(head), first), deviation * deviation, sum);
      });
      const float total = squared_scale * group.sum(sum);
      group.single([&] { variance(unit.batch, unit.first_head + head) = total; });
    });
    group.team_barrier();
  }
};

}  // namespace detail::inline SANTA_BUILD

/// Chooses features as a run of the same seed, step, stream and requests does: out: coefficients [batch, heads, dim],
/// float, 0 where a feature is not used; the run's scores are those of queries that are the coefficients, but for a
/// constant a head. Union over a group's heads of the features used: what the run reads.
/// Shapes:  query [batch, heads, dim]; last extents contiguous. Does not fence.
/// Errors:  std::invalid_argument: name, given, accepted.
template <class Space, class QueryView, class Full, class Keys, class Choice, Rescore rescore, class OutView,
          class Build = lanes::Build>
void choose_features(const Space& space, const QueryView& query, const FeatureCache<Full, Keys, Choice, rescore>& cache,
                     const OutView& coefficients, const FeatureOptions<typename Space::memory_space>& options = {}) {
  static_assert(QueryView::rank() == 3 && OutView::rank() == 3,
                "santa::choose_features: query and coefficients must have rank 3: [batch, heads, dim]");
  static_assert(std::same_as<typename OutView::value_type, float>,
                "santa::choose_features: coefficients must be float");
  static_assert(Kokkos::SpaceAccessibility<Space, typename QueryView::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename OutView::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename Full::key_view::memory_space>::accessible,
                "santa::choose_features: views must be accessible from the execution space");
  if (!std::isfinite(options.scale)) detail::reject("scale", std::to_string(options.scale), "a finite number");
  lanes::require_launchable(space);
  Shape shape = cache.shape();
  shape.heads = static_cast<std::int64_t>(query.extent(1));
  detail::check_shape(shape);
  const auto require_extents = [&](std::string_view name, const auto& view) {
    const std::int64_t expected[3] = {shape.batch, shape.heads, shape.dim};
    const detail::Array array = detail::array_of(name, view);
    for (int i = 0; i < array.rank; ++i) detail::require_extent(array, i, expected[i]);
  };
  require_extents("query", query);
  detail::require_rows("query", query);
  require_extents("coefficients", coefficients);
  detail::require_rows("coefficients", coefficients);
  detail::Arguments a;
  shape.value_dim = 0;  // values have no part in it: scratch is for keys
  detail::set_heads(a, shape, lanes::Seam<Space>::most_heads(static_cast<int>(shape.dim)));
  a.storage = shape.length;
  a.query = {query.data(), element_type_of<typename QueryView::value_type>};
  for (std::size_t i = 0; i < 2; ++i) a.query_stride[i] = static_cast<std::int64_t>(query.stride(i));
  a.lengths = cache.length_data();
  a.chance = detail::bind_chance(options, shape.batch);
  detail::Matrix<float> variance;
  if (options.variance.data() != nullptr) {
    require_extents("variance", options.variance);
    variance.data = options.variance.data();
    for (std::size_t i = 0; i < 2; ++i) variance.stride[i] = static_cast<std::int64_t>(options.variance.stride(i));
  }
  const float scale = options.scale != 0.F ? options.scale : 1.F / std::sqrt(static_cast<float>(shape.dim));
  using Kernel = detail::FeatureKernel<Space, decltype(cache.addresses())>;
  detail::launch(
      "santa::choose_features", space, a.slice_rows(),
      Kernel{a,
             cache.addresses(),
             coefficients.data(),
             {static_cast<std::int64_t>(coefficients.stride(0)), static_cast<std::int64_t>(coefficients.stride(1))},
             variance,
             scale * scale});
}

}  // namespace santa
