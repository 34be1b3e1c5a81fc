// The queries of a host's tile products.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/feature_block.hpp>
#include <santa/lanes/math.hpp>
#include <santa/lanes/pair_block.hpp>
#include <santa/lanes/simd.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Query rows of a group's heads in the order of FeatureBlock<T>, padded to whole blocks.
template <class T>
class HostQuery {
 public:
  using Block = FeatureBlock<T>;

  static constexpr int padded(int dim) { return (dim + Block::size - 1) / Block::size * Block::size; }

  explicit HostQuery(float* scratch, int dim) : _rows(scratch), _dim(dim) {}

  /// Takes the rows of `heads` heads, times `factor`; as pairs of bfloat16, where they are exactly that, and `factor`
  /// apart.
  template <class Query>
  void begin(const Query& query, float factor, int heads) {
    if constexpr (adds_pairs<T>) {
      _in_pairs = take_pairs(query, heads);
      _factor = factor;
      if (_in_pairs) return;
    }
    for (int head = 0; head < heads; ++head)
      for (int block = 0; block < padded(_dim); block += Block::size)
        arrange(query, head, _dim, block, factor, _rows + head * padded(_dim));
  }

  /// Takes one block, from feature `block` on, of a head's query row: times `factor`, in the order of FeatureBlock,
  /// padded with zeros.
  template <class Query>
  SANTA_INLINE static void arrange(const Query& query, int head, int dim, int block, float factor, float* to) {
    float natural[Block::size] = {};
    query.read(head, block, dim - block < Block::size ? dim - block : Block::size, natural);
    for_each_place<T>(block,
                      [&](int at, int feature) SANTA_INLINE_LAMBDA { to[at] = natural[feature - block] * factor; });
  }

  [[nodiscard]] SANTA_INLINE const float* row(int head) const { return _rows + head * padded(_dim); }
  /// Whether rows are pairs of bfloat16, and such a row.
  [[nodiscard]] SANTA_INLINE bool in_pairs() const { return adds_pairs<T> && _in_pairs; }
  [[nodiscard]] SANTA_INLINE const std::uint32_t* pairs(int head) const {
    return reinterpret_cast<const std::uint32_t*>(row(head));
  }
  /// What the sums of a head's products begin with.
  [[nodiscard]] SANTA_INLINE static Simd<float, 16> zero(int /*head*/) { return 0.F; }
  /// Scores of a head from such sums.
  [[nodiscard]] SANTA_INLINE Simd<float, 32> scores(int /*head*/, const Simd<float, 32>& sums) const {
    return in_pairs() ? as_rounded(sums * Simd<float, 32>(_factor)) : sums;
  }

 private:
  /// False, with nothing taken, where a number is no bfloat16.
  template <class Query>
  bool take_pairs(const Query& query, int heads) {
    for (int head = 0; head < heads; ++head) {
      float natural[max_dim] = {};
      query.read(head, 0, _dim, natural);
      auto* const to = reinterpret_cast<std::uint32_t*>(_rows + head * padded(_dim));
      for (int d = 0; d < padded(_dim); d += 2) {
        const auto low = std::bit_cast<std::uint32_t>(natural[d]), high = std::bit_cast<std::uint32_t>(natural[d + 1]);
        if (((low | high) & 0xffffU) != 0) return false;
        to[d / 2] = low >> 16 | high;
      }
    }
    return true;
  }

  float* _rows;  // [head][padded(dim)]
  int _dim;
  float _factor = 1.F;
  bool _in_pairs = false;
};

/// Queries for integer codes: 16-bit integers, and a factor a head. No sum of products of 256 features overflows.
template <class T>
  requires(FeatureBlock<T>::integers)
class HostQuery<T> {
 public:
  using Block = FeatureBlock<T>;

  static constexpr int padded(int dim) { return (dim + Block::size - 1) / Block::size * Block::size; }

  explicit HostQuery(float* scratch, int dim) : _rows(reinterpret_cast<std::int16_t*>(scratch)), _dim(dim) {}

  template <class Query>
  void begin(const Query& query, float factor, int heads) {
    for (int head = 0; head < heads; ++head) {
      alignas(native_bytes) float natural[max_dim] = {};
      alignas(native_bytes) std::int32_t code[max_dim] = {};
      query.read(head, 0, _dim, natural);
      const std::uint32_t largest_bits = largest_of(natural);
      // A query that is not finite has scores that are no numbers.
      const bool finite = largest_bits < std::bit_cast<std::uint32_t>(infinity);
      const auto largest = std::bit_cast<float>(largest_bits);
      const float inverse = finite ? 32767.F / (largest > 0x1p-100F ? largest : 0x1p-100F) : 0.F;
      const std::int32_t sum = finite ? round(natural, inverse, code) : 0;
      for (int block = 0; block < padded(_dim); block += Block::size)
        for_each_place<T>(block, [&](int at, int feature) SANTA_INLINE_LAMBDA {
          _rows[head * padded(_dim) + at] = static_cast<std::int16_t>(code[feature]);
        });
      _zero[head][0] = -Block::zero * sum;
      _factor[head] = finite ? factor / inverse : not_a_number;
    }
  }

  [[nodiscard]] SANTA_INLINE const std::int16_t* row(int head) const { return _rows + head * padded(_dim); }
  [[nodiscard]] SANTA_INLINE Simd<std::int32_t, 16> zero(int head) const {
    if constexpr (Block::zero == 0) return 0;
    return Simd<std::int32_t, 16>::load(_zero[head]);
  }
  [[nodiscard]] SANTA_INLINE Simd<float, 32> scores(int head, const Simd<float, 32>& sums) const {
    return as_rounded(sums * Simd<float, 32>(_factor[head]));
  }

 private:
  /// The bits of the largest magnitude, a NaN's if there is one: they are in the order of the numbers.
  [[nodiscard]] std::uint32_t largest_of(const float* natural) const {
    std::uint32_t largest = 0;
    for (int d = 0; d < _dim; ++d) {
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(natural[d]) & 0x7fffffffU;
      largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
  }

  /// The integers nearest to natural[d] * inverse, of magnitudes below 2^22, even ones where two are; returns their
  /// sum.
  std::int32_t round(const float* natural, float inverse, std::int32_t* code) const {
    constexpr float shift = 0x1.8p23F;  // a sum with it has no room for a fraction
    Simd<std::int32_t, 16> sum = 0;
    for (int d = 0; d < _dim; d += 16) {
      // One rounding, whatever a compiler makes of products and sums.
      const auto scaled = fma(Simd<float, 16>::load(natural + d), Simd<float, 16>(inverse), Simd<float, 16>(shift));
      const auto codes = bit_cast<std::int32_t>(scaled) - Simd<std::int32_t, 16>(std::bit_cast<std::int32_t>(shift));
      codes.store(code + d);
      sum += codes;
    }
    return lanes::sum(sum);
  }

  std::int16_t* _rows;  // [head][padded(dim)]
  int _dim;
  float _factor[max_heads] = {};
  std::int32_t _zero[max_heads][16] = {};  // in one lane, what the codes' own zero adds to a sum, taken away
};

}  // namespace santa::lanes::inline SANTA_BUILD
