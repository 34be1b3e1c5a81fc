// Arrays of rows/ as the library takes them.
#pragma once

#include "rows.hpp"
#include <santa/rows/drawn_rows.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::python {

using Drawn = DrawnRows<Memory, double>;

inline Drawn drawn_of(const DrawnArrays& arrays) {
  const auto batch = static_cast<std::size_t>(arrays.rows.extent(0));
  const auto capacity = static_cast<std::size_t>(arrays.rows.extent(1));
  const auto doubles = [&](const Array& array) {
    return decltype(Drawn::weights)(static_cast<double*>(array.data()), batch, capacity);
  };
  Drawn drawn;
  drawn.rows = decltype(drawn.rows)(static_cast<std::int64_t*>(arrays.rows.data()), batch, capacity);
  drawn.weights = doubles(arrays.weights);
  drawn.spreads = doubles(arrays.spreads);
  drawn.count = decltype(drawn.count)(static_cast<std::int64_t*>(arrays.count.data()), batch);
  return drawn;
}

/// Log-weights of vectors: [rows] or [batch, rows].
inline Array log_weights_array(nb::handle object) {
  Array array(object, "log_weights");
  array.require_rank(1, 2, "1: [rows], or 2: [batch, rows]");
  return array;
}
inline std::int64_t batch_of(const Array& log_weights) { return log_weights.rank() == 2 ? log_weights.extent(0) : 1; }

/// Calls f with a view [batch, rows] of log-weights: of float or double.
template <class F>
void with_log_weights(const Array& array, const F& f) {
  if (array.type() != Type::float32 && array.type() != Type::float64)
    santa::detail::reject("log_weights's dtype", name_of(array.type()), "float32 or float64");
  const auto call = [&]<class T>() {
    return array.rank() == 2 ? f(view_of<const T**>(array)) : f(view_with_one<const T**>(array, 0));
  };
  if (array.type() == Type::float32) return call.template operator()<float>();
  return call.template operator()<double>();
}

}  // namespace santa::python
