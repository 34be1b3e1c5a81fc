// expect: santa::merge: states, out and log_sum must be float
#include <santa/santa.hpp>

void merge(const santa::PartialStates<Kokkos::View<float***>, Kokkos::View<float**>>& states,
           const Kokkos::View<double**>& out, const Kokkos::View<float*>& log_sum) {
  santa::merge(Kokkos::DefaultExecutionSpace(), states, out, log_sum);
}
