// Score modifiers: what happens to a score between the product of query and key and the draw.
#pragma once

#include <santa/core/check.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>

namespace santa {

/// What a modifier has, three members. `check()` runs on the host and throws for bad options. `window()`, also on the
/// host, is how many of the last keys of a request are visible; those before are neither read nor drawn. `apply(score)`
/// works on one lane's or a vector's scores in log2 units (natural units times log2(e)).
template <class T>
concept ScoreModifier = requires(const T modifier, float score) {
  modifier.check();
  { modifier.window() } -> std::same_as<std::int64_t>;
  { modifier.apply(score) } -> std::same_as<float>;
};

/// No modification: every key up to the length is visible, scores are scale * <q, k>.
struct Identity {
  static void check() {}
  [[nodiscard]] static std::int64_t window() { return every_key; }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static Float apply(const Float& score) {
    return score;
  }
};

/// Sliding window: only the last `size` keys of a request are visible. Size 0: none, outputs are 0 and lse -infinity.
struct Window {
  std::int64_t size = 0;

  void check() const { detail::require(size >= 0, "Window.size", size, "0 or more"); }
  [[nodiscard]] std::int64_t window() const { return size; }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static Float apply(const Float& score) {
    return score;
  }
};

/// Soft cap (Gemma 2): score becomes cap * tanh(score / cap), cap of 1e-30 to 1e30 in natural units. Relative error
/// below 5e-7, or absolute below 1e-37 cap, at all of these: a cap far above the scores leaves them as they are.
struct SoftCap {
  float cap = 50.F;

  void check() const {
    if (!(cap >= 1e-30F && cap <= 1e30F)) detail::reject("SoftCap.cap", std::to_string(cap), "1e-30 to 1e30");
  }
  [[nodiscard]] static std::int64_t window() { return every_key; }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score) const {
    // tanh(y) = m / (m + 2) with m = exp(2 y) - 1, or exp2(2 score2 / cap) - 1 for score2 = score * log2(e): unlike
    // 1 - 2 / (exp(2 y) + 1), it does not cancel at small y. From 26 on it is 1.
    Float twice = score * Float(2.F / cap);
    twice = lanes::select(twice > Float(30.F), Float(30.F), twice);
    twice = lanes::select(twice < Float(-30.F), Float(-30.F), twice);
    const Float m = lanes::exp2_less_1(twice);
    return lanes::divide(m, m + Float(2.F)) * Float(cap * lanes::log2_of_e);
  }
};

/// One modifier after another: Then<SoftCap, Window>{{50.F}, {4096}}.
template <class First, class Second>
struct Then {
  First first;
  Second second;

  void check() const {
    first.check();
    second.check();
  }
  [[nodiscard]] std::int64_t window() const { return std::min(first.window(), second.window()); }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score) const {
    return second.apply(first.apply(score));
  }
};

}  // namespace santa
