// Merging results over parts of the rows: splits of a cache, shared prefixes, shards on several devices or ranks.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/part_weights.hpp>
#include <santa/rows/team_draw.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

namespace santa {

/// Weighted means over parts of the rows, and the logarithm of each part's sum of weights: what a plan gives as `out`
/// and `lse`, part by part.
/// Shapes: out [parts, items, dim], float, or double with log_sum in double; log_sum [parts, items], float or double
/// (which loses nothing of large ones);
/// any strides, but dim is contiguous. An empty part has log_sum -infinity, or infinity, as other libraries say it
/// (FlashAttention); its `out` is not looked at. What is to be merged besides with error bars and statistics is kept
/// whole by AttentionStates. A sink is counted by every log_sum that contains it: give it to one part.
template <class OutView, class LogSumView>
struct PartialStates {
  OutView out;
  LogSumView log_sum;
};
template <class OutView, class LogSumView>
PartialStates(OutView, LogSumView) -> PartialStates<OutView, LogSumView>;

namespace detail::inline SANTA_BUILD {

/// Merges one item, by a team whose lanes share the features. Weights are relative to the largest part's, parts are
/// added in order: always the same bits. Returns the logarithm of the whole sum.
template <class Member, class States, class Out>
KOKKOS_FUNCTION auto merge_item(const Member& member, const States& states, std::size_t item, const Out& out) {
  using Real = std::remove_cvref_t<decltype(states.log_sum(0, 0))>;
  using Weight = typename Out::non_const_value_type;
  const std::size_t parts = states.log_sum.extent(0);
  const auto log_sum_of = [&](std::size_t part) { return log_sum_or_empty(Real{states.log_sum(part, item)}); };
  Real largest = std::numeric_limits<Real>::lowest();
  for (std::size_t part = 0; part < parts; ++part) largest = lanes::max(largest, log_sum_of(part));
  const PartWeights<Real, Weight> weights(largest);
  const auto weight_of = [&](std::size_t part) { return weights.of(log_sum_of(part)); };
  Weight mass = 0;
  for (std::size_t part = 0; part < parts; ++part) mass += weight_of(part);
  Kokkos::parallel_for(Kokkos::TeamVectorRange(member, out.extent(0)), [&](std::size_t d) {
    Weight sum = 0;
    for (std::size_t part = 0; part < parts; ++part)
      if (const Weight weight = weight_of(part); weight != 0) sum = lanes::fma(weight, states.out(part, item, d), sum);
    out(d) = mass == 0 ? Weight{0} : sum / mass;
  });
  return weights.log_of(mass);
}

}  // namespace detail::inline SANTA_BUILD

/// Merges partial results. Neither allocates nor fences.
/// Computes: log_sum[i] = log sum_p exp(log_sum[p, i]), out[i] = sum_p exp(log_sum[p, i] - log_sum[i]) out[p, i];
///           -infinity and 0 where all parts are empty. Unbiased where the parts are: their sums of weights are exact.
/// Shapes:   out [items, dim], of the type of states.out; log_sum [items], float or double: may be a view without data.
/// Errors:   std::invalid_argument before anything is launched or written.
/// Bytes:    all of states, the log-sums dim + 2 times.
template <class Space, class States, class Out, class LogSum, class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void merge(const Space& space, const States& states, const Out& out, const LogSum& log_sum) {
  using PartOut = std::remove_cvref_t<decltype(states.out)>;
  using PartSum = std::remove_cvref_t<decltype(states.log_sum)>;
  static_assert(PartOut::rank() == 3 && PartSum::rank() == 2,
                "santa::merge: states must be out [parts, items, dim] and log_sum [parts, items]");
  static_assert(Out::rank() == 2 && LogSum::rank() == 1, "santa::merge: out must be [items, dim], log_sum [items]");
  using Part = typename PartOut::non_const_value_type;
  using Log = typename PartSum::non_const_value_type;
  static_assert(
      detail::is_real<Part> && std::is_same_v<typename Out::value_type, Part> && detail::is_real<Log> &&
          (std::is_same_v<Part, float> || std::is_same_v<Log, double>)&&detail::is_real<typename LogSum::value_type>,
      "santa::merge: out must be float, log_sum float or double, or both out and states double; the merged "
      "ones not const");
  static_assert(Kokkos::SpaceAccessibility<Space, typename PartOut::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename PartSum::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename Out::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename LogSum::memory_space>::accessible,
                "santa::merge: views must be accessible from the execution space");
  const auto require_same = [](const std::string& name, std::size_t given, const char* what, std::size_t expected) {
    detail::require(given == expected, name, static_cast<std::int64_t>(given),
                    std::string(what) + " (" + std::to_string(expected) + ")");
  };
  lanes::require_launchable(space);
  const std::size_t items = out.extent(0);
  require_same("states.out.extent(1)", states.out.extent(1), "the items of out", items);
  require_same("states.out.extent(2)", states.out.extent(2), "the dim of out", out.extent(1));
  require_same("states.log_sum.extent(0)", states.log_sum.extent(0), "the parts of states.out", states.out.extent(0));
  require_same("states.log_sum.extent(1)", states.log_sum.extent(1), "the items of out", items);
  const bool with_sum = log_sum.data() != nullptr;
  if (with_sum) require_same("log_sum.extent(0)", log_sum.extent(0), "the items of out", items);
  if (items == 0) return;
  detail::require(items <= static_cast<std::size_t>(detail::most_counted), "items", static_cast<std::int64_t>(items),
                  "less than 2^31");
  const auto require_data = [](const auto& view, const char* name) {
    if (detail::has_elements(view)) detail::require_pointer(view.data(), name);
  };
  require_data(states.out, "states.out.data()");
  require_data(states.log_sum, "states.log_sum.data()");
  require_data(out, "out.data()");
  constexpr int lanes_of_team = lanes::is_host_space<Space> ? 1 : 32;
  using Policy = Kokkos::TeamPolicy<Space>;
  Kokkos::parallel_for(
      "santa::merge", Policy(space, static_cast<int>(items), 1, lanes_of_team),
      KOKKOS_LAMBDA(const typename Policy::member_type& member) {
        const auto item = static_cast<std::size_t>(member.league_rank());
        const auto sum = detail::merge_item(member, states, item, Kokkos::subview(out, item, Kokkos::ALL));
        using Real = typename LogSum::value_type;
        if (with_sum) Kokkos::single(Kokkos::PerTeam(member), [&] { log_sum(item) = static_cast<Real>(sum); });
      });
}

/// The same for one item, by one team of the caller's kernel. Ends with a barrier of the team.
/// Shapes: out [dim]; `log_sum`, float or double, is where the logarithm goes.
template <TeamMember Member, class States, class Out, class Real, class Build = lanes::Build>
requires detail::is_real<Real> KOKKOS_FUNCTION void merge(const Member& member, const States& states, std::size_t item,
                                                          const Out& out, Real& log_sum) {
  const auto sum = detail::merge_item(member, states, item, out);
  Kokkos::single(Kokkos::PerTeam(member), [&] { log_sum = static_cast<Real>(sum); });
  member.team_barrier();
}

}  // namespace santa
