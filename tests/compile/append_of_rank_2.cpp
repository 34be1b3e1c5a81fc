// expect: santa::append: keys and values must be Kokkos views \[batch, kv_heads, dim\]
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Lengths = Kokkos::View<int*, Kokkos::HostSpace>;
using Tokens = Kokkos::View<float**, Kokkos::HostSpace>;

void run() { santa::append(Space(), santa::ContiguousCache{Rows(), Rows(), Lengths()}, Tokens(), Tokens()); }
