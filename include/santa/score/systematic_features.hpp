// SystematicFeatures: large features of the queries for sure, the rest drawn.
#pragma once

#include <santa/core/check.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Reads `features` of the features, give or take one: each with probability proportional to its importance, those for
/// sure whose share would be 1 or more, the others by one systematic draw; used as q_d / probability. Importance is
/// the largest of the group's heads' |q_d| times the standard deviation of the keys in that feature: features are drawn
/// once for all heads. Scores are unbiased.
/// Variance: of a score near the sum over features of q_d^2 (1 / probability - 1), times the square of the key's
///           distance from the mean there (as if drawn independently).
/// Bytes:    2 (or sizeof(T)) a key and feature.
/// Errors:   std::invalid_argument for features that are not 1 to 256.
struct SystematicFeatures {
  int features = 64;

  void check() const { detail::require(features >= 1 && features <= 256, "features", features, "1 to 256"); }

  template <class Group, class Coefficients, class Query>
  KOKKOS_FUNCTION void choose(const Group& group, const Coefficients& c, const Query& query) const {
    using Float = typename Coefficients::Float;
    c.find_importance(query.deviation);
    const float certain = find_certain(group, c);
    std::uint32_t sum = query.key.integer(query.key.no_head, query.key.feature_index(query.kv_head, 0, 0), bits);
    int own = Group::size * group.rank();
    c.for_all_blocks([&](int first) {
      const Float importance = c.load(c.importance(), first);
      const auto part = parts(importance, certain);
      const auto upto = group.inclusive_scan(part) + sum;
      const auto drawn = (upto >> bits) != ((upto - part) >> bits);
      sum = group.last(upto);
      if (first != own) return;
      own += Group::size * Group::groups_per_team;
      const Float inverse = Float(one) / lanes::convert<float>(part);
      const Float factor =
          lanes::select(is_certain(importance, certain), Float(1.F), lanes::select(drawn, inverse, Float(0.F)));
      for (int head = 0; head < c.heads(); ++head) {
        const Float q = c.load(c.of(head), first);
        c.store(lanes::select(factor > Float(0.F), q * factor, Float(0.F)), c.of(head), first);
      }
    });
  }

  /// Leaves the variance of each coefficient, as if features were drawn independently.
  template <class Group, class Coefficients>
  KOKKOS_FUNCTION void find_variance(const Group& group, const Coefficients& c, const float* deviation) const {
    using Float = typename Coefficients::Float;
    c.find_importance(deviation);
    const float certain = find_certain(group, c);
    c.for_own_blocks([&](int first) {
      const auto part = parts(c.load(c.importance(), first), certain);
      const Float inverse = Float(one) / lanes::convert<float>(part);
      for (int head = 0; head < c.heads(); ++head) {
        const Float q = c.load(c.of(head), first);
        c.store(lanes::select(inverse < Float(lanes::infinity), q * q * (inverse - Float(1.F)), Float(0.F)), c.of(head),
                first);
      }
    });
  }

 private:
  static constexpr int bits = 22;  // of a probability: those of 256 features add up in 32
  static constexpr float one = 0x1p22F;

  template <class Float>
  KOKKOS_FUNCTION static auto is_certain(const Float& importance, float certain) {
    return (importance >= Float(certain)) & (importance > Float(0.F));
  }

  /// Probabilities of features that are left to chance, in units of 2^-bits; 0 of others. Never 0 where there is one.
  template <class Float>
  KOKKOS_FUNCTION static auto parts(const Float& importance, float certain) {
    const Float scaled = lanes::fma(lanes::divide(importance, Float(certain)), Float(one), Float(0.5F));
    const Float least = lanes::select(scaled < Float(1.F), Float(1.F), scaled);
    const auto chance = (importance < Float(certain)) & (importance > Float(0.F));
    return lanes::convert<std::uint32_t>(lanes::select(chance, least, Float(0.F)));
  }

  /// The importance from which on features are certain: what is left to the others, a feature each.
  template <class Group, class Coefficients>
  [[nodiscard]] KOKKOS_FUNCTION float find_certain(const Group& group, const Coefficients& c) const {
    using Float = typename Coefficients::Float;
    float certain = lanes::infinity;
    for (int turn = 0; turn < features; ++turn) {
      Float sum = 0.F;
      Float count = 0.F;
      c.for_all_blocks([&](int first) {
        const Float importance = c.load(c.importance(), first);
        const auto chance = importance < Float(certain);
        sum += lanes::select(chance, importance, Float(0.F));
        count += lanes::select(chance, Float(0.F), Float(1.F));
      });
      const float left = static_cast<float>(features) - group.sum(count);
      const float share = group.sum(sum) / left;
      if (!(left > 0.F) || !(share < certain)) break;
      certain = share;
    }
    return certain;
  }
};

}  // namespace santa
