// expect: santa::draw_rows: log_weights must be float or double
#include <santa/santa.hpp>

void draw(const Kokkos::View<int*>& log_weights,
          const santa::DrawnRows<Kokkos::DefaultExecutionSpace::memory_space>& drawn) {
  santa::draw_rows(Kokkos::DefaultExecutionSpace(), santa::Exact{}, log_weights, drawn);
}
