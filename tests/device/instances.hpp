// What the tests of a device run on, and what of Runner they need.
#pragma once

#include "support/runner.hpp"

namespace santa::test {

using Device = Kokkos::DefaultExecutionSpace;
using Host = Kokkos::DefaultHostExecutionSpace;

extern template class Runner<Host, float>;
extern template class Runner<Host, bfloat16, float>;

}  // namespace santa::test
