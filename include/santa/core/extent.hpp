// Extents and their products, in 64 bits and checked.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace santa::detail::inline SANTA_BUILD {

/// What kernels count in 32 bits, signed: units of work, requests.
inline constexpr std::int64_t most_counted = (std::int64_t{1} << 31) - 1;
/// Query heads of a whole batch at most: kernels count up to nine teams for each.
inline constexpr std::int64_t most_query_heads = std::int64_t{1} << 27;
/// Keys of a request, or rows of a list, at most.
inline constexpr std::int64_t most_rows = std::int64_t{1} << 36;

/// A range of 64-bit indices: by default those of some execution spaces have 32.
template <class Space>
using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;

/// The product of extents, which is at most `most`; `name` spells it out. Errors: std::invalid_argument that shows the
/// factors, as the product may be more than 64 bits hold.
inline std::int64_t product(std::string_view name, std::initializer_list<std::int64_t> factors, std::int64_t most,
                            std::string_view accepted) {
  const std::int64_t smallest = std::min(factors);
  if (smallest == 0) return 0;
  bool good = smallest > 0;
  std::int64_t result = 1;
  for (const std::int64_t factor : factors) good = !__builtin_mul_overflow(result, factor, &result) && good;
  if (good && result <= most) return result;
  std::string given;
  for (const std::int64_t factor : factors) given += (given.empty() ? "" : " * ") + std::to_string(factor);
  reject(name, given, accepted);
}

/// The bytes of so many elements of so many bytes, for what `purpose` names: so few that those of several arrays add
/// up.
inline std::int64_t bytes_of(const std::string& purpose, std::initializer_list<std::int64_t> factors) {
  return product("bytes of " + purpose, factors, std::int64_t{1} << 58, "2^58 or less");
}

}  // namespace santa::detail::inline SANTA_BUILD
