// expect: santa::ContiguousCache: keys and values must be float
#include <santa/santa.hpp>

using View = Kokkos::View<int****, Kokkos::HostSpace>;
const santa::ContiguousCache cache{View(), View()};
