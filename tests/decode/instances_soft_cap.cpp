#include "support/runner_members.hpp"

#define SANTA_TEST_RUNNERS(space)                                                 \
  template class santa::test::Runner<space, float, float, float, santa::SoftCap>; \
  template class santa::test::Runner<space, float, float, float, santa::Then<santa::SoftCap, santa::SoftCap>>;
SANTA_TEST_FOR_SPACES(SANTA_TEST_RUNNERS)
