// Extents that a kernel is compiled for.
#pragma once

namespace santa::lanes {

/// Bounds of a shape, known when a kernel is compiled: at most `heads` query heads a lane group, at most `dim`
/// features.
template <int Heads, int Dim, bool TensorCores>
struct Extents {
  static constexpr int heads = Heads;
  static constexpr int dim = Dim;
  static constexpr bool tensor_cores = TensorCores;
};

}  // namespace santa::lanes
