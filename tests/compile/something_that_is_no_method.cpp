// expect: constraint failure
#include <santa/santa.hpp>

struct Guess {
  void check() const {}
};
using Plan = santa::DecodePlan<Kokkos::DefaultHostExecutionSpace, Guess>;
