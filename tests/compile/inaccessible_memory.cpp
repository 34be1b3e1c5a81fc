// expect: santa::DecodePlan::run: views must be accessible from the execution space
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
// A memory space that no execution space on the host can reach.
using Out = Kokkos::View<float***, Kokkos::HostSpace>;

struct Elsewhere : Kokkos::HostSpace {
  using memory_space = Elsewhere;
};
using FarQuery = Kokkos::View<float***, Elsewhere>;

void run(const santa::DecodePlan<Space, santa::Exact>& plan, const FarQuery& query) {
  plan.run(Space(), query, santa::ContiguousCache{Rows(), Rows()}, Out());
}
