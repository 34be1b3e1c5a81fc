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
  static constexpr bool roomy = false;
  static constexpr bool crowded = false;
  static constexpr int groups = 0;  // of a team; 0: as scratch allows
};

/// The same with fewer groups a team, for kernels whose groups need more scratch.
template <class Extents>
struct Roomy : Extents {
  static constexpr bool roomy = true;
};

/// The same with more groups at once, for kernels that wait for their own arithmetic rather than for the memory.
template <class Extents>
struct Crowded : Extents {
  static constexpr bool crowded = true;
};

/// The same in plain loops.
template <class Extents>
struct Plain : Extents {
  static constexpr bool tensor_cores = false;
};

/// For kernels that only add up numbers, of several heads at once perhaps: so many groups a team.
template <int Groups, int Heads = 1>
struct Teams : Extents<Heads, 32, false> {
  static constexpr int groups = Groups;
};

/// For products of rows with many vectors of any dimension: at most so many at a time, in the place of heads.
template <int Vectors, bool TensorCores>
struct Products : Extents<Vectors, 32, TensorCores> {
  static constexpr int groups = 4;
};

}  // namespace santa::lanes
