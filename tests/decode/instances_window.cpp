#include "support/runner_members.hpp"

#define SANTA_TEST_RUNNERS(space)                                                \
  template class santa::test::Runner<space, float, float, float, santa::Window>; \
  template class santa::test::Runner<space, float, float, float, santa::Then<santa::SoftCap, santa::Window>>;
SANTA_TEST_FOR_SPACES(SANTA_TEST_RUNNERS)
