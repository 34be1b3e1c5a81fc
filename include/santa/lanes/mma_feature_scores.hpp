// Scores by some features of the keys on CUDA tensor cores, panel by panel.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/feature_coefficients.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/mma_query.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// A panel is all chosen features of a tile's 32 keys, 64 bytes each. With g = lane / 4, t = lane % 4: features of 16
/// keys, transposed as they are loaded, are A, coefficients are B. Coefficients go in as a rounded part and its rest:
/// those of ternary queries are exact, their products additions.
template <class Group, class Scored, int Dim, int unit_bytes>
class MmaFeatureScores;

template <class Group, class T, int Dim, int unit_bytes>
class MmaFeatureScores<Group, FeatureMajor<T>, Dim, unit_bytes> {
  using Columns = MmaColumns<Group::max_heads>;
  using Coefficients = FeatureCoefficients<Group>;
  static constexpr int blocks = Columns::blocks;
  static constexpr int parts = Columns::parts;
  static constexpr bool packed = Columns::packed;
  static constexpr int steps = Dim / 16;  // of 16 features
  static constexpr int fragments = blocks * parts * steps;

 public:
  static constexpr int row_bytes = 64;
  static constexpr int panels = 1;  // of a tile
  static constexpr std::size_t shared_floats = fragments * 32 * 2 + Coefficients::kept_floats(Group::max_heads, Dim);
  /// Scratch that is used in `begin`.
  static constexpr std::size_t working_floats = Coefficients::working_floats(Group::max_heads, Dim);
  static_assert(Dim % 32 == 0);

  __device__ MmaFeatureScores(const Group& group, float* shared, float* working, int heads, int dim)
      : _fragments(reinterpret_cast<uint2*>(shared)),
        _features(group, shared + fragments * 32 * 2, working, heads, dim) {}

  /// Chooses features; what follows can ask for their rows only then.
  template <class Query, class Meanwhile>
  __device__ __forceinline__ void begin(const Query& query, float factor, const Meanwhile& meanwhile) {
    _features.choose(query, factor);
    if constexpr (std::is_same_v<T, half>) tame();
    for (int i = Group::rank(); i < blocks * steps; i += Group::groups_per_team) set_fragment(i / steps, i % steps);
    Group::team_barrier();
    _count = _features.count();
    _rows = _count <= 32 ? 32 : (_count + 31) / 32 * 32;
    meanwhile();
  }

  [[nodiscard]] __device__ int units() const { return (_rows * row_bytes + unit_bytes - 1) / unit_bytes; }

  /// Asks for the panel of `count` keys. Those that a step is chosen by lie anywhere: they are not copied in pieces.
  template <class Ring, class Rows>
  __device__ __forceinline__ void ask(Ring& ring, const Rows& keys, std::int64_t first, std::int64_t step, int count,
                                      int /*panel*/) const {
    const std::uint8_t* const list = _features.list();
    if (step == 1 && first % 8 == 0) {
      // In 32 bits: rows of less than 4 GB.
      const auto* const from = reinterpret_cast<const char*>(keys[first]);
      const auto stride = static_cast<std::uint32_t>(keys.stride * std::int64_t{sizeof(T)});
      ring.template ask_some<Dim, row_bytes>([&](int i) { return from + std::uint64_t{list[i]} * stride; }, _rows,
                                             _count, count * int{sizeof(T)});
    } else {
      const T* const from = keys[first + step * (warp_lane() < count ? warp_lane() : count - 1)];
      ring.ask_elements([&](int i) { return from[list[i] * keys.stride].bits; }, _rows, _count);
    }
  }

  template <class Ring, class Done>
  __device__ __forceinline__ void products(const Ring& ring, int /*panel*/, float* scores, const Done& done) const {
    float sum[2][blocks][4] = {};  // of both halves of the tile's keys
#pragma unroll
    for (int first = 0; first < Dim; first += 32) {
      if (first >= _rows) break;
#pragma unroll
      for (int at = first; at < first + 32; at += 16) {
        const std::uint32_t row = ring.template row<row_bytes>(at, warp_lane() % 8 + warp_lane() / 16 * 8);
        add(sum, pieces_on(row, warp_lane() / 8 % 2), _fragments + at / 16 * 32 + warp_lane());
      }
    }
    done();
#pragma unroll
    for (int half = 0; half < 2; ++half) store_products<Group>(sum[half], scores + 16 * half * Group::max_heads);
  }

  [[nodiscard]] __device__ float score(int head, float product) const {
    return fma(product, _features.scale(head), _features.offset(head));
  }

 private:
  __device__ static int column() { return warp_lane() / 4; }   // g
  __device__ static int quarter() { return warp_lane() % 4; }  // t

  /// 16 features, of which the lane's piece of the first half of the keys lies at `from`.
  __device__ __forceinline__ static void add(float (&sum)[2][blocks][4], std::uint32_t from, const uint2* fragment) {
    uint2 b[blocks * parts];
#pragma unroll
    for (int k = 0; k < blocks * parts; ++k) b[k] = load_shared(fragment + k * steps * 32);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      std::uint32_t a[4];
      load_matrices<true>(pieces_on(from, 2 * half), a);
#pragma unroll
      for (int k = 0; k < blocks * parts; ++k) mma<T>(sum[half][k / parts], a, b[k].x, b[k].y);
    }
  }

  /// Coefficients of 16 features and a block of heads, of which there are `parts` fragments.
  __device__ void set_fragment(int block, int step) const {
    const int head = packed ? column() % 4 : block * 8 + column();
    std::uint32_t rounded[2], rest[2];
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      float c[2];
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int i = 16 * step + 8 * k + 2 * quarter() + e;
        c[e] = i < _features.count() && head < _features.heads() ? _features.of(head)[_features.list()[i]] : 0.F;
      }
      rounded[k] = pack<T>(c[0], c[1]);
      rest[k] = pack_rest<T>(c[0], c[1], rounded[k]);
    }
    const uint2 first = {rounded[0], rounded[1]};
    const uint2 second = {rest[0], rest[1]};
    uint2* const to = _fragments + (block * parts * steps + step) * 32 + warp_lane();
    to[0] = !packed || column() < 4 ? first : second;
    if constexpr (!packed) to[steps * 32] = second;
  }

  /// Brings coefficients into the range of halves by a power of two.
  __device__ void tame() const {
    _features.for_own_heads([&](int head) {
      float* const row = _features.of(head);
      float largest = 0.F;
      for (int d = warp_lane(); d < _features.dim(); d += Group::size) {
        const float size = Kokkos::fabs(row[d]);
        largest = size > largest && size < infinity ? size : largest;
      }
      largest = Group::max(largest);
      const int exponent = largest > 0.F ? ilogbf(largest) : 0;
      for (int d = warp_lane(); d < _features.dim(); d += Group::size) row[d] = ldexpf(row[d], -exponent);
      Group::single([&] { _features.scale(head) = ldexpf(_features.scale(head), exponent); });
    });
    Group::team_barrier();
  }

  uint2* _fragments;  // [block of heads][part][step][lane]
  Coefficients _features;
  int _count = 0;  // of features
  int _rows = 32;  // of a panel: whole 32s
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
