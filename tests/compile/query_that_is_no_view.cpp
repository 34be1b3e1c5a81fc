// expect: santa::DecodePlan::run: query and out must be Kokkos views
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Cache = santa::ContiguousCache<Rows>;
using Out = Kokkos::View<float***, Kokkos::HostSpace>;

void run(const santa::DecodePlan<Space, santa::Exact, Cache>& plan, const float* query) {
  plan.run(Space(), query, Cache(Rows(), Rows()), Out());
}
