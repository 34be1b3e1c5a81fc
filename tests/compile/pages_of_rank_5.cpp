// expect: santa::PagedCache: keys and values must have rank 4
#include <santa/santa.hpp>

using Pool = Kokkos::View<float*****, Kokkos::HostSpace>;
using Table = Kokkos::View<std::int32_t**, Kokkos::HostSpace>;
using Lengths = Kokkos::View<std::int64_t*, Kokkos::HostSpace>;
const santa::PagedCache cache{Pool(), Pool(), santa::PageTable{Table(), Lengths()}};
