// expect: santa::DecodePlan: the first argument must be an execution space
#include <santa/santa.hpp>

const santa::DecodePlan<Kokkos::HostSpace, santa::Exact>* plan = nullptr;
const auto shape = plan->shape();
