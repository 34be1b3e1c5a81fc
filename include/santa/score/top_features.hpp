// TopFeatures: the most important features of the queries.
#pragma once

#include <santa/core/check.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Reads the `features` features of the largest importance and leaves the others out: no chance, but a bias. Importance
/// is the largest of the group's heads' |q_d|, times the standard deviation of the keys in that feature unless
/// `by_query`. What the left out features have in all keys alike, their mean, is kept.
/// Bytes:  2 (or sizeof(T)) a key and feature.
/// Errors: std::invalid_argument for features that are not 1 to 256.
/// Source: SparQ (arXiv 2312.04985) reads the features of the largest |q_d|.
struct TopFeatures {
  int features = 64;
  bool by_query = false;

  void check() const { detail::require(features >= 1 && features <= 256, "features", features, "1 to 256"); }

  template <class Group, class Coefficients, class Query>
  KOKKOS_FUNCTION void choose(const Group& group, const Coefficients& c, const Query& query) const {
    using Float = typename Coefficients::Float;
    for_each_rank(group, c, query.deviation,
                  [&](const Float& q, const auto& kept) { return lanes::select(kept, q, Float(0.F)); });
  }

  /// Leaves the square of what each coefficient is off.
  template <class Group, class Coefficients>
  KOKKOS_FUNCTION void find_variance(const Group& group, const Coefficients& c, const float* deviation) const {
    using Float = typename Coefficients::Float;
    for_each_rank(group, c, deviation,
                  [&](const Float& q, const auto& kept) { return lanes::select(kept, Float(0.F), q * q); });
  }

 private:
  /// Replaces each head's numbers by f(number, whether the feature is kept): it has fewer than `features` before it, of
  /// equal ones the first counts as more important.
  template <class Group, class Coefficients, class F>
  KOKKOS_FUNCTION void for_each_rank(const Group& group, const Coefficients& c, const float* deviation,
                                     const F& f) const {
    using Float = typename Coefficients::Float;
    c.find_importance(by_query ? nullptr : deviation);
    c.for_own_blocks([&](int first) {
      const Float own = c.load(c.importance(), first);
      Float before = 0.F;
      for (int d = 0; d < c.dim(); ++d) {
        const Float other = c.importance()[d];
        const auto later = group.lanes_between(d - first + 1, Group::size);
        before += lanes::select((other > own) | ((other >= own) & later), Float(1.F), Float(0.F));
      }
      const auto kept = before < Float(static_cast<float>(features));
      for (int head = 0; head < c.heads(); ++head) c.store(f(c.load(c.of(head), first), kept), c.of(head), first);
    });
  }
};

}  // namespace santa
