// Arrays of callers, as DLPack hands them over: where they lie and of what type; nothing is copied.
#pragma once

#include <santa/core/check.hpp>
#include <santa/core/element.hpp>

#include <Kokkos_Core.hpp>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace santa::python {

namespace nb = nanobind;

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutStride, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

/// Element types that arrays may have. Signed integers of 32 and 64 bits stand for unsigned ones too.
enum class Type : std::uint8_t {
  float32,
  float16,
  bfloat16,
  float64,
  float8_e4m3fn,
  int8,
  uint8,
  uint16,
  int32,
  int64
};

/// As Python has it.
const char* name_of(Type type);

/// str(object). Not of an attribute as it is: nb::str of that is the attribute's own value.
inline std::string text_of(nb::handle object) { return nb::cast<std::string>(nb::str(object)); }

enum class Access : std::uint8_t { read, write };

/// An array of a caller's. It keeps the caller's memory as long as it lives; made and dropped with the GIL held.
class Array {
 public:
  Array() = default;
  /// Errors: ValueError (std::invalid_argument) for what is no array, read-only where it is to be written, in memory
  /// that the module's backend does not reach, of an element type or strides that no argument has.
  Array(nb::handle object, const char* name, Access access = Access::read);

  [[nodiscard]] bool given() const { return _held.is_valid(); }
  [[nodiscard]] const std::string& name() const { return _name; }
  [[nodiscard]] Type type() const { return _type; }
  /// Takes uint16 for the bits of bfloat16, which NumPy has no type for.
  void take_as_bfloat16() {
    if (_type == Type::uint16) _type = Type::bfloat16;
  }
  /// The same of uint8 for the bits of e4m3.
  void take_as_float8() {
    if (_type == Type::uint8) _type = Type::float8_e4m3fn;
  }
  [[nodiscard]] int rank() const { return static_cast<int>(_held.ndim()); }
  [[nodiscard]] std::int64_t extent(int i) const { return _held.shape_ptr()[i]; }
  /// In elements; 1 of an array without any, whose strides mean nothing.
  [[nodiscard]] std::int64_t stride(int i) const { return _empty ? 1 : _held.stride_ptr()[i]; }
  [[nodiscard]] void* data() const { return _held.data(); }
  /// Its number among a backend's devices.
  [[nodiscard]] int device() const { return static_cast<int>(_held.device_id()); }
  [[nodiscard]] nb::object object() const { return _object; }
  /// The same array to be written. Errors: ValueError where it is read-only.
  [[nodiscard]] Array to_write() const;

  /// Errors: std::invalid_argument: name, given, accepted.
  void require_rank(int rank, std::string_view accepted) const { require_rank(rank, rank, accepted); }
  void require_rank(int least, int most, std::string_view accepted) const;
  void require_type(Type type) const;

 private:
  nb::ndarray<> _held;
  nb::object _object;  // the caller's
  std::string _name;
  Type _type = Type::float32;
  bool _empty = false;
};

/// An optional array: None is none.
inline Array optional_array(nb::handle object, const char* name, Access access = Access::read) {
  return object.is_none() ? Array() : Array(object, name, access);
}

/// A view of an array that has T's rank and elements, by checks that came before.
template <class T>
View<T> view_of(const Array& array) {
  Kokkos::LayoutStride layout;
  for (int i = 0; i < static_cast<int>(View<T>::rank()); ++i) {
    layout.dimension[i] = static_cast<std::size_t>(array.extent(i));
    layout.stride[i] = static_cast<std::size_t>(array.stride(i));
  }
  return View<T>(static_cast<typename View<T>::value_type*>(array.data()), layout);
}
/// The same of an array of one rank less, with an extent of 1 before its extent `at`.
template <class T>
View<T> view_with_one(const Array& array, int at) {
  Kokkos::LayoutStride layout;
  for (int i = 0; i < static_cast<int>(View<T>::rank()); ++i) {
    const int from = i <= at ? i : i - 1;
    layout.dimension[i] = i == at ? 1 : static_cast<std::size_t>(array.extent(from));
    layout.stride[i] = static_cast<std::size_t>(array.stride(from));
  }
  return View<T>(static_cast<typename View<T>::value_type*>(array.data()), layout);
}
/// A list without gaps, such as lengths. Errors: std::invalid_argument: name, given, accepted.
template <class T>
auto list_of(const Array& array, const char* accepted) {
  array.require_rank(1, accepted);
  if (array.extent(0) > 1 && array.stride(0) != 1)
    santa::detail::reject(array.name() + ".stride(0)", std::to_string(array.stride(0)), "1");
  return Kokkos::View<T*, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(static_cast<T*>(array.data()),
                                                                           static_cast<std::size_t>(array.extent(0)));
}

/// A new array beside `like`: of its framework and device. Type bfloat16 where that has none: float32.
nb::object new_array(const Array& like, std::initializer_list<std::int64_t> extents, Type type);
/// The same of float32, all of one number.
nb::object filled_array(const Array& like, std::initializer_list<std::int64_t> extents, double number);

}  // namespace santa::python
