// expect: santa::HeadScales: scales must be float, of rank 1
#include <santa/santa.hpp>

const santa::HeadScales scales{Kokkos::View<double*, Kokkos::HostSpace>()};
