// expect: santa::TokenScales: scales must be float, of rank 3
#include <santa/santa.hpp>

const santa::TokenScales scales{Kokkos::View<float**, Kokkos::HostSpace>()};
