// expect: santa::ContiguousCache: keys and values must have rank 4
#include <santa/santa.hpp>

using View = Kokkos::View<float***, Kokkos::HostSpace>;
const santa::ContiguousCache cache{View(), View()};
