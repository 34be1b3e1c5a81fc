// Appending arrays of new tokens to a cache of the library's.
#pragma once

#include "caches.hpp"
#include <santa/cache/append.hpp>
#include <santa/core/cache_element.hpp>
#include <santa/core/check.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace santa::python {

/// By the ranks of the arrays, whose elements are New.
template <class New, class Cache>
void append_rows(const Space& space, const Cache& cache, const NewTokenArrays& tokens) {
  const auto with_numbers = [&](const auto& keys, const auto& values) {
    if (!tokens.numbers.given()) return santa::append(space, cache, keys, values);
    santa::append(space, cache, keys, values, list_of<const std::int32_t>(tokens.numbers, "1: [batch] or [batch + 1]"));
  };
  if (tokens.keys.rank() == 3)
    with_numbers(view_of<const New***>(tokens.keys), view_of<const New***>(tokens.values));
  else
    with_numbers(view_of<const New****>(tokens.keys), view_of<const New****>(tokens.values));
}

/// New rows are of the cache's type or float; for rows of one byte, of any that queries have. `type`: of the cache.
template <class Cache>
void append_to(const Space& space, const Cache& cache, const NewTokenArrays& tokens, Type type) {
  using Element = typename Cache::key_view::non_const_value_type;
  const Type given = tokens.keys.type();
  if (given == Type::float32) return append_rows<float>(space, cache, tokens);
  if constexpr (sizeof(Element) == 1) {
    if (given == Type::float16) return append_rows<half>(space, cache, tokens);
    if (given == Type::bfloat16) return append_rows<bfloat16>(space, cache, tokens);
    santa::detail::reject("new keys's dtype", name_of(given), "float32, float16 or bfloat16");
  } else {
    if constexpr (!std::same_as<Element, float>)
      if (given == type) return append_rows<Element>(space, cache, tokens);
    santa::detail::reject("new keys's dtype", name_of(given),
                          type == Type::float32 ? "float32" : std::string("float32 or ") + name_of(type));
  }
}

}  // namespace santa::python
