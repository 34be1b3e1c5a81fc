// The stages of the units of a cache.
#pragma once

#include <santa/cache/scales.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/lanes/group.hpp>
#include <santa/schedule/units.hpp>
#include <santa/score/stage.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// The stages of a cache's units: what a context holds. Copied as bytes with the kernels.
template <class Space, class Addresses, class Modifier>
struct CacheStages {
  static constexpr bool scales_each_value =
      is_scale_a_row<decltype(value_scales_of(std::declval<const Addresses&>(), 0, 0))>;
  template <class Extents>
  using Group = lanes::GroupOf<Space, Extents>;
  template <class Extents>
  using Tile = lanes::TileOf<Space, typename Addresses::Element, Extents, typename Addresses::ScoredElement,
                             Addresses::rescored, typename ElementsOf<Addresses>::Values, scales_each_value>;
  template <class Extents>
  using Stage = detail::Stage<Group<Extents>, Tile<Extents>, Addresses, Modifier>;

  Addresses addresses;
  Modifier modifier;

  template <class Extents>
  [[nodiscard]] KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int heads, RowDims dims) {
    return Stage<Extents>::shared_floats(heads, dims);
  }
  template <class Extents>
  [[nodiscard]] KOKKOS_FUNCTION static constexpr std::size_t own_floats(int heads, RowDims dims) {
    return Stage<Extents>::own_floats(heads, dims);
  }
  template <class Extents>
  [[nodiscard]] KOKKOS_FUNCTION Stage<Extents> stage(const Group<Extents>& group, const Arguments& a, const Unit& unit,
                                                     float* shared, float* own) const {
    return Stage<Extents>(group, a, addresses, modifier, unit, shared, own);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
