// The kernel that mends the delta / Z which a model's layers share, by the rows that they read.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/matrix.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/arguments.hpp>
#include <santa/sample/mass_unit/model_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Takes what the heads of all layers read in a token into their running means, finds the delta / Z by which these are
/// the rows asked for, and hands it to all heads. One team a request, or one for all that share a ratio. Sums of rows
/// are of integers: in any order the same.
struct CommonRatio {
  float* states = nullptr;      // [layers][StateArray][batch][heads]
  float* ratio = nullptr;       // [batch], log2
  Matrix<const float> weights;  // [layers][kv heads], or null
  ModelRows rows;
  std::int32_t layers = 0, batch = 0, heads = 0, kv_heads = 0;
  std::int32_t requests = 1;  // that share a ratio
  float least = 0.F, most = 0.F;

  /// How much of a token goes into the means: tokens differ by chance, which comes anew in each of them. Source:
  /// measured, docs/model_budget.md.
  static constexpr float part = 0.25F;
  static constexpr float first_guess = -8.F;  // log2
  static constexpr float reads_all = -1e30F;  // log2 of a delta / Z below the share of any weight, whatever Z

  /// Where the numbers of one of a team's heads lie.
  struct Place {
    float* state;  // of its layer
    std::int64_t row, stride;
    float log_weight;

    [[nodiscard]] KOKKOS_FUNCTION float& at(StateArray array) const {
      return state[static_cast<std::int64_t>(array) * stride + row];
    }
    /// Whether the head has read rows by a ratio in this token.
    [[nodiscard]] KOKKOS_FUNCTION bool counts() const {
      return at(StateArray::asked) > 0.F && is_finite(at(StateArray::log_ratio)) && is_finite(log_weight);
    }
    /// Has all rows of a head of infinite weight read in its next step, whatever was carried.
    KOKKOS_FUNCTION void mark_whole() const {
      if (is_finite(log_weight)) return;
      at(StateArray::log_ratio) = reads_all;
      at(StateArray::log2_sum) = 0.F;
    }
  };
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t entries() const { return std::int64_t{layers} * requests * heads; }
  [[nodiscard]] KOKKOS_FUNCTION Place place(std::int64_t first_request, std::int64_t i) const {
    const std::int64_t of_layer = std::int64_t{requests} * heads;
    return place_of(i / of_layer, first_request * heads + i % of_layer);
  }
  [[nodiscard]] KOKKOS_FUNCTION Place place_of(std::int64_t layer, std::int64_t row) const {
    const std::int64_t of_array = std::int64_t{batch} * heads;
    const std::int64_t kv_head = row % heads / (heads / kv_heads);
    const float weight = weights ? weights(layer, kv_head) : 1.F;
    return {states + layer * static_cast<std::int64_t>(StateArray::count) * of_array, row, of_array,
            is_finite(weight) ? lanes::log2(weight) : lanes::infinity};
  }

  /// 2^x, where that is a number.
  [[nodiscard]] KOKKOS_FUNCTION static float power(float x) { return lanes::exp2(clamped(x, 60.F)); }
  [[nodiscard]] KOKKOS_FUNCTION static float clamped(float x, float limit) {
    return x > limit ? limit : (x < -limit ? -limit : x);
  }
  /// By how much to move log2 of a ratio, if `falling` rows are to become `room`: they go as 1 / delta.
  [[nodiscard]] KOKKOS_FUNCTION static float step(float falling, float room, float far) {
    if (!(room > 0.F)) return far;
    if (!(falling > 0.F)) return -far;
    return clamped(lanes::log2(falling) - lanes::log2(room), far);
  }

  /// Takes a token's rows of a head into its means, which are of rows with the ratio `common`.
  KOKKOS_FUNCTION static void take(const Place& of, float common) {
    const auto mend = [](float& mean, float now) { mean = is_finite(mean) ? lanes::fma(part, now - mean, mean) : now; };
    mend(of.at(StateArray::mean_certain), of.at(StateArray::certain));
    mend(of.at(StateArray::mean_uncertain),
         of.at(StateArray::uncertain) * power(of.at(StateArray::log_ratio) + of.log_weight - common));
  }

  /// What a head is expected to read with another ratio, within its bounds.
  struct Expected {
    float certain, uncertain, rows;

    KOKKOS_FUNCTION Expected(const CommonRatio& k, const Place& of, float change)
        : certain(of.at(StateArray::mean_certain)), uncertain(of.at(StateArray::mean_uncertain) * power(-change)) {
      const float low = k.least * of.at(StateArray::asked);
      const float high = k.most * of.at(StateArray::asked);
      const float free = certain + uncertain;
      rows = free < low ? low : (free > high ? high : free);
      bound = rows != free;
    }
    bool bound;
  };

  /// Sums f(place) over the heads that count.
  template <class Member, class F>
  KOKKOS_FUNCTION float sum(const Member& member, std::int64_t first_request, const F& f) const {
    std::int64_t all = 0;
    Kokkos::parallel_reduce(
        Kokkos::TeamThreadRange(member, entries()),
        [&](const std::int64_t i, std::int64_t& total) {
          const Place of = place(first_request, i);
          if (of.counts()) total += ModelRows::fixed(f(of));
        },
        all);
    return ModelRows::rows_of(all);
  }

  /// By how much to move log2 of the ratio, so that the rows expected are those asked for.
  template <class Member>
  KOKKOS_FUNCTION float solve(const Member& member, std::int64_t first_request, float asked) const {
    float change = 0.F;
    SANTA_UNROLL(1)
    for (int i = 0; i < 5; ++i) {
      const float falling = sum(member, first_request, [&](const Place& of) {
        const Expected head(*this, of, change);
        return head.bound ? 0.F : head.uncertain;
      });
      const float all = sum(member, first_request, [&](const Place& of) { return Expected(*this, of, change).rows; });
      change += step(falling, asked - (all - falling), 4.F);
    }
    return change;
  }

  /// Gives a head its ratio: the model's over its weight, or what keeps its rows within their bounds.
  KOKKOS_FUNCTION void give(const Place& of, float common, float change) const {
    float own = common - of.log_weight;
    float expected = lanes::not_a_number;
    if (of.counts()) {
      const Expected head(*this, of, change);
      if (head.bound && head.uncertain > 0.F) own += step(head.uncertain, head.rows - head.certain, 16.F);
      of.at(StateArray::mean_uncertain) = head.uncertain;
      expected = head.rows;
    }
    of.at(StateArray::log_ratio) = own;
    of.at(StateArray::expected) = expected;
    of.at(StateArray::asked) = 0.F;  // used
    of.mark_whole();
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const std::int64_t first = std::int64_t{member.league_rank()} * requests;
    const auto each = [&](const auto& f) {
      Kokkos::parallel_for(Kokkos::TeamThreadRange(member, entries()),
                           [&](const std::int64_t i) { f(place(first, i)); });
      member.team_barrier();
    };
    float last = first_guess;
    for (std::int32_t i = requests; i-- > 0;)  // of those that share it, some may be new
      if (is_finite(ratio[first + i])) last = ratio[first + i];
    const float asked = sum(member, first, [](const Place& of) { return of.at(StateArray::asked); });
    if (!(asked > 0.F)) {
      if (weights) each([](const Place& of) { of.mark_whole(); });
      return;
    }
    each([&](const Place& of) {
      if (of.counts()) take(of, last);
    });
    const float change = solve(member, first, asked);
    each([&](const Place& of) { give(of, last + change, change); });
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, requests),
                         [&](const std::int64_t i) { ratio[first + i] = last + change; });
    foretell(member, first);
  }

  /// Notes what each request is expected to read from each layer on, and that it has read nothing beyond that yet.
  template <class Member>
  KOKKOS_FUNCTION void foretell(const Member& member, std::int64_t first_request) const {
    const auto each = [&](const auto& f) {
      Kokkos::parallel_for(Kokkos::TeamThreadRange(member, std::int64_t{requests} * layers), [&](const std::int64_t i) {
        f(first_request + i / layers, static_cast<std::int32_t>(i % layers));
      });
      member.team_barrier();
    };
    each([&](std::int64_t request, std::int32_t layer) {
      std::int64_t total = 0;
      for (std::int64_t head = 0; head < heads; ++head) {
        const float expected = place_of(layer, request * heads + head).at(StateArray::expected);
        if (is_finite(expected)) total += ModelRows::fixed(expected);
      }
      rows.own[request * layers + layer] = total;
    });
    each([&](std::int64_t request, std::int32_t layer) {
      std::int64_t total = 0;
      for (std::int32_t later = layer; later < layers; ++later) total += rows.own[request * layers + later];
      rows.rest[request * layers + layer] = total;
      if (layer == 0) rows.beyond[request] = 0;
    });
  }
};

/// Heads of infinite weight read all their rows from the first token on; of one of the heads of all layers and of some
/// requests.
struct WholeHeads {
  CommonRatio all;
  std::int64_t first_request, requests;

  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    const std::int64_t of_layer = requests * all.heads;
    all.place_of(i / of_layer, first_request * all.heads + i % of_layer).mark_whole();
  }
};

/// One team for each request, or for all that share.
template <class Build, class Space>
void run_common_ratio(const Space& space, const CommonRatio& kernel) {
  Kokkos::parallel_for("santa::model_budget",
                       Kokkos::TeamPolicy<Space>(space, kernel.batch / kernel.requests, Kokkos::AUTO), kernel);
}
template <class Build, class Space>
void mark_whole_heads(const Space& space, const CommonRatio& kernel, std::int64_t first_request,
                      std::int64_t requests) {
  if (!kernel.weights) return;
  const std::int64_t heads = std::int64_t{kernel.layers} * requests * kernel.heads;
  Kokkos::parallel_for("santa::model_budget::whole", Range<Space>(space, 0, heads),
                       WholeHeads{kernel, first_request, requests});
}

}  // namespace santa::detail::inline SANTA_BUILD
