// Caches as Python has them: what plans, appends and checks ask of any kind.
#pragma once

#include "arrays.hpp"
#include "plans.hpp"
#include <santa/cache/contiguous.hpp>
#include <santa/cache/scales.hpp>
#include <santa/core/cache_element.hpp>
#include <santa/core/shape.hpp>

#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>
#include <type_traits>

namespace santa::python {

/// Rows of new tokens, and how many each request has.
struct NewTokenArrays {
  Array keys, values, numbers;  // numbers: none, [batch], or [batch + 1] for a list of all tokens
};

/// A cache of any kind. Copied, made and dropped with the GIL held; other members need none.
class AnyCache {
 public:
  virtual ~AnyCache() = default;

  /// Extents, checked. Errors: std::invalid_argument: name, given, accepted.
  [[nodiscard]] virtual Shape shape() const = 0;
  /// Of keys; queries may be of it.
  [[nodiscard]] virtual Type type() const = 0;
  /// What it is, elements included: a plan takes caches of the kind that it was made for.
  [[nodiscard]] virtual std::string kind() const = 0;
  [[nodiscard]] virtual PlanPointer make_plan(const Space& space, const PlanRequest& request) const = 0;
  /// What `santa::validate` checks of lengths and page tables, in memory that kernels read. Fences.
  virtual void validate(const Space& space) const = 0;
  /// With the GIL held, which it releases.
  virtual void append(const Space& space, const NewTokenArrays& tokens) const = 0;
};

/// Keys and values of any element type, with what scales them: [kv_heads], or one for each row. Types and forms are
/// values here; plans have them as types.
struct RowArrays {
  Array keys, values, key_scales, value_scales;
  CacheLayout layout;

  [[nodiscard]] std::string element() const;
  /// The same to be written.
  [[nodiscard]] RowArrays to_write() const;
};

/// Options of rows as callers give them.
struct GivenRows {
  nb::object keys, values;
  std::string layout;
  nb::object dtype, key_scale, value_scale;
};
/// `extents`: those of token-major and of head-major rows. Errors: std::invalid_argument: name, given, accepted.
RowArrays row_arrays(const GivenRows& given, const char* const (&extents)[2]);

/// Valid lengths of either integer type, checked against a batch.
void require_lengths(const Array& lengths);
santa::detail::Lengths lengths_of(const Array& lengths);

using HeadScaleView = HeadScales<View<const float*>>;
using TokenScaleView = TokenScales<View<const float***>>;

/// What a cache of the library's is given for rows: a view, or one with scales.
template <class T, class Scales>
using RowsGivenOf = std::conditional_t<std::is_same_v<Scales, NoScales>, View<T****>, Scaled<View<T****>, Scales>>;
template <class T, class Scales>
RowsGivenOf<T, Scales> rows_given(const Array& rows, const Array& scales) {
  if constexpr (std::is_same_v<Scales, NoScales>)
    return view_of<T****>(rows);
  else if constexpr (std::is_same_v<Scales, HeadScaleView>)
    return {view_of<T****>(rows), {view_of<const float*>(scales)}};
  else
    return {view_of<T****>(rows), {view_of<const float***>(scales)}};
}

/// Calls f.operator()<T>() with the library's type for rows of two bytes or more.
template <class F>
auto with_element(Type type, const F& f) {
  switch (type) {
    case Type::bfloat16: return f.template operator()<bfloat16>();
    case Type::float16: return f.template operator()<half>();
    default: return f.template operator()<float>();
  }
}
/// Calls f.operator()<T, Scales>() for any rows.
template <class F>
auto with_rows(const RowArrays& rows, const F& f) {
  const auto scaled = [&]<class T>() {
    return rows.key_scales.rank() == 1 ? f.template operator()<T, HeadScaleView>()
                                       : f.template operator()<T, TokenScaleView>();
  };
  if (rows.keys.type() == Type::int8) return scaled.template operator()<std::int8_t>();
  if (rows.keys.type() == Type::float8_e4m3fn) return scaled.template operator()<e4m3>();
  return with_element(rows.keys.type(), [&]<class T>() { return f.template operator()<T, NoScales>(); });
}

void bind_caches(nb::module_& module);

}  // namespace santa::python
