// expect: santa::append: numbers of tokens must be a Kokkos view of rank 1 that holds int32
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Lengths = Kokkos::View<int*, Kokkos::HostSpace>;
using Tokens = Kokkos::View<float***, Kokkos::HostSpace>;
using Numbers = Kokkos::View<long*, Kokkos::HostSpace>;

void run() { santa::append(Space(), santa::ContiguousCache{Rows(), Rows(), Lengths()}, Tokens(), Tokens(), Numbers()); }
