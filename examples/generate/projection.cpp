#include "generate/projection.hpp"

#ifdef SANTA_HAS_KOKKOS_KERNELS
#include <KokkosBlas2_gemv.hpp>
#include <KokkosBlas3_gemm.hpp>
#endif

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace santa::example {
namespace {

/// Weights to codes of -127 to 127; of any `weight(i, o)` on the host.
template <class Weight>
CodePanels encode(std::size_t outputs, std::size_t inputs, const Weight& weight) {
  const std::size_t panels = (outputs + panel_outputs - 1) / panel_outputs;
  const CodePanels result{PanelsOf<CodedWeights>("santa::codes", panels, inputs),
                          FloatVector("santa::scales", panels * panel_outputs)};
  const auto codes = Kokkos::create_mirror_view(result.codes);
  const auto scales = Kokkos::create_mirror_view(result.scales);
  std::vector<float> factor(panels * panel_outputs, 0.F);
  for (std::size_t o = 0; o < outputs; ++o) {
    float largest = 0.F;
    for (std::size_t i = 0; i < inputs; ++i) largest = std::max(largest, std::fabs(weight(i, o)));
    scales(o) = largest / 127.F * 0x1p-24F;
    factor[o] = largest > 0.F ? 127.F / largest : 0.F;
  }
  const auto code = [&](std::size_t i, std::size_t o) {
    return o < outputs ? static_cast<int>(std::lround(weight(i, o) * factor[o])) : 0;
  };
  for (std::size_t panel = 0; panel < panels; ++panel)
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t pair = 0; pair < CodedWeights::width; ++pair) {
        const std::size_t o = panel * panel_outputs + pair;
        codes(panel, i, pair) = CodedWeights::pair(code(i, o), code(i, o + CodedWeights::width));
      }
  Kokkos::deep_copy(result.codes, codes);
  Kokkos::deep_copy(result.scales, scales);
  return result;
}

/// Whether there are codes, and the product is made by them.
bool applied(const Space& space, const CodePanels& codes, const FloatRows& x, const FloatRows& y, std::int64_t rows,
             bool add) {
  if (codes.codes.data() == nullptr) return false;
  plain_product<CodedWeights>(space, x, codes.codes, codes.scales.data(), y, rows, add);
  return true;
}

}  // namespace

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
  if (applied(space, _codes, x, y, rows, add)) return;
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

Projection Projection::narrow() const {
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _weights);
  Projection result;
  result._codes =
      encode(_weights.extent(1), _weights.extent(0), [&](std::size_t i, std::size_t o) { return host(i, o); });
  return result;
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
  if (!applied(space, _codes, x, y, rows, add)) plain_product<FullWeights>(space, x, _weights, nullptr, y, rows, add);
}

Projection Projection::narrow() const {
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _weights);
  Projection result;
  // Those of the last panel that fill it are 0, and so are their codes.
  result._codes = encode(_weights.extent(0) * panel_outputs, _weights.extent(1), [&](std::size_t i, std::size_t o) {
    return static_cast<float>(host(o / panel_outputs, i, o % panel_outputs));
  });
  return result;
}

#endif

}  // namespace santa::example
