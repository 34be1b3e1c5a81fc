// Whether an object still has what it held: moves take it away.
#pragma once

#include <santa/core/check.hpp>

#include <Kokkos_Core.hpp>

#include <string_view>

namespace santa::detail {

/// A member that knows whether its object was moved from. Kokkos' views keep their address and extents then, of memory
/// that is another's or gone: what uses them asks here first.
class Kept {
 public:
  Kept() = default;
  Kept(const Kept&) = default;
  Kept& operator=(const Kept&) = default;
  KOKKOS_FUNCTION Kept(Kept&& other) noexcept : _kept(other._kept) { other._kept = false; }
  KOKKOS_FUNCTION Kept& operator=(Kept&& other) noexcept {
    const bool kept = other._kept;
    other._kept = false;
    _kept = kept;
    return *this;
  }

  /// Errors: std::invalid_argument that names the object by what it is.
  [[gnu::always_inline]] void require(std::string_view object) const {
    if (!_kept) reject(object, "moved from", "one that still holds its memory");
  }

 private:
  bool _kept = true;
};

}  // namespace santa::detail
