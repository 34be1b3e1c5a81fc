// expect: santa::PageList: indptr, indices and last_page_length must have rank 1 and hold int32
#include <santa/santa.hpp>

using List = Kokkos::View<std::int32_t*, Kokkos::HostSpace>;
using Table = Kokkos::View<std::int32_t**, Kokkos::HostSpace>;
const santa::PageList list{List(), Table(), List()};
