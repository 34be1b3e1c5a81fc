// expect: santa::DecodePlan::run: out must not be const
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Cache = santa::ContiguousCache<Rows>;
using Query = Kokkos::View<const float***, Kokkos::HostSpace>;

void run(const santa::DecodePlan<Space, santa::Exact, Cache>& plan) {
  plan.run(Space(), Query(), Cache(Rows(), Rows()), Query());
}
