// Which rows of a tile are read: by inclusion probabilities and one random integer.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/draws.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Bits of an inclusion probability: P(row read) is exactly P / 2^26 for an integer P. The sums of 32 such numbers and
/// a 26-bit phase fit in 32 bits.
inline constexpr int probability_bits = 26;
inline constexpr float probability_unit = 0x1p26F;

/// Inclusion probabilities of a tile's rows, by lane, for the given log2(w / delta) of the heads that draw together:
/// one head, or the largest of several.
template <class Group>
struct Inclusion {
  template <class T>
  using Vector = typename Group::template Vector<T>;

  Vector<float> probability;     // at most 1
  typename Group::Mask certain;  // rows that are read in any case
  typename Group::Mask present;  // rows of any weight at all

  KOKKOS_FORCEINLINE_FUNCTION explicit Inclusion(const Vector<float>& ratio)
      : certain(ratio >= Vector<float>(0.F)), present(ratio >= Vector<float>(lanes::lowest)) {
    probability = lanes::exp2(lanes::select(certain, Vector<float>(0.F), ratio));
  }

  /// Those of heads that draw together, with log2(w / delta) of a head from ratio_of(head).
  template <Draws draws, class RatioOf>
  KOKKOS_FORCEINLINE_FUNCTION static Inclusion of_heads(const Group& group, int heads, const RatioOf& ratio_of) {
    Vector<float> largest = -lanes::infinity;
    group.for_all_heads(heads, [&](int head) { largest = lanes::max(largest, ratio_of(head)); });
    Inclusion result(largest);
    if constexpr (draws == Draws::joint_l2) result.take_root_of_squares(group, heads, ratio_of);
    return result;
  }

 private:
  /// In the order of the heads, each product and sum rounded once: the same on every backend.
  template <class RatioOf>
  KOKKOS_FORCEINLINE_FUNCTION void take_root_of_squares(const Group& group, int heads, const RatioOf& ratio_of) {
    Vector<float> sum = 0.F;
    group.for_all_heads(heads, [&](int head) {
      const Vector<float> ratio = lanes::max(Vector<float>(-lanes::infinity), ratio_of(head));
      const Vector<float> part = lanes::exp2(lanes::select(certain, Vector<float>(0.F), ratio));
      sum = lanes::fma(part, part, sum);
    });
    certain = certain | (sum >= Vector<float>(1.F));
    probability = lanes::select(certain, Vector<float>(1.F), lanes::sqrt(sum));
  }
};

/// The systematic sweep of one tile. `phase` is a uniform integer below 2^26. Certain lanes keep out of the sweep; row
/// i of the others is read when floor((phase + P_0 + ... + P_i) / 2^26) changes at it.
template <class Group>
struct Sweep {
  template <class T>
  using Vector = typename Group::template Vector<T>;

  std::uint32_t rows;       // lanes read
  Vector<float> inverse;    // 1 / pi by lane
  Vector<float> doubt;      // 1 - pi by lane
  std::uint32_t certain;    // lanes with pi = 1
  std::uint32_t uncertain;  // sum of P over the other lanes

  KOKKOS_FORCEINLINE_FUNCTION Sweep(const Group& group, const Inclusion<Group>& rows_in, std::uint32_t phase) {
    using lanes::bit_cast, lanes::convert, lanes::select;
    certain = group.ballot(rows_in.certain);
    // Every lane of any weight gets at least one unit, so that it can be read.
    const Vector<float> scaled = rows_in.probability * Vector<float>(probability_unit);
    const Vector<float> rounded = select(scaled < Vector<float>(1.F), Vector<float>(1.F), scaled + Vector<float>(0.5F));
    const Vector<float> swept =
        select(rows_in.certain, Vector<float>(0.F), select(rows_in.present, rounded, Vector<float>(0.F)));
    const auto units = convert<std::int32_t>(swept);
    const auto prefix = group.inclusive_scan(bit_cast<std::uint32_t>(units));
    const auto after = prefix + Vector<std::uint32_t>(phase);
    const auto before = after - bit_cast<std::uint32_t>(units);
    const auto crossed = (after >> probability_bits) != (before >> probability_bits);
    rows = group.ballot(crossed) | certain;
    uncertain = group.last(prefix);
    const Vector<float> pi =
        select(rows_in.certain, Vector<float>(1.F), convert<float>(units) * Vector<float>(1.F / probability_unit));
    inverse = lanes::inverse_near(pi);
    doubt = Vector<float>(1.F) - pi;
  }
};

/// What a budget steers by, of so many rows drawn with certainty and the sum of P over the others.
KOKKOS_INLINE_FUNCTION ExpectedRows expected_rows_of(std::uint32_t certain, std::uint64_t uncertain) {
  return {static_cast<float>(certain),
          static_cast<float>(static_cast<double>(uncertain) / static_cast<double>(probability_unit))};
}

}  // namespace santa::detail::inline SANTA_BUILD
