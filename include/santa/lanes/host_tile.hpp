// The two tile products on a host: scores of a tile of key rows, and the weighted sum of listed value rows.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/core/narrow.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/feature_block.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/lanes/host_query.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace santa::lanes::inline SANTA_BUILD {

/// Query and running weighted sum of a group's heads, both in the order of FeatureBlock<T> and padded to whole blocks.
template <class T>
class HostTile {
 public:
  using Element = T;
  using Block = FeatureBlock<T>;
  static constexpr int packed = santa::detail::features_per_element<T>;

  // Key rows are asked for this many rows ahead, into this level of the caches: as measured, see bench/RESULTS.md.
  static constexpr int rows_ahead = 24;
#if defined(__znver3__) || defined(__znver4__) || defined(__znver5__)
  static constexpr int key_level = 1;
#else
  static constexpr int key_level = 2;
#endif

  using Query = HostQuery<T>;
  static constexpr int padded(int dim) { return Query::padded(dim); }
  static constexpr bool asynchronous = false;
  static constexpr bool reads_ahead = true;  // also of the unit that likely follows
  static constexpr std::size_t shared_floats(int /*heads*/, int /*dim*/) { return 0; }
  static constexpr std::size_t scratch_floats(int heads, int dim) {
    return 2 * static_cast<std::size_t>(heads) * static_cast<std::size_t>(padded(dim));
  }

  SANTA_INLINE HostTile(const HostGroup& /*group*/, float* /*shared*/, float* scratch, int heads, int dim)
      : _query(scratch, dim), _sum(scratch + heads * padded(dim)), _heads(heads), _dim(dim), _stride(padded(dim)) {}

  /// Takes query rows of `heads` heads, times `factor`: before scores.
  template <class QueryRows, class Meanwhile>
  void begin(const QueryRows& query, float factor, const Meanwhile& /*meanwhile*/) {
    _query.begin(query, factor, _heads);
  }
  /// Clears the sums: before rows are added.
  void clear() { std::memset(_sum, 0, static_cast<std::size_t>(_heads * _stride) * sizeof(float)); }

  /// scores[head] lane i = <query of head, rows[first + i * step]> for i < count; other lanes are undefined.
  /// `ahead(i)` is where row i of this tile and those that follow it lie, as far as is known: rows are asked for in
  /// time.
  template <class Rows, class Ahead, class DrawnRows>
  void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count, const Ahead& ahead,
              Simd<float, 32>* scores, const DrawnRows& /*drawn*/) const {
    const T* row[HostGroup::size];
    const T* next[HostGroup::size];
    for (int i = 0; i < HostGroup::size; ++i) {
      row[i] = rows[first + step * (i < count ? i : count - 1)];
      next[i] = ahead(i + rows_ahead);
    }
    specialised([&](auto heads, auto dim, int head) {
      score_heads_of<heads, dim>(row, head == 0 ? next : row, count, head, scores + head);
    });
  }

  /// The same of rows[first + index[i]], all of which are here.
  template <class Rows>
  void scores_of(const Rows& rows, std::int64_t first, const std::int32_t* index, int count,
                 Simd<float, 32>* scores) const {
    const T* row[HostGroup::size];
    for (int i = 0; i < HostGroup::size; ++i) row[i] = rows[first + index[i < count ? i : count - 1]];
    specialised(
        [&](auto heads, auto dim, int head) { score_heads_of<heads, dim>(row, row, count, head, scores + head); });
  }

  /// sum[head] += weight[head * weight_stride + i] * rows[first + index[i]] over i < count, which is at most 32.
  /// `ahead(i)` is a row that will be wanted after these, asked for beside row i.
  template <class Rows, class Ahead>
  void add_rows(const Rows& rows, std::int64_t first, const std::int32_t* index, int count, const Ahead& ahead,
                const float* weight, int weight_stride) {
    const T* row[HostGroup::size];
    const T* next[HostGroup::size];
    for (int i = 0; i < count; ++i) {
      row[i] = rows[first + index[i]];
      next[i] = ahead(i);
    }
    specialised([&](auto heads, auto dim, int head) {
      add_heads_of<heads, dim>(row, head == 0 ? next : row, count, weight + head * weight_stride, weight_stride, head);
    });
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
    for (int block = 0; block < _stride; block += Block::size)
      for_each_place<T>(block, [&](int at, int feature) SANTA_INLINE_LAMBDA { natural[feature] = from[at]; });
    std::memcpy(to, natural, static_cast<std::size_t>(_dim) * sizeof(float));
  }

 private:
  /// Calls f(heads, dim, head) for up to four heads at a time from `head` on, with constants for their number and for
  /// the usual dimensions (0 for others). What f calls is not inlined and knows rows by their addresses alone: it is
  /// compiled once a storage type, not once a kernel. It always asks for rows ahead, as a branch would cost more; later
  /// heads ask for the rows that they are about to read, which are here.
  template <class F>
  SANTA_INLINE void specialised(F&& f) const {
    const auto with_dim = [&](auto heads, int head) {
      switch (_dim) {
        case 64: return f(heads, std::integral_constant<int, 64>{}, head);
        case 80: return f(heads, std::integral_constant<int, 80>{}, head);
        case 96: return f(heads, std::integral_constant<int, 96>{}, head);
        case 128: return f(heads, std::integral_constant<int, 128>{}, head);
        case 256: return f(heads, std::integral_constant<int, 256>{}, head);
        default: return f(heads, std::integral_constant<int, 0>{}, head);
      }
    };
    for (int head = 0; head < _heads; head += 4) switch (_heads - head) {
        case 1: with_dim(std::integral_constant<int, 1>{}, head); break;
        case 2: with_dim(std::integral_constant<int, 2>{}, head); break;
        case 3: with_dim(std::integral_constant<int, 3>{}, head); break;
        default: with_dim(std::integral_constant<int, 4>{}, head);
      }
  }

  /// Calls f(at, blocks, load) for the blocks of a row, `most` at a time as long as there are as many, where
  /// load(address) reads one; the last may be short.
  template <int most, class F>
  SANTA_INLINE static void for_each_block(int dim, F&& f) {
    constexpr auto one = std::integral_constant<int, 1>{};
    constexpr auto whole = [](const T* p) SANTA_INLINE_LAMBDA { return Block::load(p); };
    int at = 0;
    for (; at + most * Block::size <= dim; at += most * Block::size) f(at, std::integral_constant<int, most>{}, whole);
    if constexpr (most > 1)
      for (; at + Block::size <= dim; at += Block::size) f(at, one, whole);
    if (at < dim) f(at, one, [&](const T* p) SANTA_INLINE_LAMBDA { return Block::load(p, dim - at); });
  }

  /// Scores of `Heads` heads, 16 / Heads rows at a time: up to 16 running sums in registers, added up together at the
  /// end.
  template <int Heads>
  SANTA_INLINE void score_heads(int dim, int stride, const T* const* row, const T* const* next, int count, int head,
                                Simd<float, 32>* scores) const {
    constexpr int rows = Heads == 3 ? 4 : 16 / Heads;
    alignas(native_bytes) float out[Heads][HostGroup::size] = {};
    for (int i = 0; i < count; i += rows) {
      decltype(_query.zero(0)) total[16];  // [head][row]
      static_for<16>([&](auto k)
                         SANTA_INLINE_LAMBDA { total[k] = _query.zero(k < Heads * rows ? head + k / rows : head); });
      for_each_block<1>(dim, [&](int at, auto /*blocks*/, auto load) SANTA_INLINE_LAMBDA {
        const auto* query = _query.row(0) + head * stride + at;
        Block keys[rows];
        static_for<rows>([&](auto r) SANTA_INLINE_LAMBDA {
          keys[r] = load(row[i + r] + at / packed);
          HostGroup::prefetch<key_level>(next[i + r] + at / packed, Block::size / packed * int{sizeof(T)});
        });
        static_for<2>([&](auto half) SANTA_INLINE_LAMBDA {
          static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
            const auto q = Block::Part::load(query + h * stride + Block::size / 2 * half);
            static_for<rows>([&](auto r) SANTA_INLINE_LAMBDA {
              total[h * rows + r] = add_products(keys[r].part[half], q, total[h * rows + r]);
            });
          });
        });
      });
      alignas(native_bytes) float sums[16];
      convert<float>(sum_each(total)).store(sums);
      static_for<Heads>([&](auto h)
                            SANTA_INLINE_LAMBDA { std::memcpy(out[h] + i, sums + h * rows, rows * sizeof(float)); });
    }
    static_for<Heads>([&](auto h)
                          SANTA_INLINE_LAMBDA { scores[h] = _query.scores(head + h, Simd<float, 32>::load(out[h])); });
  }

  /// Adds rows to the sums of `Heads` heads, two blocks of features at a time where registers hold their sums: lines
  /// next to each other are then asked for together.
  template <int Heads>
  SANTA_INLINE void add_heads(int dim, int stride, const T* const* row, const T* const* next, int count,
                              const float* weight, int weight_stride, int head) {
    for_each_block<(native_bytes == 64 ? 2 : 1)>(dim, [&](int at, auto blocks, auto load) SANTA_INLINE_LAMBDA {
      constexpr int parts = 2 * blocks;
      float* sum = _sum + head * stride + at;
      Simd<float, 16> total[Heads][parts];
      static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
        static_for<parts>([&](auto part) SANTA_INLINE_LAMBDA {
          total[h][part] = Simd<float, 16>::load(sum + h * stride + 16 * part);
        });
      });
      for (int i = 0; i < count; ++i) {
        Block values[blocks];
        static_for<blocks>([&](auto b) SANTA_INLINE_LAMBDA { values[b] = load(row[i] + at + b * Block::size); });
        HostGroup::prefetch(next[i] + at, blocks * Block::size * int{sizeof(T)});
        static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
          const Simd<float, 16> w = weight[h * weight_stride + i];
          static_for<parts>([&](auto part) SANTA_INLINE_LAMBDA {
            total[h][part] = fma(values[part / 2].part[part % 2], w, total[h][part]);
          });
        });
      }
      static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
        static_for<parts>([&](auto part) SANTA_INLINE_LAMBDA { total[h][part].store(sum + h * stride + 16 * part); });
      });
    });
  }

  // The same for a constant dimension, or with 0 for any, as functions that exist once.
  template <int Heads, int Dim>
  [[gnu::noinline]] void score_heads_of(const T* const* row, const T* const* next, int count, int head,
                                        Simd<float, 32>* scores) const {
    score_heads<Heads>(Dim != 0 ? Dim : _dim, Dim != 0 ? padded(Dim) : _stride, row, next, count, head, scores);
  }
  template <int Heads, int Dim>
  [[gnu::noinline]] void add_heads_of(const T* const* row, const T* const* next, int count, const float* weight,
                                      int weight_stride, int head) {
    add_heads<Heads>(Dim != 0 ? Dim : _dim, Dim != 0 ? padded(Dim) : _stride, row, next, count, weight, weight_stride,
                     head);
  }

  Query _query;
  float* _sum;
  int _heads;
  int _dim;
  int _stride;
};

}  // namespace santa::lanes::inline SANTA_BUILD
