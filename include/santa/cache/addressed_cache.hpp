// AddressedCache: what a type has to have to be decoded by any method.
#pragma once

#include <santa/core/lengths.hpp>
#include <santa/core/shape.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace santa {
namespace detail {

template <class A>
struct ValueElementOf {
  using type = typename A::Element;
};
template <class A>
  requires requires { typename A::ValueElement; }
struct ValueElementOf<A> {
  using type = typename A::ValueElement;
};

/// Elements of the rows that addresses name, and the one of them that takes more bytes.
template <class A>
struct ElementsOf {
  using Keys = typename A::Element;
  using Values = typename ValueElementOf<A>::type;
  using Larger = std::conditional_t<(sizeof(Values) > sizeof(Keys)), Values, Keys>;
};

}  // namespace detail

/// How many keys of each request are valid: {} where that is the whole storage, else {data, wide}, a pointer to one
/// std::int32_t (or, `wide`, std::int64_t) a request in the memory of the rows.
using RequestLengths = detail::Lengths;

/// Rows of one (batch, kv head): rows[i] is where the elements of row i begin, `dim` of a key or `value_dim` of a
/// value. Kernels name rows from 0 to the request's length, and, as hints of what may come, a tile or more beyond:
/// rows[i] of those is computed and at most prefetched, so it must read nothing that is not there.
template <class Rows, class Element>
concept AddressedRows = requires(const Rows& rows, std::int64_t i) {
  { rows[i] } -> std::convertible_to<const Element*>;
};

/// Where a cache's rows lie, as kernels see it: copied as bytes with them, so pointers and numbers, no views; at most
/// 2 KiB with the score modifier on a host, about 130 bytes on a device. Called for each unit of work, on the device.
///   Element           of keys, and of values, but where there is
///   ValueElement      of values: float, half, bfloat16
///   keys(b, kv), values(b, kv)  AddressedRows of a request and kv head
///   scored(b, kv)     what scores are made from: the keys; or a copy of them, rows of ScoredElement; or PieceRows,
///                     which are their own ScoredElement
///   rescored          whether drawn rows are scored again by their keys
///   aligned()         on the host: true if every row begins at a multiple of 16 bytes, as wide loads need
template <class A>
concept CacheAddresses = requires(const A& addresses, std::int64_t batch, std::int64_t kv_head) {
  typename A::Element;
  typename A::ScoredElement;
  requires std::same_as<decltype(A::rescored), const bool>;
  { addresses.aligned() } -> std::same_as<bool>;
  { addresses.keys(batch, kv_head) } -> AddressedRows<typename A::Element>;
  { addresses.values(batch, kv_head) } -> AddressedRows<typename detail::ElementsOf<A>::Values>;
  addresses.scored(batch, kv_head);
  requires !std::same_as<typename A::ScoredElement, typename A::Element> || requires {
    { addresses.scored(batch, kv_head) } -> AddressedRows<typename A::Element>;
  };
};

/// Keys and values of a batch of requests, wherever they lie: ContiguousCache, PagedCache, NarrowCache, FeatureCache,
/// and types of a user's own (examples/your_own_cache.cpp).
///   key_view, value_view  Kokkos views in the memory that rows lie in: what a plan's execution space must reach
///   length_view           the same of lengths, a list of int32 or int64; NoLengths where there are none
///   Addresses             CacheAddresses; a plan is for these: it takes any cache that has the same
///   shape()               extents, checked: std::invalid_argument says what is wrong. `heads` is kv_heads, `length`
///                         rows that a request may have, `value_dim` 0 where values have `dim` features. Called by
///                         plans when made and at each step
///   addresses()           for kernels, checked likewise; at each step
///   length_data()         RequestLengths; at each step, and by `validate`
template <class C>
concept AddressedCache = requires(const C& cache) {
  typename C::key_view::memory_space;
  typename C::value_view::memory_space;
  typename C::length_view::memory_space;
  requires CacheAddresses<typename C::Addresses>;
  { cache.shape() } -> std::same_as<Shape>;
  { cache.addresses() } -> std::same_as<typename C::Addresses>;
  { cache.length_data() } -> std::same_as<RequestLengths>;
};

}  // namespace santa
