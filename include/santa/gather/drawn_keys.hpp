// The full keys of drawn rows, where scores were made from something narrower.
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

namespace santa::detail::inline SANTA_BUILD {

/// By what the weights of drawn rows are made right. Source: self-normalised importance sampling.
template <class Rows, class Modifier, bool present>
struct DrawnKeys {
  static constexpr bool rescored = present;
  Rows rows;
  const Modifier& modifier;
};

}  // namespace santa::detail::inline SANTA_BUILD
