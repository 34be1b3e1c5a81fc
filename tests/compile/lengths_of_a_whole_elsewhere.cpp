// expect: santa::ShardedPlan::run: whole_lengths must be accessible from the execution space
#include <santa/ranks/ranks.hpp>
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Cache = santa::ContiguousCache<Rows>;
using Vectors = Kokkos::View<float***, Kokkos::HostSpace>;
using Plan = santa::ShardedPlan<santa::DecodePlan<Space, santa::Exact, Cache>>;
// A memory space that no execution space on the host can reach.
struct Elsewhere : Kokkos::HostSpace {
  using memory_space = Elsewhere;
};

void run(const Plan& plan) {
  const Kokkos::View<std::int64_t*, Elsewhere> lengths;
  plan.run(Space(), santa::OneRank(), Vectors(), Cache(Rows(), Rows()), Vectors(), {}, lengths);
}
