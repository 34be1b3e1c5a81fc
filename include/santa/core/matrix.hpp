// Arrays and numbers as kernels see them.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// A rank-2 array by its strides; null where the caller gave none.
template <class T>
struct Matrix {
  T* data = nullptr;
  std::int64_t stride[2] = {0, 0};

  KOKKOS_FUNCTION T& operator()(std::int64_t i, std::int64_t j) const { return data[i * stride[0] + j * stride[1]]; }
  KOKKOS_FUNCTION explicit operator bool() const { return data != nullptr; }
};

/// Numbers of query heads, by request, token and head; null where the caller gave none.
struct HeadNumbers {
  float* data = nullptr;
  std::int64_t stride[3] = {0, 0, 0};

  template <class Place>
  KOKKOS_FUNCTION float& operator()(std::int64_t request, const Place& place) const {
    return data[request * stride[0] + place.token * stride[1] + place.head * stride[2]];
  }
  KOKKOS_FUNCTION explicit operator bool() const { return data != nullptr; }
};

/// A number known when the kernel is launched, or read from memory when it runs (so that a captured graph sees new
/// values): one for all requests, or one for each.
template <class T>
struct Scalar {
  const T* where = nullptr;
  T value{};

  KOKKOS_FUNCTION T get(std::uint32_t place) const { return where != nullptr ? where[place] : value; }
};

}  // namespace santa::detail
