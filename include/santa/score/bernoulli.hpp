// Bernoulli: features of the keys drawn for a ternary query.
#pragma once

#include <santa/core/check.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Reads feature d with probability |q_d| / s, s = max_d |q_d| of a head, as sign(q_d) s; the mean of `draws`
/// independent ones. Scores are unbiased: of one draw sums of features, added or subtracted, times s. All heads of a
/// group draw with the same uniforms, so that they read nearly the same features.
/// Variance: of a score (s |q_d| - q_d^2) / draws for each feature, times the square of the key there.
/// Bytes:    2 (or sizeof(T)) a key and feature that some head of the group drew.
/// Errors:   std::invalid_argument for draws that are not 1 to 128.
/// Source:   Bernoulli qK^T (arXiv 2605.01910).
struct Bernoulli {
  int draws = 1;

  void check() const { detail::require(draws >= 1 && draws <= 128, "draws", draws, "1 to 128"); }

  /// Leaves how often each feature was drawn, with the query's sign. What is no finite number stays what it is.
  template <class Group, class Coefficients, class Query>
  KOKKOS_FUNCTION void choose(const Group& group, const Coefficients& c, const Query& query) const {
    using Float = typename Coefficients::Float;
    find_largest(group, c);
    c.for_own_blocks([&](int first) {
      Float times[Group::max_heads] = {};
      for (int draw = 0; draw < draws; ++draw) {
        const Float uniform = lanes::convert<float>(c.random(query, first, draw));
        for_heads(group, c, [&](int head) {
          const Float share = lanes::divide(c.magnitude(c.load(c.of(head), first)), Float(c.scale(head)));
          times[head] += lanes::select(uniform < share * Float(0x1p24F), Float(1.F), Float(0.F));
        });
      }
      for_heads(group, c, [&](int head) {
        const Float q = c.load(c.of(head), first);
        const Float drawn = lanes::select(q < Float(0.F), Float(0.F) - times[head], times[head]);
        c.store(lanes::select(c.magnitude(q) < Float(lanes::infinity), drawn, q), c.of(head), first);
      });
    });
    group.team_barrier();
    c.for_own_heads([&](int head) { group.single([&] { c.scale(head) /= static_cast<float>(draws); }); });
  }

  /// Leaves the variance of each coefficient.
  template <class Group, class Coefficients>
  KOKKOS_FUNCTION void find_variance(const Group& group, const Coefficients& c, const float* /*deviation*/) const {
    using Float = typename Coefficients::Float;
    find_largest(group, c);
    c.for_own_blocks([&](int first) {
      for_heads(group, c, [&](int head) {
        const Float size = c.magnitude(c.load(c.of(head), first));
        const Float variance = size * (Float(c.scale(head)) - size) / Float(static_cast<float>(draws));
        c.store(variance, c.of(head), first);
      });
    });
  }

 private:
  template <class Group, class Coefficients, class F>
  KOKKOS_FUNCTION static void for_heads(const Group& group, const Coefficients& c, F&& f) {
    group.for_heads(c.heads(), f);
  }

  /// s of each head: the scale of its coefficients.
  template <class Group, class Coefficients>
  KOKKOS_FUNCTION static void find_largest(const Group& group, const Coefficients& c) {
    using Float = typename Coefficients::Float;
    c.for_own_heads([&](int head) {
      Float largest = 0.F;
      c.for_all_blocks([&](int first) {
        const Float size = c.magnitude(c.load(c.of(head), first));
        largest = lanes::max(largest, lanes::select(size < Float(lanes::infinity), size, Float(0.F)));
      });
      const float most = group.max(largest);
      group.single([&] { c.scale(head) = most; });
    });
    group.team_barrier();
  }
};

}  // namespace santa
