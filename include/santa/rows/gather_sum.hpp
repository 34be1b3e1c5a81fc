// The weighted sum of listed rows, a piece of their features at a time.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/lanes/group.hpp>
#include <santa/rows/drawn_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// A gather's matrices.
template <class T>
struct GatherPointers {
  static constexpr int piece_features = 256;

  const T* rows;
  std::int64_t batch, row_count, dim;
  std::int64_t batch_stride, row_stride;
  Matrix<float> sum, error;
  Matrix<const float> center;

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t pieces() const { return (dim + piece_features - 1) / piece_features; }
};

/// One piece of one vector's sum, by one thread of a host: the tile product for multiples of 8 features, plain loops
/// for the few others and for errors.
template <class Space, class T>
void gather_piece(const GatherPointers<T>& p, const DrawnList& list, std::int64_t batch, std::int64_t piece) {
  using Tile = lanes::TileOf<Space, T>;
  constexpr int features = GatherPointers<T>::piece_features;
  constexpr int at_once = 16;
  constexpr std::int32_t index[at_once] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  alignas(64) float scratch[2 * features];
  const float nothing[features] = {};
  const T* row[at_once] = {};
  float weight[at_once];
  const std::int64_t begin = piece * features;
  const int dim = static_cast<int>(p.dim - begin < features ? p.dim - begin : features);
  const int whole = dim / 8 * 8;
  float* const sum = &p.sum(batch, begin);
  float* const error = p.error ? &p.error(batch, begin) : nullptr;
  const float* const center = p.center ? &p.center(batch, begin) : nullptr;
  const auto is_inside = [&](std::int64_t i) { return list.rows[i] >= 0 && list.rows[i] < p.row_count; };
  const auto row_at = [&](std::int64_t i) {
    return p.rows + batch * p.batch_stride + list.rows[i] * p.row_stride + begin;
  };
  float rest[8] = {};
  double used = 0.;
  Tile tile(scratch, scratch, 1, whole);
  tile.begin({nothing, ElementType::float32}, 0, 0, 0.F);
  if (error != nullptr)
    for (int d = 0; d < dim; ++d) error[d] = 0.F;
  for (std::int64_t at = 0; at < list.count;) {
    int count = 0;
    for (; at < list.count && count < at_once; ++at) {
      if (!is_inside(at)) continue;
      row[count] = row_at(at);
      weight[count] = list.weights[at];
      used += static_cast<double>(weight[count]);
      for (int d = whole; d < dim; ++d)
        rest[d - whole] = lanes::fma(weight[count], static_cast<float>(row[count][d]), rest[d - whole]);
      if (error != nullptr)
        for (int d = 0; d < dim; ++d) {
          const float away = static_cast<float>(row[count][d]) - (center != nullptr ? center[d] : 0.F);
          error[d] = lanes::fma(list.spreads[at] * away, away, error[d]);
        }
      ++count;
    }
    if (whole == 0 || count == 0) continue;
    const auto ahead = [&](int i) { return at + i < list.count && is_inside(at + i) ? row_at(at + i) : row[0]; };
    tile.add_rows(row, 0, index, count, ahead, weight, at_once);
  }
  float natural[features];
  tile.store_sums(natural, features);
  for (int d = whole; d < dim; ++d) natural[d] = rest[d - whole];
  const auto missing = static_cast<float>(1. - used);
  for (int d = 0; d < dim; ++d) {
    sum[d] = center != nullptr ? lanes::fma(missing, center[d], natural[d]) : natural[d];
    if (error != nullptr) error[d] = Kokkos::sqrt(error[d]);
  }
}

/// Reads: the list, and the piece's features of its rows. Order: that of the list.
template <class Space, class T>
struct GatherKernel {
  GatherPointers<T> to;
  DrawnRows<typename Space::memory_space> drawn;

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const std::int64_t pieces = to.pieces();
    gather_piece<Space, T>(to, drawn.list(static_cast<std::size_t>(i / pieces)), i / pieces, i % pieces);
  }
};

template <class Space, class T>
void launch_gather(const Space& space, const DrawnRows<typename Space::memory_space>& drawn,
                   const GatherPointers<T>& pointers) {
  static_assert(lanes::is_host_space<Space>, "santa::gather_add: this execution space has no gather of its own yet");
  const std::int64_t pieces = pointers.batch * pointers.pieces();
  if (pieces == 0) return;
  Kokkos::parallel_for("santa::gather_add", Kokkos::RangePolicy<Space>(space, 0, pieces, Kokkos::ChunkSize(1)),
                       GatherKernel<Space, T>{pointers, drawn});
}

}  // namespace santa::detail
