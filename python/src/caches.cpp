// Caches as Python has them.
#include "caches.hpp"

#include "session.hpp"
#include <santa/core/check.hpp>
#include <santa/decode/validate.hpp>

namespace santa::python {
namespace {

using santa::detail::reject;

CacheLayout layout_of(const std::string& name) {
  if (name == "token_major") return CacheLayout::token_major;
  if (name != "head_major") reject("layout", "\"" + name + "\"", "\"token_major\" or \"head_major\"");
  return CacheLayout::head_major;
}

/// Whether uint16 arrays are to be taken as bfloat16.
bool says_bfloat16(nb::handle dtype) {
  if (dtype.is_none()) return false;
  const std::string name = text_of(dtype);
  if (name != "bfloat16") reject("dtype", name, "None, or \"bfloat16\" for arrays of uint16");
  return true;
}

/// Keys or values: of an element type that caches have.
Array rows_array(nb::handle object, const char* name, bool bfloat16, const char* extents) {
  Array array(object, name);
  if (bfloat16) array.take_as_bfloat16();
  const bool good = array.type() == Type::float32 || array.type() == Type::float16 || array.type() == Type::bfloat16;
  if (!good)
    reject(array.name() + "'s dtype", name_of(array.type()),
           "float32, float16 or bfloat16 (dtype=\"bfloat16\" for its bits in uint16)");
  array.require_rank(4, std::string("4: ") + extents);
  return array;
}

void require_lengths(const Array& lengths, std::int64_t batch) {
  if (!lengths.given()) return;
  lengths.require_rank(1, "1: [batch]");
  if (lengths.type() != Type::int32 && lengths.type() != Type::int64)
    reject("lengths's dtype", name_of(lengths.type()), "int32 or int64");
  santa::detail::require(lengths.extent(0) == batch, "lengths.extent(0)", lengths.extent(0),
                         "the batch of keys (" + std::to_string(batch) + ")");
  if (lengths.extent(0) > 1 && lengths.stride(0) != 1)
    reject("lengths.stride(0)", std::to_string(lengths.stride(0)), "1");
}

/// The cache with lengths of one integer type, which `santa::validate` names in its errors.
template <class Length>
void validate_lengths(const Space& space, const ContiguousArrays& arrays) {
  using Rows = View<const float****>;  // of any element: they are not looked at
  const auto lengths = list_of<const Length>(arrays.lengths, "1: [batch]");
  const auto rows = view_of<const float****>(arrays.keys);
  santa::validate(space, ContiguousCache<Rows, Rows, decltype(lengths)>(rows, rows, lengths, arrays.layout));
}

nb::object repr_of_shape(const Shape& shape) {
  return nb::str("Shape(batch={}, heads={}, kv_heads={}, length={}, dim={}, tokens={}, value_dim={})")
      .format(shape.batch, shape.heads, shape.kv_heads, shape.length, shape.dim, shape.tokens, shape.values());
}

void bind_shape(nb::module_& module) {
  nb::class_<Shape>(module, "Shape", "Extents of a decode step; of a cache, `heads` is kv_heads and `tokens` 1.")
      .def_ro("batch", &Shape::batch)
      .def_ro("heads", &Shape::heads)
      .def_ro("kv_heads", &Shape::kv_heads)
      .def_ro("length", &Shape::length, "Storage for keys of a request.")
      .def_ro("dim", &Shape::dim)
      .def_ro("tokens", &Shape::tokens)
      .def_prop_ro("value_dim", [](const Shape& shape) { return shape.values(); })
      .def("__repr__", &repr_of_shape);
}

}  // namespace

santa::detail::Lengths lengths_of(const Array& lengths) {
  if (!lengths.given()) return {};
  return {lengths.data(), lengths.type() == Type::int64};
}

ContiguousArrays contiguous_arrays(nb::handle keys, nb::handle values, nb::handle lengths, const std::string& layout,
                                   nb::handle dtype) {
  const bool bfloat16 = says_bfloat16(dtype);
  const CacheLayout order = layout_of(layout);
  const char* const extents =
      order == CacheLayout::token_major ? "[batch, length, kv_heads, dim]" : "[batch, kv_heads, length, dim]";
  ContiguousArrays arrays{rows_array(keys, "keys", bfloat16, extents), rows_array(values, "values", bfloat16, extents),
                          optional_array(lengths, "lengths"), order};
  arrays.values.require_type(arrays.keys.type());
  require_lengths(arrays.lengths, arrays.keys.extent(0));
  shape_of(arrays);
  return arrays;
}

Shape shape_of(const ContiguousArrays& arrays) {
  return with_element(arrays.type(), [&]<class T>() {
    const ContiguousRowsOf<T> rows(arrays);
    (void)rows.addresses();  // strides
    return rows.shape();
  });
}

void validate(const Space& space, const ContiguousArrays& arrays) {
  if (!arrays.lengths.given()) return;
  if (arrays.lengths.type() == Type::int64)
    validate_lengths<std::int64_t>(space, arrays);
  else
    validate_lengths<std::int32_t>(space, arrays);
}

void bind_caches(nb::module_& module) {
  bind_shape(module);
  nb::class_<ContiguousArrays>(module, "ContiguousCache", R"(Keys and values of a batch of requests in two arrays.

keys, values  [batch, length, kv_heads, dim] or, with layout="head_major", [batch, kv_heads, length, dim], both of
              float32, float16 or bfloat16; any strides, but the last extent is contiguous. Values may have another dim
              than keys. They are not copied, and kept as long as the cache.
lengths       [batch], int32 or int64: valid keys of each request; None: the whole storage.
layout        "token_major" or "head_major".
dtype         "bfloat16" says that arrays of uint16 have the bits of bfloat16, which NumPy has no type for.

Raises ValueError: name, given, accepted.)")
      .def(
          "__init__",
          [](ContiguousArrays* self, const nb::object& keys, const nb::object& values, const nb::object& lengths,
             const std::string& layout, const nb::object& dtype) {
            new (self) ContiguousArrays(contiguous_arrays(keys, values, lengths, layout, dtype));
          },
          nb::arg("keys"), nb::arg("values"), nb::arg("lengths") = nb::none(), nb::kw_only(),
          nb::arg("layout") = "token_major", nb::arg("dtype") = nb::none())
      .def_prop_ro("shape", [](const ContiguousArrays& arrays) { return shape_of(arrays); })
      .def_prop_ro("dtype", [](const ContiguousArrays& arrays) { return name_of(arrays.type()); })
      .def_prop_ro("keys", [](const ContiguousArrays& arrays) { return arrays.keys.object(); })
      .def_prop_ro("values", [](const ContiguousArrays& arrays) { return arrays.values.object(); });
}

}  // namespace santa::python
