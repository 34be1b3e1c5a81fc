#include "support/runner_members.hpp"

template class santa::test::Runner<Kokkos::DefaultHostExecutionSpace, float>;
template class santa::test::Runner<Kokkos::DefaultHostExecutionSpace, santa::bfloat16, float>;
