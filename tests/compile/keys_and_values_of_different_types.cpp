// expect: santa::ContiguousCache: keys and values must have the same element type
#include <santa/santa.hpp>

using Keys = Kokkos::View<santa::half****, Kokkos::HostSpace>;
using Values = Kokkos::View<santa::bfloat16****, Kokkos::HostSpace>;
const santa::ContiguousCache cache{Keys(), Values()};
