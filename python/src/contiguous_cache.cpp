// Caches in two arrays.
#include "contiguous_cache.hpp"

#include "append.hpp"
#include "session.hpp"
#include <santa/core/check.hpp>
#include <santa/decode/validate.hpp>

#include <string>
#include <utility>

namespace santa::python {
namespace {

using santa::detail::reject;

/// The cache with lengths of one integer type, which `santa::validate` names in its errors.
template <class Length>
void validate_lengths(const Space& space, const ContiguousArrays& arrays) {
  using Rows = View<const float****>;  // of any element: they are not looked at
  const auto lengths = list_of<const Length>(arrays.lengths, "1: [batch]");
  const auto rows = view_of<const float****>(arrays.rows.keys);
  santa::validate(space, ContiguousCache<Rows, Rows, decltype(lengths)>(rows, rows, lengths, arrays.rows.layout));
}

}  // namespace

ContiguousArrays::ContiguousArrays(RowArrays given, Array valid) : rows(std::move(given)), lengths(std::move(valid)) {
  require_lengths(lengths);
  if (lengths.given()) {
    santa::detail::require(lengths.extent(0) == rows.keys.extent(0), "lengths.extent(0)", lengths.extent(0),
                           "the batch of keys (" + std::to_string(rows.keys.extent(0)) + ")");
    if (lengths.extent(0) > 1 && lengths.stride(0) != 1)
      reject("lengths.stride(0)", std::to_string(lengths.stride(0)), "1");
  }
  static_cast<void>(shape());
}

ContiguousArrays contiguous_arrays(const GivenRows& given, nb::handle lengths) {
  return {row_arrays(given, {"[batch, length, kv_heads, dim]", "[batch, kv_heads, length, dim]"}),
          optional_array(lengths, "lengths")};
}

Shape ContiguousArrays::shape() const {
  return with_rows(rows, [&]<class T, class Scales>() {
    const ContiguousRowsOf<const T, Scales> cache(*this);
    (void)cache.addresses();  // strides
    return cache.shape();
  });
}

PlanPointer ContiguousArrays::make_plan(const Space& space, const PlanRequest& request) const {
  return with_rows(rows, [&]<class T, class Scales>() {
    return santa::python::make_plan<ContiguousRowsOf<const T, Scales>>(space, request);
  });
}

void ContiguousArrays::validate(const Space& space) const {
  if (!lengths.given()) return;
  if (lengths.type() == Type::int64)
    validate_lengths<std::int64_t>(space, *this);
  else
    validate_lengths<std::int32_t>(space, *this);
}

void ContiguousArrays::append(const Space& space, const NewTokenArrays& tokens) const {
  const ContiguousArrays written = to_write();
  const Launch launch;
  with_rows(rows,
            [&]<class T, class Scales>() { append_to(space, ContiguousRowsOf<T, Scales>(written), tokens, type()); });
}

void bind_contiguous_cache(nb::module_& module) {
  nb::class_<ContiguousArrays, AnyCache>(module, "ContiguousCache",
                                         R"(Keys and values of a batch of requests in two arrays.

keys, values  [batch, length, kv_heads, dim] or, with layout="head_major", [batch, kv_heads, length, dim], both of
              float32, float16, bfloat16, int8 or float8_e4m3fn; any strides, but the last extent is contiguous. Values
              may have another dim than keys. They are not copied, and kept as long as the cache.
lengths       [batch], int32 or int64: valid keys of each request; None: the whole storage.
layout        "token_major" or "head_major".
dtype         "bfloat16" says that arrays of uint16 have the bits of bfloat16, which NumPy has no type for;
              "float8_e4m3fn" the same of arrays of uint8.
key_scale, value_scale  what rows of one byte are multiplied by: a number, float32 [kv_heads], or one for each row,
              [batch, length, kv_heads] (head-major [batch, kv_heads, length]); both of one rank. None: 1. Such caches
              are decoded by Exact and by MassUnit with joint draws.

Raises ValueError: name, given, accepted.)")
      .def(
          "__init__",
          [](ContiguousArrays* self, const nb::object& keys, const nb::object& values, const nb::object& lengths,
             const std::string& layout, const nb::object& dtype, const nb::object& key_scale,
             const nb::object& value_scale) {
            new (self)
                ContiguousArrays(contiguous_arrays({keys, values, layout, dtype, key_scale, value_scale}, lengths));
          },
          nb::arg("keys"), nb::arg("values"), nb::arg("lengths") = nb::none(), nb::kw_only(),
          nb::arg("layout") = "token_major", nb::arg("dtype") = nb::none(), nb::arg("key_scale") = nb::none(),
          nb::arg("value_scale") = nb::none())
      .def_prop_ro("keys", [](const ContiguousArrays& cache) { return cache.rows.keys.object(); })
      .def_prop_ro("values", [](const ContiguousArrays& cache) { return cache.rows.values.object(); });
}

}  // namespace santa::python
