#include "support/runner_members.hpp"

template class santa::test::Runner<Kokkos::DefaultExecutionSpace, float>;
