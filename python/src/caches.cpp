// Caches as Python has them.
#include "caches.hpp"

#include "contiguous_cache.hpp"
#include "narrow_cache.hpp"
#include "paged_cache.hpp"
#include "session.hpp"
#include <santa/core/check.hpp>

#include <string>

namespace santa::python {
namespace {

using santa::detail::reject;

CacheLayout layout_of(const std::string& name) {
  if (name == "token_major") return CacheLayout::token_major;
  if (name != "head_major") reject("layout", "\"" + name + "\"", "\"token_major\" or \"head_major\"");
  return CacheLayout::head_major;
}

bool has_one_byte(Type type) { return type == Type::int8 || type == Type::float8_e4m3fn; }

/// Keys or values: of an element type that caches have.
Array rows_array(nb::handle object, const char* name, nb::handle dtype, const char* extents) {
  Array array(object, name);
  if (!dtype.is_none()) {
    const std::string bits = text_of(dtype);
    if (bits != "bfloat16" && bits != "float8_e4m3fn")
      reject("dtype", bits, "None, \"bfloat16\" for arrays of uint16 or \"float8_e4m3fn\" for arrays of uint8");
    if (bits == "bfloat16")
      array.take_as_bfloat16();
    else
      array.take_as_float8();
  }
  const bool good = array.type() == Type::float32 || array.type() == Type::float16 || array.type() == Type::bfloat16 ||
                    has_one_byte(array.type());
  if (!good)
    reject(array.name() + "'s dtype", name_of(array.type()),
           "float32, float16, bfloat16 (dtype=\"bfloat16\" for its bits in uint16), int8 or float8_e4m3fn "
           "(dtype=\"float8_e4m3fn\" for its bits in uint8)");
  array.require_rank(4, std::string("4: ") + extents);
  return array;
}

/// Whether it is one number: of Python's, or of NumPy's and others', which have a shape without extents.
bool is_number(nb::handle object) {
  if (!nb::hasattr(object, "__float__")) return false;
  if (!nb::hasattr(object, "shape")) return true;
  const nb::object shape = object.attr("shape");
  return nb::len(shape) == 0;
}

/// Scales: a number for all rows is one for each kv head.
Array scales_array(nb::handle given, const char* name, const Array& rows, CacheLayout layout) {
  if (!has_one_byte(rows.type())) {
    if (!given.is_none())
      reject(name, "given", std::string("None: rows of ") + name_of(rows.type()) + " have no scales");
    return {};
  }
  const std::int64_t kv_heads = rows.extent(layout == CacheLayout::token_major ? 2 : 1);
  const bool number = given.is_none() || is_number(given);
  const double all = !number || given.is_none() ? 1. : nb::cast<double>(nb::float_(given));
  if (number && !(all > 0. && all <= 3e38)) reject(name, santa::detail::text_of(all), "a positive finite number");
  const nb::object object = number ? filled_array(rows, {kv_heads}, all) : nb::borrow(given);
  Array scales(object, name);
  scales.require_type(Type::float32);
  if (scales.rank() != 1 && scales.rank() != 3)
    reject(std::string(name) + "'s rank", std::to_string(scales.rank()),
           "1: [kv_heads], or 3: the extents of the rows without the last");
  return scales;
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

constexpr const char* append_doc = R"(Writes the new tokens of all requests to a cache, in one kernel; two with a copy.

The cache's lengths, and its page table, count the new tokens already: these become the last rows of their requests.

cache         contiguous or paged, with lengths; its arrays can be written. A NarrowCache's copy is kept in step
keys, values  [batch, kv_heads, dim], a token of each request; [batch, tokens, kv_heads, dim], several, or with numbers
              [batch] the first numbers[b] of request b; [all tokens, kv_heads, dim] with numbers [batch + 1], int32,
              tokens numbers[b] to numbers[b + 1] - 1 being those of request b. Both of the cache's type or float32; for
              caches of one byte a row's element float32, float16 or bfloat16. Values have values' dim
numbers       int32, or None

Rows of one byte are divided by their scale and saturate; scales of rows are made here, and written. Tokens whose
request's length is below their number or beyond the storage, or whose page is none of the pool, are not written. On
CUDA the kernel may still run when this returns. Raises ValueError: name, given, accepted.)";

void bind_append(nb::module_& module) {
  module.def(
      "append",
      [](const AnyCache& cache, const nb::object& keys, const nb::object& values, const nb::object& numbers,
         const nb::object& cuda_stream) {
        NewTokenArrays tokens{Array(keys, "new keys"), Array(values, "new values"),
                              optional_array(numbers, "numbers of new tokens")};
        for (Array* const rows : {&tokens.keys, &tokens.values}) {
          if (cache.type() == Type::bfloat16) rows->take_as_bfloat16();
          rows->require_rank(3, 4,
                             "3: [batch, kv_heads, dim] or [all tokens, kv_heads, dim], or 4: [batch, tokens, "
                             "kv_heads, dim]");
        }
        tokens.values.require_type(tokens.keys.type());
        tokens.values.require_rank(tokens.keys.rank(), "that of new keys (" + std::to_string(tokens.keys.rank()) + ")");
        if (tokens.numbers.given()) {
          tokens.numbers.require_type(Type::int32);
          tokens.numbers.require_rank(1, "1: [batch] or [batch + 1]");
        }
        cache.append(space_for(cuda_stream, tokens.keys), tokens);
      },
      nb::arg("cache"), nb::arg("keys"), nb::arg("values"), nb::arg("numbers") = nb::none(), nb::kw_only(),
      nb::arg("cuda_stream") = nb::none(), append_doc);
}

}  // namespace

std::string RowArrays::element() const {
  const std::string name = name_of(keys.type());
  if (!key_scales.given()) return name;
  return name + " with scales of " + (key_scales.rank() == 1 ? "heads" : "rows");
}

RowArrays RowArrays::to_write() const {
  return {keys.to_write(), values.to_write(),
          // Scales of heads are the caller's; those of rows are written with them.
          key_scales.given() && key_scales.rank() == 3 ? key_scales.to_write() : key_scales,
          value_scales.given() && value_scales.rank() == 3 ? value_scales.to_write() : value_scales, layout};
}

RowArrays row_arrays(const GivenRows& given, const char* const (&extents)[2]) {
  const CacheLayout layout = layout_of(given.layout);
  const char* const expected = extents[layout == CacheLayout::token_major ? 0 : 1];
  RowArrays rows{rows_array(given.keys, "keys", given.dtype, expected),
                 rows_array(given.values, "values", given.dtype, expected),
                 {},
                 {},
                 layout};
  rows.values.require_type(rows.keys.type());
  rows.key_scales = scales_array(given.key_scale, "key_scale", rows.keys, layout);
  rows.value_scales = scales_array(given.value_scale, "value_scale", rows.values, layout);
  if (rows.key_scales.given() && rows.key_scales.rank() != rows.value_scales.rank())
    reject("value_scale's rank", std::to_string(rows.value_scales.rank()),
           "that of key_scale (" + std::to_string(rows.key_scales.rank()) + ")");
  return rows;
}

void require_lengths(const Array& lengths) {
  if (!lengths.given()) return;
  lengths.require_rank(1, "1: [batch]");
  if (lengths.type() != Type::int32 && lengths.type() != Type::int64)
    reject("lengths's dtype", name_of(lengths.type()), "int32 or int64");
}

santa::detail::Lengths lengths_of(const Array& lengths) {
  if (!lengths.given()) return {};
  return {lengths.data(), lengths.type() == Type::int64};
}

void bind_caches(nb::module_& module) {
  bind_shape(module);
  nb::class_<AnyCache>(module, "Cache", "A cache of any kind: what plans decode.")
      .def_prop_ro("shape", [](const AnyCache& cache) { return cache.shape(); })
      .def_prop_ro("dtype", [](const AnyCache& cache) { return name_of(cache.type()); })
      .def("__repr__", [](const AnyCache& cache) { return "<santa: " + cache.kind() + ">"; });
  bind_contiguous_cache(module);
  bind_paged_cache(module);
  bind_narrow_cache(module);
  bind_append(module);
  module.def(
      "validate",
      [](const AnyCache& cache) {
        const Space space = default_space();
        const Launch launch;
        cache.validate(space);
      },
      nb::arg("cache"),
      "Checks lengths and page tables, which plans do not look at: raises ValueError naming the first that is out of "
      "range. Waits for kernels.");
}

}  // namespace santa::python
