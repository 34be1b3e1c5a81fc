// Which kernels a method has that leaves no row out.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/lanes/group.hpp>

#include <concepts>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Whether stages of a cache may add up all rows by themselves: where it is known when compiled.
template <class Addresses>
inline constexpr bool may_attend = std::same_as<typename Addresses::Element, typename Addresses::ScoredElement> &&
                                   sizeof(typename Addresses::Element) <= 2;

/// Calls run(context) with the context of the main kernel: where stages add up all rows by themselves, the lean one, in
/// which nothing is queued; and of a kv head in several slices, one in which a team works on several at once and reads
/// their rows once.
template <class Context, class F>
void with_all_rows(Context context, const F& run) {
  auto& a = context.arguments;
  a.slice_sets = std::int32_t{a.slices};
  if constexpr (requires { requires Context::Stage::attends; }) {
    using Space = typename Context::Space;
    using Extents = typename Context::Extents;
    constexpr int at_once = lanes::slices_at_once<Space>(Extents::dim);
    if constexpr (at_once > 1 && Extents::heads >= lanes::Seam<Space>::most_heads(Extents::dim))
      if (a.slices > 1) {  // others have all heads in one
        a.slice_sets = (a.slices + at_once - 1) / at_once;
        return run(context.lean().template sliced<at_once>());
      }
    run(context.lean());
  } else {
    run(context);
  }
}

}  // namespace santa::detail::inline SANTA_BUILD
