// What the tests of a device run on.
#pragma once

#include "support/runner.hpp"

namespace santa::test {

using Device = Kokkos::DefaultExecutionSpace;

}  // namespace santa::test
