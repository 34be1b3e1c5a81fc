// Fast division by numbers that are known before a kernel is launched.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// A positive integer by which kernels divide integers below 2^31, by a multiplication: devices have no instruction for
/// it. Source: Granlund and Montgomery, "Division by invariant integers using multiplication" (1994).
class Divisor {
 public:
  /// Implicit, as it is a number like any other but for that.
  KOKKOS_FUNCTION Divisor(std::int32_t value = 1) : _value(value) {  // NOLINT(google-explicit-constructor)
    while ((std::int64_t{1} << (_shift - 31)) < value) ++_shift;
    _multiplier = static_cast<std::uint32_t>(((std::uint64_t{1} << _shift) + static_cast<std::uint64_t>(value) - 1) /
                                             static_cast<std::uint64_t>(value));
  }
  KOKKOS_FUNCTION operator std::int32_t() const { return _value; }  // NOLINT(google-explicit-constructor)

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t quotient(std::uint32_t dividend) const {
    return static_cast<std::uint32_t>((std::uint64_t{dividend} * _multiplier) >> _shift);
  }

 private:
  std::int32_t _value;
  std::uint32_t _multiplier = 0;
  std::int32_t _shift = 31;  // 31 + ceil(log2(value)): the multiplier has 32 bits
};

}  // namespace santa::detail
