// expect: santa::DecodePlan::run: out must be float or the type of query
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Query = Kokkos::View<santa::half***, Kokkos::HostSpace>;
using Out = Kokkos::View<santa::bfloat16***, Kokkos::HostSpace>;

void run(const santa::DecodePlan<Space, santa::Exact>& plan) {
  plan.run(Space(), Query(), santa::ContiguousCache{Rows(), Rows()}, Out());
}
