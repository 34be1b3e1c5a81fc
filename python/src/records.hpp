// Arrays of records that calls write: statistics.
#pragma once

#include "arrays.hpp"

#include <Kokkos_Core.hpp>

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>

namespace santa::python {

/// Records [batch, kv_heads] of so many bytes, as NumPy has them (`dtype` names their type), or their bytes [batch,
/// kv_heads, bytes]. Errors: std::invalid_argument: name, given, accepted.
Array records_array(nb::handle object, const char* name, std::int64_t bytes, const char* dtype);

template <class Record>
View<Record**> records_of(const Array& bytes) {
  Kokkos::LayoutStride layout;
  for (int i = 0; i < 2; ++i) {
    layout.dimension[i] = static_cast<std::size_t>(bytes.extent(i));
    layout.stride[i] = static_cast<std::size_t>(bytes.stride(i)) / sizeof(Record);
  }
  return View<Record**>(static_cast<Record*>(bytes.data()), layout);
}

}  // namespace santa::python
