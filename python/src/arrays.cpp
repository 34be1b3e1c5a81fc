// Arrays of callers: taken by DLPack, checked, made.
#include "arrays.hpp"

#include <santa/core/check.hpp>

#include <optional>
#include <string>

namespace santa::python {
namespace {

using santa::detail::reject;

constexpr const char* names[] = {"float32", "float16", "bfloat16", "float64", "float8_e4m3fn",
                                 "int8",    "uint8",   "uint16",   "int32",   "int64"};

std::string type_of(nb::handle object) { return Py_TYPE(object.ptr())->tp_name; }

/// An array whose DLPack is missing, as integers with its bits, and what they are bits of.
struct Bits {
  nb::object object;
  Type type;
};

/// NumPy's arrays of ml_dtypes have no DLPack, nor have PyTorch's of float8 in some versions; their bits do.
std::optional<Bits> bits_of(nb::handle object) {
  if (!nb::hasattr(object, "dtype") || !nb::hasattr(object, "view")) return std::nullopt;
  const nb::object dtype = object.attr("dtype");
  const std::string name = text_of(dtype);
  const bool numpy = nb::hasattr(object, "__array_interface__");
  if (name == "bfloat16" && numpy) return Bits{object.attr("view")("uint16"), Type::bfloat16};
  if (name == "float8_e4m3fn" && numpy) return Bits{object.attr("view")("uint8"), Type::float8_e4m3fn};
  if (name == "torch.float8_e4m3fn")
    return Bits{object.attr("view")(nb::module_::import_("torch").attr("uint8")), Type::float8_e4m3fn};
  return std::nullopt;
}

/// JAX's arrays are never to be written, which their DLPack does not say.
bool is_of_jax(nb::handle object) {
  const nb::object module = object.type().attr("__module__");
  const std::string name = text_of(module);
  return name.starts_with("jaxlib.") || name.starts_with("jax.");
}

/// What an array says of why it cannot be had, or nothing.
std::string said_by(nb::handle object) {
  if (!nb::hasattr(object, "__dlpack__")) return {};
  try {
    object.attr("__dlpack__")();
  } catch (const nb::python_error& error) {
    if (!error.matches(PyExc_Exception)) throw;
    return ", which says: " + text_of(error.value());
  }
  return {};
}

[[noreturn]] void reject_array(nb::handle object, const char* name, Access access) {
  nb::ndarray<nb::ro> read_only;
  if (access == Access::write && nb::try_cast(object, read_only, false))
    reject(name, "a read-only " + type_of(object), "an array that can be written");
  reject(name, "a " + type_of(object) + said_by(object),
         "an array of NumPy, PyTorch, CuPy, JAX or another with DLPack");
}

nb::ndarray<> take(nb::handle object, const char* name, Access access) {
  if (nb::hasattr(object, "mask") && nb::hasattr(object, "filled"))  // NumPy's: DLPack has no place for the mask
    reject(name, "a masked " + type_of(object), "an array without a mask: .filled(...) or .data is one");
  nb::ndarray<> held;
  if (access == Access::write) {
    if (is_of_jax(object) || !nb::try_cast(object, held, false)) reject_array(object, name, access);
    return held;
  }
  nb::ndarray<nb::ro> read_only;
  if (!nb::try_cast(object, read_only, false)) reject_array(object, name, access);
  return nb::ndarray<>(read_only);
}

Type type_of(const nb::ndarray<>& held, const char* name) {
  using Code = nb::dlpack::dtype_code;
  const auto code = static_cast<Code>(held.dtype().code);
  const int bits = held.dtype().lanes == 1 ? held.dtype().bits : 0;
  if (code == Code::Bfloat && bits == 16) return Type::bfloat16;
  if (code == Code::Float && bits == 16) return Type::float16;
  if (code == Code::Float && bits == 32) return Type::float32;
  if (code == Code::Float && bits == 64) return Type::float64;
  const bool integer = code == Code::Int || code == Code::UInt;
  if (integer && bits == 32) return Type::int32;
  if (integer && bits == 64) return Type::int64;
  if (integer && bits == 8) return code == Code::Int ? Type::int8 : Type::uint8;
  if (code == Code::UInt && bits == 16) return Type::uint16;
  constexpr int float8_e4m3fn = 10;  // kDLFloat8_e4m3fn of DLPack 1.1
  if (held.dtype().code == float8_e4m3fn && bits == 8) return Type::float8_e4m3fn;
  reject(std::string(name) + "'s dtype",
         "code " + std::to_string(held.dtype().code) + " of " + std::to_string(held.dtype().bits) + " bits in DLPack",
         "floats of 16, 32 or 64 bits, bfloat16, integers");
}

void require_memory(const nb::ndarray<>& held, const char* name) {
  constexpr int cpu = nb::device::cpu::value, pinned = nb::device::cuda_host::value;
  constexpr int cuda = nb::device::cuda::value, managed = nb::device::cuda_managed::value;
  const int device = held.device_type();
  constexpr bool on_host = Kokkos::SpaceAccessibility<Kokkos::HostSpace, Memory>::accessible;
  if (on_host ? device == cpu || device == pinned || device == managed : device == cuda || device == managed) return;
  reject(std::string(name) + "'s memory", "a device of DLPack's type " + std::to_string(device),
         on_host ? "a host's: this module is built for OpenMP" : "CUDA's, type 2 or 13: this module is built for CUDA");
}

}  // namespace

const char* name_of(Type type) { return names[static_cast<int>(type)]; }

Array::Array(nb::handle object, const char* name, Access access) : _object(nb::borrow(object)), _name(name) {
  const std::optional<Bits> bits = bits_of(object);
  _held = take(bits ? bits->object : _object, name, access);
  require_memory(_held, name);
  _type = bits ? bits->type : type_of(_held, name);
  _empty = _held.size() == 0;
  const bool written = access == Access::write;
  for (int i = 0; i < rank(); ++i)
    if (extent(i) > 1 && stride(i) < (written ? 1 : 0))
      reject(_name + ".stride(" + std::to_string(i) + ")", std::to_string(stride(i)),
             written ? "1 or more: each element is written" : "0 or more");
}

Array Array::to_write() const {
  Array result(_object, _name.c_str(), Access::write);
  result._type = _type;
  return result;
}

void Array::require_rank(int least, int most, std::string_view accepted) const {
  if (rank() < least || rank() > most) reject(_name + "'s rank", std::to_string(rank()), accepted);
}
void Array::require_type(Type type) const {
  if (_type != type) reject(_name + "'s dtype", name_of(_type), name_of(type));
}

nb::object new_array(const Array& like, std::initializer_list<std::int64_t> extents, Type type) {
  nb::list shape;
  for (const std::int64_t extent : extents) shape.append(extent);
  return nb::module_::import_("santa._arrays").attr("new_array")(like.object(), nb::tuple(shape), name_of(type));
}

nb::object filled_array(const Array& like, std::initializer_list<std::int64_t> extents, double number) {
  nb::object array = new_array(like, extents, Type::float32);
  array[nb::ellipsis()] = number;
  return array;
}

}  // namespace santa::python
