#include "support/runner_members.hpp"

template class santa::test::Runner<Kokkos::DefaultExecutionSpace, santa::bfloat16, float>;
