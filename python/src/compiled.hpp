// What of plans is compiled: all, or what the build names, as kernels for a device take their time.
#pragma once

#include <santa/core/cache_element.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/santa.hpp>

#include <compiled_names.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace santa::python {

/// Whether a list "one, two" has a name; "all" has any.
constexpr bool has_name(std::string_view list, std::string_view name) {
  constexpr std::string_view between = ", ";
  while (list != "all") {
    const std::size_t end = list.find(between);
    if (list.substr(0, end) == name) return true;
    if (end == std::string_view::npos) return false;
    list.remove_prefix(end + between.size());
  }
  return true;
}

template <class M>
inline constexpr std::string_view method_name = santa::detail::Recipe<M>::name;
template <>
inline constexpr std::string_view method_name<MassUnitOf<Draws::joint_l2>> = "MassUnit.joint_l2";
template <>
inline constexpr std::string_view method_name<MassUnitOf<Draws::separate>> = "MassUnit.separate";
template <class M>
inline constexpr bool has_method = has_name(compiled_methods, method_name<M>);

template <class Cache>
using KeyElement = typename Cache::key_view::non_const_value_type;
template <class T>
inline constexpr std::string_view row_type_name = std::same_as<T, float>      ? "float32"
                                                  : std::same_as<T, half>     ? "float16"
                                                  : std::same_as<T, bfloat16> ? "bfloat16"
                                                  : std::same_as<T, e4m3>     ? "float8_e4m3fn"
                                                                              : "int8";

/// What of a cache is not compiled, as an error says it.
struct Missing {
  std::string_view argument, given, compiled;
};

/// The first of a cache's kinds (of one with a copy of its keys, say, both its own and "narrow") that is not compiled,
/// or the type of its rows; else nothing.
template <class Cache, std::size_t count>
constexpr Missing missing_of(const std::array<std::string_view, count>& kinds) {
  constexpr std::string_view type = row_type_name<KeyElement<Cache>>;
  for (const std::string_view kind : kinds)
    if (!has_name(compiled_caches, kind)) return {"the cache's kind", kind, compiled_caches};
  if (!has_name(compiled_types, type)) return {"keys's dtype", type, compiled_types};
  return {};
}
constexpr bool is_compiled(const Missing& missing) { return missing.argument.empty(); }

[[noreturn]] inline void reject_uncompiled(const Missing& missing) {
  santa::detail::reject(missing.argument, std::string(missing.given),
                        "what this module is compiled for: " + std::string(missing.compiled));
}

}  // namespace santa::python
