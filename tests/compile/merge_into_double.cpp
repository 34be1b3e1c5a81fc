// expect: santa::merge: out must be float, log_sum float or double
#include <santa/santa.hpp>

void merge(const santa::PartialStates<Kokkos::View<float***>, Kokkos::View<float**>>& states,
           const Kokkos::View<double**>& out, const Kokkos::View<float*>& log_sum) {
  santa::merge(Kokkos::DefaultExecutionSpace(), states, out, log_sum);
}
