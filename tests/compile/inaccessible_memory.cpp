// expect: santa::DecodePlan::run: views must be accessible from the execution space
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Cache = santa::ContiguousCache<Rows>;
// A memory space that no execution space on the host can reach.
using Out = Kokkos::View<float***, Kokkos::HostSpace>;

struct Elsewhere : Kokkos::HostSpace {
  using memory_space = Elsewhere;
};
using FarQuery = Kokkos::View<float***, Elsewhere>;

void run(const santa::DecodePlan<Space, santa::Exact, Cache>& plan, const FarQuery& query) {
  plan.run(Space(), query, Cache(Rows(), Rows()), Out());
}
