// A weight matrix times some rows: by Kokkos Kernels where the build has it, else by a plain loop.
#pragma once

#include "generate/plain_product.hpp"
#include "generate/views.hpp"

#include <cstdint>
#include <span>

namespace santa::example {

/// y = x W^T for a weight matrix W [outputs, inputs].
/// Memory: panels of BF16; for Kokkos Kernels, whose products have one type, [inputs, outputs] in float.
class Projection {
 public:
  Projection() = default;
  /// Shapes: weights [outputs, inputs], row-major, on the host.
  Projection(std::span<const bfloat16> weights, std::int64_t outputs, std::int64_t inputs);

  /// The same in 8 bits a weight, by a plain loop: for drafts. Each output has a scale of its own.
  [[nodiscard]] Projection narrow() const;

  /// y = x W^T, or y += x W^T.
  /// Shapes: x [rows, inputs], y [rows, outputs]; both may have more rows.
  /// Bytes:  all weights, once for each 8 rows.
  /// On a host, where it is a plain loop, a row of y has the same bits whatever rows are with it.
  void apply(const Space& space, const FloatRows& x, const FloatRows& y, std::int64_t rows, bool add = false) const;

 private:
  CodePanels _codes;  // without data: the weights count
#ifdef SANTA_HAS_KOKKOS_KERNELS
  FloatRows _weights;
#else
  WeightPanels _weights;
#endif
};

}  // namespace santa::example
