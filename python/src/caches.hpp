// Caches as Python has them, and as plans take them.
#pragma once

#include "arrays.hpp"
#include <santa/cache/contiguous.hpp>
#include <santa/core/lengths.hpp>
#include <santa/core/shape.hpp>

#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>
#include <utility>

namespace santa::python {

/// Keys and values, with what is needed to find their rows. Element types are values here; plans have them as types.
struct ContiguousArrays {
  Array keys, values, lengths;  // lengths: none where the whole storage is full
  CacheLayout layout;

  [[nodiscard]] Type type() const { return keys.type(); }
};

/// Valid lengths, int32 or int64, or none.
santa::detail::Lengths lengths_of(const Array& lengths);

/// Keys and values of T as a plan takes them: a ContiguousCache whose lengths are of either integer type.
template <class T>
class ContiguousRowsOf : public ContiguousCache<View<const T****>> {
  using Base = ContiguousCache<View<const T****>>;

 public:
  using length_view = Kokkos::View<const std::int64_t*, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

  explicit ContiguousRowsOf(const ContiguousArrays& arrays)
      : Base(view_of<const T****>(arrays.keys), view_of<const T****>(arrays.values), arrays.layout),
        _lengths(lengths_of(arrays.lengths)) {}

  [[nodiscard]] santa::detail::Lengths length_data() const { return _lengths; }

 private:
  santa::detail::Lengths _lengths;
};

/// Extents, checked. Errors: std::invalid_argument: name, given, accepted.
Shape shape_of(const ContiguousArrays& arrays);

/// What `santa::validate` checks, of lengths in memory that kernels read. Fences.
void validate(const Space& space, const ContiguousArrays& arrays);

ContiguousArrays contiguous_arrays(nb::handle keys, nb::handle values, nb::handle lengths, const std::string& layout,
                                   nb::handle dtype);

/// Calls f.operator()<T>() with the library's type for a cache's elements.
template <class F>
auto with_element(Type type, const F& f) {
  switch (type) {
    case Type::bfloat16: return f.template operator()<bfloat16>();
    case Type::float16: return f.template operator()<half>();
    default: return f.template operator()<float>();
  }
}

void bind_caches(nb::module_& module);

}  // namespace santa::python
