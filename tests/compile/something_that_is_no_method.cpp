// expect: constraint failure
#include <santa/santa.hpp>

struct Guess {
  void check() const {}
};
using Cache = santa::ContiguousCache<Kokkos::View<float****, Kokkos::HostSpace>>;
using Plan = santa::DecodePlan<Kokkos::DefaultHostExecutionSpace, Guess, Cache>;
