// expect: santa::PageTable: the table must have rank 2, \[batch, max_pages\], and hold int32
#include <santa/santa.hpp>

using Table = Kokkos::View<std::int64_t**, Kokkos::HostSpace>;
using Lengths = Kokkos::View<std::int64_t*, Kokkos::HostSpace>;
const santa::PageTable table{Table(), Lengths()};
