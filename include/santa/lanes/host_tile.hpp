// The two tile products on a host: scores of a tile of key rows, and the weighted sum of listed value rows.
#pragma once

#include <santa/core/element.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <cstring>

namespace santa::lanes {

/// 32 consecutive features of a row as two vectors of floats. Which feature is where depends on the storage type
/// (`feature`): products may permute features as long as both factors agree, and bfloat16 unpacks fastest as the even
/// and the odd ones.
template <class T>
struct FeatureBlock {
  static constexpr int size = 32;
  Simd<float, 16> part[2];

  /// The feature at lane `lane` of `part[h]`.
  static constexpr int feature(int h, int lane) { return std::is_same_v<T, bfloat16> ? 2 * lane + h : 16 * h + lane; }

  SANTA_INLINE static FeatureBlock load(const T* from) {
    FeatureBlock block;
    if constexpr (std::is_same_v<T, bfloat16>) {
      unpack(Simd<std::uint32_t, 16>::load_bytes(from), block);
    } else if constexpr (std::is_same_v<T, half>) {
      static_for<2>([&](auto h) SANTA_INLINE_LAMBDA { block.part[h] = widen(from + 16 * h); });
    } else {
      static_for<2>([&](auto h) SANTA_INLINE_LAMBDA { block.part[h] = Simd<float, 16>::load(from + 16 * h); });
    }
    return block;
  }

  /// The first `count` features (a multiple of 8), the rest as zero; reads nothing beyond them.
  SANTA_INLINE static FeatureBlock load(const T* from, int count) {
    FeatureBlock block;
    if constexpr (std::is_same_v<T, bfloat16>) {
      unpack(Simd<std::uint32_t, 16>::load_bytes(from, count / 2), block);
    } else if constexpr (std::is_same_v<T, half>) {
      half padded[size] = {};
      for (int i = 0; i < count; ++i) padded[i] = from[i];
      return load(padded);
    } else {
      block.part[0] = Simd<float, 16>::load_bytes(from, count < 16 ? count : 16);
      block.part[1] = Simd<float, 16>::load_bytes(from + 16, count < 16 ? 0 : count - 16);
    }
    return block;
  }

 private:
  SANTA_INLINE static void unpack(const Simd<std::uint32_t, 16>& pairs, FeatureBlock& block) {
    block.part[0] = bit_cast<float>(pairs << 16);
    block.part[1] = bit_cast<float>(pairs & Simd<std::uint32_t, 16>(0xffff0000U));
  }

  SANTA_INLINE static Simd<float, 16> widen(const half* from) {
#if defined(__AVX512F__)
    Simd<float, 16> result;
    result.part[0] = _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    return result;
#elif defined(__AVX2__) && defined(__F16C__)
    Simd<float, 16> result;
    static_for<2>([&](auto i) SANTA_INLINE_LAMBDA {
      result.part[i] = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 8 * i)));
    });
    return result;
#else
    float each[16];
    for (int i = 0; i < 16; ++i) each[i] = static_cast<float>(from[i]);
    return Simd<float, 16>::load(each);
#endif
  }
};

/// Query and running weighted sum of a group's heads, both in the order of FeatureBlock<T> and padded to whole blocks.
template <class T>
class HostTile {
 public:
  using Element = T;
  using Block = FeatureBlock<T>;

  static constexpr int rows_ahead = 24;

  static constexpr int padded(int dim) { return (dim + Block::size - 1) / Block::size * Block::size; }
  static constexpr float weight_scale = 1.F;
  static constexpr std::size_t shared_floats(int /*heads*/, int /*dim*/) { return 0; }
  static constexpr std::size_t scratch_floats(int heads, int dim) {
    return 2 * static_cast<std::size_t>(heads) * static_cast<std::size_t>(padded(dim));
  }

  SANTA_INLINE HostTile(float* /*shared*/, float* scratch, int heads, int dim)
      : _query(scratch), _sum(scratch + heads * padded(dim)), _heads(heads), _dim(dim), _stride(padded(dim)) {}

  /// Takes query rows of `heads` heads, times `factor`, and clears the sums.
  void begin(const AnyInput& query, std::int64_t offset, std::int64_t head_stride, float factor) {
    float natural[max_dim] = {};
    for (int head = 0; head < _heads; ++head) {
      query.read(offset + head * head_stride, _dim, natural);
      float* to = _query + head * _stride;
      for_each_place([&](int at, int feature) SANTA_INLINE_LAMBDA { to[at] = natural[feature] * factor; });
    }
    std::memset(_sum, 0, static_cast<std::size_t>(_heads * _stride) * sizeof(float));
  }

  /// scores[head] lane i = <query of head, rows[first + i * step]> for i < count; other lanes are undefined.
  /// `ahead(i)` is where row i of this tile and those that follow it lie, as far as is known: rows are asked for in
  /// time.
  template <class Rows, class Ahead>
  void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count, const Ahead& ahead,
              Simd<float, 32>* scores) const {
    const auto row = [&](int i) SANTA_INLINE_LAMBDA { return rows[first + step * (i < count ? i : count - 1)]; };
    const auto coming = [&](int i) SANTA_INLINE_LAMBDA { return ahead(i + rows_ahead); };
    const auto nothing = [](int) SANTA_INLINE_LAMBDA { return nullptr; };  // the first heads have asked already
    switch (_heads) {
      case 1: return score_heads<1>(row, coming, count, 0, scores);
      case 2: return score_heads<2>(row, coming, count, 0, scores);
      case 3: return score_heads<3>(row, coming, count, 0, scores);
      default: score_heads<4>(row, coming, count, 0, scores);
    }
    int head = 4;
    for (; head + 4 <= _heads; head += 4) score_heads<4>(row, nothing, count, head, scores);
    switch (_heads - head) {
      case 1: return score_heads<1>(row, nothing, count, head, scores);
      case 2: return score_heads<2>(row, nothing, count, head, scores);
      case 3: return score_heads<3>(row, nothing, count, head, scores);
      default: return;
    }
  }

  /// sum[head] += weight[head * weight_stride + i] * rows[first + index[i]] over i < count.
  /// `ahead(i)` is a row that will be wanted after these, asked for beside row i.
  template <class Rows, class Ahead>
  void add_rows(const Rows& rows, std::int64_t first, const std::int32_t* index, int count, const Ahead& ahead,
                const float* weight, int weight_stride) {
    const auto row = [&](int i) SANTA_INLINE_LAMBDA { return rows[first + index[i]]; };
    const auto nothing = [](int) SANTA_INLINE_LAMBDA { return nullptr; };  // the first heads have asked already
    const auto add = [&](auto heads, int head, const auto& coming) SANTA_INLINE_LAMBDA {
      add_heads<heads>(row, coming, count, weight + head * weight_stride, weight_stride, head);
    };
    const auto add_some = [&](int head, int some, const auto& coming) {
      switch (some) {
        case 1: return add(std::integral_constant<int, 1>{}, head, coming);
        case 2: return add(std::integral_constant<int, 2>{}, head, coming);
        case 3: return add(std::integral_constant<int, 3>{}, head, coming);
        default: return add(std::integral_constant<int, 4>{}, head, coming);
      }
    };
    add_some(0, _heads, ahead);
    for (int head = 4; head < _heads; head += 4) add_some(head, _heads - head, nothing);
  }

  /// |row - center|^2, with center in natural order or null for 0.
  float squared_distance(const T* row, const float* center) const {
    float total = 0.F;
    for (int d = 0; d < _dim; ++d) {
      const float difference = static_cast<float>(row[d]) - (center != nullptr ? center[d] : 0.F);
      total = fma(difference, difference, total);
    }
    return total;
  }

  void rescale(int head, float factor) {
    for (int at = 0; at < _stride; ++at) _sum[head * _stride + at] *= factor;
  }

  /// Writes the sums of all heads in natural order: to[head * head_stride + 0..dim).
  void store_sums(float* to, int head_stride) const {
    for (int head = 0; head < _heads; ++head) store_sum(head, to + head * head_stride);
  }

  /// Writes the sum of a head in natural order: to[0..dim).
  void store_sum(int head, float* to) const {
    float natural[max_dim];
    const float* from = _sum + head * _stride;
    for_each_place([&](int at, int feature) SANTA_INLINE_LAMBDA { natural[feature] = from[at]; });
    std::memcpy(to, natural, static_cast<std::size_t>(_dim) * sizeof(float));
  }

 private:
  /// Calls f(place, feature): which feature of a row lies where in the order of FeatureBlock.
  template <class F>
  SANTA_INLINE void for_each_place(F&& f) const {
    for (int block = 0; block < _stride; block += Block::size)
      for (int lane = 0; lane < 16; ++lane)
        for (int part = 0; part < 2; ++part) f(block + 16 * part + lane, block + Block::feature(part, lane));
  }

  /// Scores of `Heads` heads, 16 / Heads rows at a time: up to 16 running sums in registers, added up together at the
  /// end.
  template <int Heads, class RowAt, class Coming>
  SANTA_INLINE void score_heads(const RowAt& row, const Coming& coming, int count, int head,
                                Simd<float, 32>* scores) const {
    constexpr int rows = Heads == 3 ? 4 : 16 / Heads;
    constexpr bool ahead = !std::is_same_v<decltype(coming(0)), std::nullptr_t>;
    alignas(native_bytes) float out[Heads][32] = {};
    for (int i = 0; i < count; i += rows) {
      const T* from[rows];
      const T* next[rows];
      static_for<rows>([&](auto r) SANTA_INLINE_LAMBDA {
        from[r] = row(i + r);
        next[r] = coming(i + r);
      });
      Simd<float, 16> total[16];  // [head][row]
      static_for<16>([&](auto k) SANTA_INLINE_LAMBDA { total[k] = 0.F; });
      const auto add = [&](int at, auto load) SANTA_INLINE_LAMBDA {
        const float* query = _query + head * _stride + at;
        Block keys[rows];
        static_for<rows>([&](auto r) SANTA_INLINE_LAMBDA {
          keys[r] = load(from[r] + at);
          if constexpr (ahead) HostGroup::prefetch(next[r] + at, Block::size * int{sizeof(T)});
        });
        static_for<2>([&](auto half) SANTA_INLINE_LAMBDA {
          static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
            const auto q = Simd<float, 16>::load(query + h * _stride + 16 * half);
            static_for<rows>([&](auto r) SANTA_INLINE_LAMBDA {
              total[h * rows + r] = fma(keys[r].part[half], q, total[h * rows + r]);
            });
          });
        });
      };
      int at = 0;
      for (; at + Block::size <= _dim; at += Block::size)
        add(at, [](const T* p) SANTA_INLINE_LAMBDA { return Block::load(p); });
      if (at < _dim) add(at, [&](const T* p) SANTA_INLINE_LAMBDA { return Block::load(p, _dim - at); });
      alignas(native_bytes) float sums[16];
      sum_each(total).store(sums);
      static_for<Heads>([&](auto h)
                            SANTA_INLINE_LAMBDA { std::memcpy(out[h] + i, sums + h * rows, rows * sizeof(float)); });
    }
    static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA { scores[head + h] = Simd<float, 32>::load(out[h]); });
  }

  template <int Heads, class RowAt, class Coming>
  SANTA_INLINE void add_heads(const RowAt& row, const Coming& coming, int count, const float* weight, int weight_stride,
                              int head) {
    const auto add = [&](int at, auto load) SANTA_INLINE_LAMBDA {
      float* sum = _sum + head * _stride + at;
      Simd<float, 16> total[Heads][2];
      static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
        static_for<2>([&](auto half) SANTA_INLINE_LAMBDA {
          total[h][half] = Simd<float, 16>::load(sum + h * _stride + 16 * half);
        });
      });
      for (int i = 0; i < count; ++i) {
        const Block values = load(row(i) + at);
        if constexpr (!std::is_same_v<decltype(coming(0)), std::nullptr_t>)
          HostGroup::prefetch(coming(i) + at, Block::size * int{sizeof(T)});
        static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
          const Simd<float, 16> w = weight[h * weight_stride + i];
          static_for<2>([&](auto half)
                            SANTA_INLINE_LAMBDA { total[h][half] = fma(values.part[half], w, total[h][half]); });
        });
      }
      static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
        static_for<2>([&](auto half) SANTA_INLINE_LAMBDA { total[h][half].store(sum + h * _stride + 16 * half); });
      });
    };
    int at = 0;
    for (; at + Block::size <= _dim; at += Block::size)
      add(at, [](const T* p) SANTA_INLINE_LAMBDA { return Block::load(p); });
    if (at < _dim) add(at, [&](const T* p) SANTA_INLINE_LAMBDA { return Block::load(p, _dim - at); });
  }

  float* _query;
  float* _sum;
  int _heads;
  int _dim;
  int _stride;
};

}  // namespace santa::lanes
