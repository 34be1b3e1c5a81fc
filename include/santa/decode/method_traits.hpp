// What a method's recipe says of its work.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/decode/methods.hpp>
#include <santa/lanes/division.hpp>

#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// Keys of the tiles that a rule draws in; 0 where those are the kernels' own.
template <class Arguments>
int draw_tile_of(const Arguments& a) {
  if constexpr (requires { a.draw_tile; }) return a.draw_tile;
  return 0;
}
/// Whether a method takes every row.
template <class Method>
inline constexpr bool takes_all = requires {
  requires Recipe<Method>::takes_all;
};
/// Whether a method's heads draw together, where products leave scores so.
template <class Method>
inline constexpr bool draws_jointly = requires {
  requires Recipe<Method>::draws_jointly;
};
/// Whether a method carries a DecodeState.
template <class Method>
inline constexpr bool carries_state = requires(typename Recipe<Method>::Arguments& a) {
  a.state;
};

/// The kind of a plan's work, by which a space divides it: of a method on keys and values of these types.
template <class Method, class Elements>
lanes::Work work_of(const typename Recipe<Method>::Arguments& a, bool narrow) {
  return {.tile = draw_tile_of(a),
          .looks_ahead = Recipe<Method>::looks_ahead,
          .narrow_keys = narrow,
          .takes_all = takes_all<Method> && (!narrow || sizeof(typename Elements::Keys) == 1) &&
                       sizeof(typename Elements::Keys) <= 2,  // keys of a byte have no copies
          .draws_jointly = draws_jointly<Method> && !narrow && std::is_same_v<typename Elements::Values, bfloat16>};
}

}  // namespace santa::detail::inline SANTA_BUILD
