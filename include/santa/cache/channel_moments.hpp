// What the keys of a cache have in common, feature by feature.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Mean and root mean square deviation of one feature over the valid keys of a request, or of all of them `together`,
/// which a team shares out.
template <class Addresses>
struct ChannelMomentsKernel {
  Addresses addresses;
  Lengths lengths;
  Shape shape;
  float flat;   // the deviation of a channel of one value
  float* mean;  // [batch, or 1, kv_heads, dim] without gaps
  float* deviation;
  bool together;

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const std::int64_t feature = member.league_rank() % shape.dim;
    const std::int64_t row = member.league_rank() / shape.dim;
    const std::int64_t head = row % shape.kv_heads;
    const std::int64_t begin = together ? 0 : row / shape.kv_heads;
    const std::int64_t end = together ? shape.batch : begin + 1;
    const auto mean_of = [&](const auto& of) {
      double sum = 0.;
      std::int64_t count = 0;
      for (std::int64_t batch = begin; batch < end; ++batch) {
        const auto keys = addresses.keys(batch, head);
        const std::int64_t length = lengths.clamped(batch, shape.length);
        double of_request = 0.;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(member, length),
            [&](const std::int64_t i, double& part) {
              part += of(static_cast<double>(static_cast<float>(keys[i][feature])));
            },
            of_request);
        sum += of_request;
        count += length;
      }
      return count > 0 ? sum / static_cast<double>(count) : 0.;
    };
    const double center = mean_of([](double x) { return x; });
    const double square = mean_of([&](double x) { return (x - center) * (x - center); });
    Kokkos::single(Kokkos::PerTeam(member), [&] {
      const auto root = static_cast<float>(Kokkos::sqrt(square));
      mean[member.league_rank()] = static_cast<float>(center);
      deviation[member.league_rank()] = root > 0.F && root < Kokkos::Experimental::infinity_v<float> ? root : flat;
    });
  }
};

/// Writes mean and root mean square deviation of the valid keys of each (batch, kv head) and feature, or, `together`,
/// of each kv head and feature; `flat` where they do not deviate. Does not fence. Bytes: all keys, 32 of each of their
/// sectors at a time. Errors: std::invalid_argument for as many features as are no number of teams.
template <class Space, class Full>
void find_channel_moments(const Space& space, const Full& full, const Shape& shape, float flat, float* mean,
                          float* deviation, bool together = false) {
  const auto teams =
      static_cast<int>(product("batch * kv_heads * dim", {together ? 1 : shape.batch, shape.kv_heads, shape.dim},
                               most_counted, "less than 2^31"));
  lanes::require_launchable(space);
  if (teams == 0) return;
  const auto addresses = full.addresses();
  const ChannelMomentsKernel<decltype(addresses)> kernel{addresses, full.length_data(), shape,   flat,
                                                         mean,      deviation,          together};
  Kokkos::parallel_for("santa::channel_moments", Kokkos::TeamPolicy<Space>(space, teams, Kokkos::AUTO), kernel);
}

}  // namespace santa::detail::inline SANTA_BUILD
