// What lies on the device, under the names that the example uses.
#pragma once

#include <santa/core/element.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::example {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

using FloatVector = Kokkos::View<float*, Memory>;
using FloatRows = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;  // [rows, features]
using Numbers = Kokkos::View<std::int32_t*, Memory>;                   // tokens, positions
using NarrowRows = Kokkos::View<bfloat16**, Kokkos::LayoutRight, Memory>;

}  // namespace santa::example
