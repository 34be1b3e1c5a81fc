// Dot products of rows with many vectors on a device, in plain loops: any element type, any alignment.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/scalar.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// The same members as HostDots. Lane i works on row i, with 8 vectors at a time.
template <class Group, class T>
class PlainDots {
  static constexpr int at_once = 8;

 public:
  static constexpr int piece_features = 8;
  static constexpr bool scaled = false;
  static constexpr std::size_t scratch_floats = 0;

  KOKKOS_FUNCTION PlainDots(const Group& group, const float* vectors, float* /*scratch*/, int count, int dim,
                            bool /*exact*/)
      : _group(group), _vectors(vectors), _count(count), _dim(dim) {}

  KOKKOS_FUNCTION static void arrange(const AnyInput& from, std::int64_t offset, int dim, int piece, float factor,
                                      bool /*exact*/, int vector, float* vectors) {
    const int first = piece * piece_features;
    float* const to = vectors + vector * padded(dim) + first;
    for (int k = 0; k < piece_features; ++k) to[k] = 0.F;
    if (first >= dim) return;
    from.read(offset + first, piece_features, to);
    for (int k = 0; k < piece_features; ++k) to[k] *= factor;
  }

  template <class Take>
  KOKKOS_FUNCTION void products(const T* rows, std::int64_t stride, int count, Take&& take) const {
    const int lane = _group.lane();
    const T* const row = rows + stride * (lane < count ? lane : count - 1);
    for (int first = 0; first < _count; first += at_once) {
      const int vectors = _count - first < at_once ? _count - first : at_once;
      float sum[at_once] = {};
      for (int d = 0; d < _dim; d += piece_features) add_piece(row + d, first, d, vectors, sum);
      for (int k = 0; k < vectors; ++k) take(first + k, sum[k]);
    }
  }

 private:
  KOKKOS_FUNCTION static constexpr int padded(int dim) { return (dim + 31) / 32 * 32; }

  KOKKOS_FUNCTION void add_piece(const T* from, int first, int d, int vectors, float (&sum)[at_once]) const {
    float value[piece_features];
    SANTA_UNROLL(8)
    for (int k = 0; k < piece_features; ++k) value[k] = static_cast<float>(from[k]);
    for (int v = 0; v < vectors; ++v) {
      const float* const vector = _vectors + (first + v) * padded(_dim) + d;
      SANTA_UNROLL(8)
      for (int k = 0; k < piece_features; ++k) sum[v] = fma(vector[k], value[k], sum[v]);
    }
  }

  const Group& _group;
  const float* _vectors;
  int _count;
  int _dim;
};

}  // namespace santa::lanes::inline SANTA_BUILD
