// Score modifiers: what happens to a score between the product of query and key and the draw.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>

namespace santa {

/// Whose scores a modifier is given: of one query head, of a lane's key or a vector's. Keys are told by their offset
/// from the query, which is the newest key's own token: 0 for that, -1 for the one before. Exact up to 2^24 keys.
template <class Float>
struct ScoredKeys {
  std::int32_t request;  // in the batch
  std::int32_t head;     // query head, of all heads of the request
  std::int64_t query;    // position of the query: the number of keys less 1. A key's position is query + offset
  Float offset;
};

/// A modifier that looks at the score alone: one lane's or a vector's, in log2 units (natural units times log2(e)).
template <class T>
concept PlainModifier = requires(const T modifier, float score) {
  { modifier.apply(score) } -> std::same_as<float>;
};
/// One that looks at whose score it is, too.
template <class T>
concept PlacedModifier = requires(const T modifier, float score, const ScoredKeys<float>& keys) {
  { modifier.apply(score, keys) } -> std::same_as<float>;
};

/// What a modifier has, three members. `check()` runs on the host and throws for bad options. `window()`, also on the
/// host, is how many of the last keys of a request are visible; those before are neither read nor drawn. `apply(score)`
/// or, with `keys` of ScoredKeys, `apply(score, keys)` is called by kernels, which have a copy of the modifier's bytes:
/// it is trivially copyable, and what it points at is the caller's to keep. One that also has `check(shape)`, of the
/// plan's Shape, is asked that too.
template <class T>
concept ScoreModifier = requires(const T modifier) {
  modifier.check();
  { modifier.window() } -> std::same_as<std::int64_t>;
}
&&(PlainModifier<T> || PlacedModifier<T>);

namespace detail::inline SANTA_BUILD {

/// Checks a modifier's options, and that they are those of a plan's shape. Errors: std::invalid_argument.
template <ScoreModifier Modifier>
void check_modifier(const Modifier& modifier, const Shape& shape) {
  modifier.check();
  if constexpr (requires { modifier.check(shape); }) modifier.check(shape);
}

/// The score as a modifier makes it; `keys` cost nothing where it looks at the score alone.
template <class Modifier, class Float>
KOKKOS_FORCEINLINE_FUNCTION Float modified(const Modifier& modifier, const Float& score,
                                           const ScoredKeys<Float>& keys) {
  if constexpr (PlainModifier<Modifier>)
    return modifier.apply(score);
  else
    return modifier.apply(score, keys);
}

}  // namespace detail::inline SANTA_BUILD

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

/// Linear biases (ALiBi, arXiv 2108.12409): score + slope[head] * offset, in natural units after the scale; the offset
/// of a key is its position less the query's, so that with positive slopes keys count for less the older they are.
/// Shapes: slopes [heads], in memory that kernels read: a view's, which the caller keeps as long as plans run with it,
///         and may change between runs.
/// Errors: std::invalid_argument from the plan for slopes without data or of other extents than its heads.
class Alibi {
 public:
  template <class Slopes>
    requires Kokkos::is_view_v<Slopes>
  explicit Alibi(const Slopes& slopes) : _slopes(slopes.data()), _heads(static_cast<std::int64_t>(slopes.extent(0))) {
    static_assert(Slopes::rank() == 1 && std::same_as<typename Slopes::non_const_value_type, float>,
                  "santa::Alibi: slopes must be float, of rank 1: [heads]");
    detail::require(_heads < 2 || slopes.stride(0) == 1, "Alibi.slopes.stride(0)",
                    static_cast<std::int64_t>(slopes.stride(0)), "1");
  }

  void check() const { detail::require_pointer(_slopes, "Alibi.slopes"); }
  void check(const Shape& shape) const {
    detail::require(_heads == shape.heads, "Alibi.slopes.extent(0)", _heads,
                    "the plan's heads (" + std::to_string(shape.heads) + ")");
  }
  [[nodiscard]] static std::int64_t window() { return every_key; }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score, const ScoredKeys<Float>& keys) const {
    return lanes::fma(keys.offset, Float(_slopes[keys.head] * lanes::log2_of_e), score);
  }

 private:
  const float* _slopes;
  std::int64_t _heads;
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
  void check(const Shape& shape) const {
    detail::check_modifier(first, shape);
    detail::check_modifier(second, shape);
  }
  [[nodiscard]] std::int64_t window() const { return std::min(first.window(), second.window()); }
  template <class Float>
    requires(PlainModifier<First>&& PlainModifier<Second>)
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score) const {
    return second.apply(first.apply(score));
  }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score, const ScoredKeys<Float>& keys) const {
    return detail::modified(second, detail::modified(first, score, keys), keys);
  }
};

}  // namespace santa
