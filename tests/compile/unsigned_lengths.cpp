// expect: santa::ContiguousCache: lengths must have rank 1 and hold int32 or int64
#include <santa/santa.hpp>

using View = Kokkos::View<float****, Kokkos::HostSpace>;
using Lengths = Kokkos::View<unsigned*, Kokkos::HostSpace>;
const santa::ContiguousCache cache{View(), View(), Lengths()};
