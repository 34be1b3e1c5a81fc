// expect: santa::append: the cache's keys and values must not be const
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<const float****, Kokkos::HostSpace>;
using Lengths = Kokkos::View<int*, Kokkos::HostSpace>;
using Tokens = Kokkos::View<float***, Kokkos::HostSpace>;

void run() { santa::append(Space(), santa::ContiguousCache{Rows(), Rows(), Lengths()}, Tokens(), Tokens()); }
