#include "support/runner_members.hpp"

#define SANTA_TEST_RUNNERS(space)                   \
  template class santa::test::Runner<space, float>; \
  template class santa::test::Runner<space, float, float, float, santa::Window>;
SANTA_TEST_FOR_SPACES(SANTA_TEST_RUNNERS)
