#include "generate/projection.hpp"

#ifdef SANTA_HAS_KOKKOS_KERNELS
#include <KokkosBlas2_gemv.hpp>
#include <KokkosBlas3_gemm.hpp>
#endif

#include <utility>

namespace santa::example {

#ifdef SANTA_HAS_KOKKOS_KERNELS

Projection::Projection(std::span<const bfloat16> weights, std::int64_t outputs, std::int64_t inputs)
    : _weights(Kokkos::view_alloc("santa::weights", Kokkos::WithoutInitializing), static_cast<std::size_t>(inputs),
               static_cast<std::size_t>(outputs)) {
  const auto host = Kokkos::create_mirror_view(_weights);
  for (std::size_t o = 0; o < host.extent(1); ++o)
    for (std::size_t i = 0; i < host.extent(0); ++i) host(i, o) = static_cast<float>(weights[o * host.extent(0) + i]);
  Kokkos::deep_copy(_weights, host);
}

void Projection::apply(const Space& space, const FloatRows& x, const FloatRows& y, std::int64_t rows, bool add) const {
  const float before = add ? 1.F : 0.F;
  if (rows == 1) {
    KokkosBlas::gemv(space, "T", 1.F, _weights, Kokkos::subview(x, 0, Kokkos::ALL), before,
                     Kokkos::subview(y, 0, Kokkos::ALL));
    return;
  }
  const std::pair<std::int64_t, std::int64_t> some(0, rows);
  KokkosBlas::gemm(space, "N", "N", 1.F, Kokkos::subview(x, some, Kokkos::ALL), _weights, before,
                   Kokkos::subview(y, some, Kokkos::ALL));
}

#else

Projection::Projection(std::span<const bfloat16> weights, std::int64_t outputs, std::int64_t inputs)
    : _weights("santa::weights", static_cast<std::size_t>((outputs + panel_outputs - 1) / panel_outputs),
               static_cast<std::size_t>(inputs)) {
  const auto host = Kokkos::create_mirror_view(_weights);
  const auto columns = static_cast<std::size_t>(inputs);
  for (std::size_t o = 0; o < static_cast<std::size_t>(outputs); ++o)
    for (std::size_t i = 0; i < columns; ++i) host(o / panel_outputs, i, o % panel_outputs) = weights[o * columns + i];
  Kokkos::deep_copy(_weights, host);
}

void Projection::apply(const Space& space, const FloatRows& x, const FloatRows& y, std::int64_t rows, bool add) const {
  plain_product(space, x, _weights, y, rows, add);
}

#endif

}  // namespace santa::example
