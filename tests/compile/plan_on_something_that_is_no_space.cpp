// expect: santa::DecodePlan: the first argument must be an execution space
#include <santa/santa.hpp>

using Cache = santa::ContiguousCache<Kokkos::View<float****, Kokkos::HostSpace>>;
const santa::DecodePlan<Kokkos::HostSpace, santa::Exact, Cache>* plan = nullptr;
const auto shape = plan->shape();
