// expect: santa::DecodePlan::run: out must not be const
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Query = Kokkos::View<const float***, Kokkos::HostSpace>;

void run(const santa::DecodePlan<Space, santa::Exact>& plan) {
  plan.run(Space(), Query(), santa::ContiguousCache{Rows(), Rows()}, Query());
}
