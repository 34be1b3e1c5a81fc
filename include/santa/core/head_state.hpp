// What a head's attention over some of the keys comes to.
#pragma once

#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Reference exponent of an empty state: below every finite score in use.
inline constexpr float empty_reference = -0x1p127F;

/// One head's state over some of the keys, in the order it lies in memory, before `dim` floats of weighted value sum N.
/// What rows read add up to is in units of 2^reference (squares and variance: of its square), the mass of all keys in
/// units of 2^mass_reference: the same number, but where drawn rows are scored again, by which scores nothing is said
/// of the others. References are integers; scores are compared with them in log2 units. States merge by bringing them
/// to one reference and adding; an empty one is the identity.
struct HeadState {
  float reference = empty_reference;
  float mass = 0.F;       // Z: sum of the weights of all keys
  float used = 0.F;       // W: sum of the weights given to rows read
  float squares = 0.F;    // sum of their squares
  float variance = 0.F;   // error-bar sum, where asked for
  float certain = 0.F;    // rows read with probability 1
  float uncertain = 0.F;  // sum of the inclusion probabilities of the others
  float mass_reference = empty_reference;

  // Places of members among the floats of a state.
  static constexpr int reference_place = 0, mass_place = 1, mass_reference_place = 7;
  /// The power of 2^reference that the n-th float is in units of, where it is not a reference or the mass.
  KOKKOS_FUNCTION static int power(int n) { return n == 2 ? 1 : (n == 3 || n == 4 ? 2 : 0); }
};

/// Floats of a HeadState, and of one head's whole state in memory: HeadState, then N[dim], up to whole 16 bytes.
inline constexpr int head_state_floats = sizeof(HeadState) / sizeof(float);
KOKKOS_INLINE_FUNCTION std::int64_t state_floats(int dim) {
  return std::int64_t{head_state_floats} + (dim + 3) / 4 * 4;
}

/// Counts of one unit of work.
struct UnitCounts {
  std::uint32_t rows = 0;
  std::uint32_t samples = 0;
  std::uint32_t flags = 0;  // bits of Statistics::Flag
  std::uint32_t none = 0;   // up to 16 bytes, as states follow
};

}  // namespace santa::detail
