#include "support/runner_members.hpp"

#define SANTA_TEST_RUNNERS(space) template class santa::test::Runner<space, santa::half, santa::half>;
SANTA_TEST_FOR_SPACES(SANTA_TEST_RUNNERS)
