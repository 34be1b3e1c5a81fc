// Dot products of rows with many vectors on a host.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/lanes/host_tile.hpp>
#include <santa/lanes/key_ahead.hpp>
#include <santa/lanes/simd.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Products of tiles of rows of T with vectors of any dimension that is a multiple of 8: HostTile's, four vectors at a
/// time, so that a tile comes from memory once. Vectors are arranged beforehand, piece by piece.
template <class T>
class HostDots {
  using Tile = HostTile<T>;

 public:
  static constexpr int most_vectors = 64;
  static constexpr int piece_features = Tile::Block::size;
  static constexpr bool scaled = false;  // whether arranged vectors need a factor that tames them
  static constexpr std::size_t scratch_floats = 0;

  /// Vectors in arranged form, `padded(dim)` floats each.
  HostDots(const HostGroup& /*group*/, const float* vectors, float* /*scratch*/, int count, int dim, bool /*exact*/)
      : _tile({}, nullptr, const_cast<float*>(vectors), count, dim), _count(count), _dim(dim) {}

  /// Writes piece `piece` of the vector that begins at `offset` to where it belongs among `vectors`.
  static void arrange(const AnyInput& from, std::int64_t offset, int dim, int piece, float factor, bool /*exact*/,
                      int vector, float* vectors) {
    Tile::Query::arrange(santa::detail::QueryRows{from, offset, 0}, 0, dim, piece * piece_features, factor,
                         vectors + vector * Tile::padded(dim));
  }

  /// Calls take(vector, products) for each vector: lane i has that with the row at rows + i * stride, i < count; what
  /// is in other lanes means nothing.
  template <class Take>
  void products(const T* rows, std::int64_t stride, int count, Take&& take) const {
    const Rows matrix{rows, stride};
    Simd<float, HostGroup::size> result[most_vectors];
    // Rows of some KiB are read as streams that the processor sees by itself: asking for others only gets in its way.
    const int back = _dim * int{sizeof(T)} > 2048 ? host_rows_ahead : 0;
    const auto ahead = [&](int i) { return matrix[i - back]; };
    _tile.scores(matrix, 0, 1, count, ahead, result, nullptr);
    for (int v = 0; v < _count; ++v) take(v, result[v]);
  }

 private:
  struct Rows {
    const T* data;
    std::int64_t stride;
    const T* operator[](std::int64_t i) const { return data + i * stride; }
  };

  Tile _tile;
  int _count;
  int _dim;
};

}  // namespace santa::lanes::inline SANTA_BUILD
