// Memory for views: what it is for, how many bytes it takes, and what is said where there is none.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

namespace santa {

/// Thrown where memory can't be had: says for what, and how many bytes.
class AllocationError : public std::bad_alloc {
 public:
  [[gnu::cold]] AllocationError(const std::string& purpose, std::int64_t bytes, const std::string& reason)
      : _message(  // NOLINT(bugprone-throw-keyword-missing)
            "santa: no memory for " + purpose + ", " + std::to_string(bytes) + " bytes (" + reason + ")") {}

  [[nodiscard]] const char* what() const noexcept override { return _message.what(); }

 private:
  std::runtime_error _message;  // copied without allocating
};

namespace detail::inline SANTA_BUILD {

/// What is in new memory.
enum class Fresh : std::uint8_t { zeroed, unset };

/// A view of these extents. Fences where it is zeroed, so that any instance of the space may use it. Errors:
/// std::invalid_argument for extents whose bytes 64 bits don't hold, AllocationError also for extents that a view
/// doesn't hold, those of `require_launchable`.
template <class View, Fresh fresh = Fresh::zeroed, class Space, std::same_as<std::int64_t>... Extents>
View allocate(const Space& space, const std::string& purpose, Extents... extents) {
  lanes::require_launchable(space);
  constexpr std::int64_t element = sizeof(typename View::value_type);
  const std::int64_t bytes = bytes_of(purpose, {extents..., element});
  const auto make = [&] {
    if constexpr (fresh == Fresh::zeroed)
      return View(Kokkos::view_alloc(space, purpose), static_cast<std::size_t>(extents)...);
    else
      return View(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, purpose),
                  static_cast<std::size_t>(extents)...);
  };
  View view;
  try {
    view = make();
    if constexpr (fresh == Fresh::zeroed) space.fence("santa: memory is zeroed");
  } catch (const std::exception& error) {
    throw AllocationError(purpose, bytes, error.what());
  }
  // Views of Kokkos before 5 cut extents to 32 bits.
  std::size_t i = 0;
  if (!((static_cast<std::int64_t>(view.extent(i++)) == extents) && ...))
    throw AllocationError(purpose, bytes, "Kokkos' views hold no such extent");
  return view;
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
