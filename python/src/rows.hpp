// The pieces of rows/: resampling, distinct draws, thinning, sums of drawn rows.
#pragma once

#include "arrays.hpp"

#include <nanobind/nanobind.h>

#include <cstdint>

namespace santa::python {

/// Drawn rows of a batch of vectors, in arrays of the caller's framework.
struct DrawnArrays {
  Array rows, weights, spreads, count;

  /// Makes them beside `like`, without content.
  DrawnArrays(const Array& like, std::int64_t batch, std::int64_t capacity);
};

void bind_rows(nb::module_& module);
void bind_thinning(nb::module_& module);

}  // namespace santa::python
