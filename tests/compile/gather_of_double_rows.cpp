// expect: santa::gather_add: rows must be float, santa::half, santa::bfloat16
#include <santa/santa.hpp>

void gather(const santa::DrawnRows<Kokkos::DefaultExecutionSpace::memory_space>& drawn,
            const Kokkos::View<double**>& rows, const Kokkos::View<float*>& sum) {
  santa::gather_add(Kokkos::DefaultExecutionSpace(), drawn, rows, sum);
}
