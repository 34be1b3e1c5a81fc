// Arrays of records that calls write.
#include "records.hpp"

#include <santa/core/check.hpp>

#include <string>

namespace santa::python {
namespace {

using santa::detail::reject;

/// NumPy's arrays of records have no DLPack; their bytes do, [batch, kv_heads, bytes].
nb::object bytes_of_records(nb::handle object, const char* name, std::int64_t bytes, const char* dtype) {
  if (!nb::hasattr(object, "dtype") || !nb::hasattr(object.attr("dtype"), "names") ||
      object.attr("dtype").attr("names").is_none())
    return nb::borrow(object);
  if (nb::cast<std::int64_t>(object.attr("itemsize")) != bytes || nb::cast<int>(object.attr("ndim")) != 2)
    reject(name, "an array of other records or another rank", std::string("[batch, kv_heads] of ") + dtype);
  const nb::object shape = object.attr("shape");
  return object.attr("view")("uint8").attr("reshape")(shape[0], shape[1], bytes);
}

}  // namespace

Array records_array(nb::handle object, const char* name, std::int64_t bytes, const char* dtype) {
  const std::string extents = "[batch, kv_heads, " + std::to_string(bytes) + "] bytes";
  Array array(bytes_of_records(object, name, bytes, dtype), name, Access::write);
  array.require_type(Type::uint8);
  array.require_rank(3, "3: " + extents);
  const bool whole =
      array.extent(2) == bytes && array.stride(2) == 1 && array.stride(0) % bytes == 0 && array.stride(1) % bytes == 0;
  if (!whole) reject(name, "no whole records", extents + ", the last extent contiguous");
  return array;
}

}  // namespace santa::python
