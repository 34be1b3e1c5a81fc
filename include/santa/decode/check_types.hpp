// What types the views of a step may have.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/core/build.hpp>
#include <santa/core/element.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// Fails to compile with a sentence where a step's views, or its cache, are of types that a plan can't run with.
template <class Space, class Addresses, class QueryView, class AnyCache, class OutView>
constexpr void check_types() {
  static_assert(Kokkos::is_view_v<QueryView> && Kokkos::is_view_v<OutView>,
                "santa::DecodePlan::run: query and out must be Kokkos views");
  static_assert((QueryView::rank() == 3 || QueryView::rank() == 4) && OutView::rank() == QueryView::rank(),
                "santa::DecodePlan::run: query and out must have rank 3: [batch, heads, dim], or 4: [batch, tokens, "
                "heads, dim]");
  static_assert(
      Element<typename QueryView::value_type>,
      "santa::DecodePlan::run: query must be float, santa::half, santa::bfloat16 or an equivalent 2-byte type");
  static_assert(Element<typename OutView::value_type>,
                "santa::DecodePlan::run: out must be float or the type of query");
  static_assert(std::same_as<storage_t<typename OutView::value_type>, float> ||
                    std::same_as<storage_t<typename OutView::value_type>, storage_t<typename QueryView::value_type>>,
                "santa::DecodePlan::run: out must be float or the type of query");
  static_assert(!std::is_const_v<typename OutView::value_type>, "santa::DecodePlan::run: out must not be const");
  static_assert(Kokkos::SpaceAccessibility<Space, typename QueryView::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename OutView::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename AnyCache::key_view::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename AnyCache::value_view::memory_space>::accessible &&
                    (std::same_as<typename AnyCache::length_view, NoLengths> ||
                     Kokkos::SpaceAccessibility<Space, typename AnyCache::length_view::memory_space>::accessible),
                "santa::DecodePlan::run: views must be accessible from the execution space");
  static_assert(std::same_as<typename AnyCache::Addresses, Addresses>,
                "santa::DecodePlan::run: the cache must be of the type that the plan was made for");
}

}  // namespace santa::detail::inline SANTA_BUILD
