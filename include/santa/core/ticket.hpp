// Tickets: what several places have to agree on, as one number.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// A ticket with one more number in it, by the mixing function of SplitMix64: what differs in a bit differs in half of
/// them. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
KOKKOS_INLINE_FUNCTION std::uint64_t mixed(std::uint64_t ticket, std::uint64_t number) {
  std::uint64_t z = (ticket ^ number) + 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

}  // namespace santa::detail
