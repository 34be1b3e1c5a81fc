// The two tile products on a host: scores of a tile of key rows, and the weighted sum of listed value rows.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/cache_element.hpp>
#include <santa/core/element.hpp>
#include <santa/core/narrow.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/byte_block.hpp>
#include <santa/lanes/feature_block.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/lanes/host_query.hpp>
#include <santa/lanes/key_ahead.hpp>
#include <santa/lanes/last_blocks.hpp>
#include <santa/lanes/pair_block.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace santa::lanes::inline SANTA_BUILD {

/// Query and running weighted sum of a group's heads, in the order of FeatureBlock<K> and FeatureBlock<V>, of the
/// elements of key and of value rows, and padded to whole blocks.
template <class K, class V = K>
class HostTile {
 public:
  using Block = FeatureBlock<K>;
  using Values = FeatureBlock<V>;
  using RowDims = santa::detail::RowDims;
  static constexpr int packed = santa::detail::features_per_element<K>;

  using Query = HostQuery<K>;
  static constexpr int padded(int dim) { return Query::padded(dim); }
  static constexpr bool asynchronous = false;
  static constexpr bool reads_ahead = true;  // also of the unit that likely follows
  static constexpr std::size_t shared_floats(int /*heads*/, RowDims /*dims*/) { return 0; }
  static constexpr std::size_t scratch_floats(int heads, RowDims dims) {
    return static_cast<std::size_t>(heads) *
           static_cast<std::size_t>(Query::padded(dims.keys) + HostQuery<V>::padded(dims.values));
  }

  SANTA_INLINE HostTile(const HostGroup& /*group*/, float* /*shared*/, float* scratch, int heads, RowDims dims)
      : _query(scratch, dims.keys),
        _sum(scratch + heads * Query::padded(dims.keys)),
        _heads(heads),
        _dims(dims),
        _key_stride(Query::padded(dims.keys)),
        _stride(HostQuery<V>::padded(dims.values)) {}

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
    const K* row[HostGroup::size];
    const K* next[HostGroup::size];
    for (int i = 0; i < HostGroup::size; ++i) {
      row[i] = rows[first + step * (i < count ? i : count - 1)];
      next[i] = ahead(i + host_rows_ahead);
    }
    specialised(
        [&](auto heads, int head) { score_by_query<heads>(row, head == 0 ? next : row, count, head, scores + head); });
  }

  /// The same of rows[first + index[i]], all of which are here.
  template <class Rows>
  void scores_of(const Rows& rows, std::int64_t first, const std::int32_t* index, int count,
                 Simd<float, 32>* scores) const {
    const K* row[HostGroup::size];
    for (int i = 0; i < HostGroup::size; ++i) row[i] = rows[first + index[i < count ? i : count - 1]];
    specialised([&](auto heads, int head) { score_by_query<heads>(row, row, count, head, scores + head); });
  }

  /// sum[head] += weight[head * weight_stride + i] * rows[first + index[i]] over i < count, which is at most 32.
  /// `ahead(i)` is a row that will be wanted after these, asked for beside row i.
  template <class Rows, class Ahead>
  void add_rows(const Rows& rows, std::int64_t first, const std::int32_t* index, int count, const Ahead& ahead,
                const float* weight, int weight_stride) {
    const V* row[HostGroup::size];
    const V* next[HostGroup::size];
    for (int i = 0; i < count; ++i) {
      row[i] = rows[first + index[i]];
      next[i] = ahead(i);
    }
    specialised([&](auto heads, int head) {
      add_heads<heads>(row, head == 0 ? next : row, count, weight + head * weight_stride, weight_stride, head);
    });
  }

  /// The same of rows that have scales, of which scale(i) is that of rows[first + index[i]].
  template <class Rows, class Ahead, class Scale>
  void add_scaled_rows(const Rows& rows, std::int64_t first, const std::int32_t* index, int count, const Ahead& ahead,
                       const float* weight, int weight_stride, const Scale& scale) {
    float scaled[max_heads * HostGroup::size];
    for (int i = 0; i < count; ++i) {
      const float by = scale(i);
      for (int head = 0; head < _heads; ++head)
        scaled[head * HostGroup::size + i] = weight[head * weight_stride + i] * by;
    }
    add_rows(rows, first, index, count, ahead, scaled, HostGroup::size);
  }

  /// |scale * row - center|^2, with center in natural order or null for 0.
  float squared_distance(const V* row, const float* center, float scale = 1.F) const {
    float total = 0.F;
    for (int d = 0; d < _dims.values; ++d) {
      const float difference = fma(static_cast<float>(row[d]), scale, center != nullptr ? -center[d] : 0.F);
      total = fma(difference, difference, total);
    }
    return total;
  }

  void rescale(int head, float factor) {
    for (int at = 0; at < _stride; ++at) _sum[head * _stride + at] *= factor;
  }

  /// Writes the sums of all heads, times `scale`, in natural order: to[head * head_stride + 0..dim).
  void store_sums(float* to, int head_stride, float scale = 1.F) const {
    for (int head = 0; head < _heads; ++head) store_sum(head, to + head * head_stride, scale);
  }

  /// Writes the sum of a head in natural order: to[0..dim).
  void store_sum(int head, float* to, float scale = 1.F) const {
    float natural[max_dim];
    const float* from = _sum + head * _stride;
    for (int block = 0; block < _stride; block += Values::size)
      for_each_place<V>(block, [&](int at, int feature) SANTA_INLINE_LAMBDA { natural[feature] = from[at] * scale; });
    std::memcpy(to, natural, static_cast<std::size_t>(_dims.values) * sizeof(float));
  }

 private:
  static constexpr int block_elements = Block::size / packed;
  static constexpr int block_bytes = block_elements * int{sizeof(K)};

  /// Calls f(heads, head) for up to four heads at a time from `head` on, with a constant for their number. What f calls
  /// is not inlined and knows rows by their addresses alone: it is compiled once a storage type, not once a kernel. It
  /// always asks for rows ahead, as a branch would cost more; later heads ask for the rows that they are about to read,
  /// which are here.
  template <class F>
  SANTA_INLINE void specialised(F&& f) const {
    for (int head = 0; head < _heads; head += 4) switch (_heads - head) {
        case 1: f(std::integral_constant<int, 1>{}, head); break;
        case 2: f(std::integral_constant<int, 2>{}, head); break;
        case 3: f(std::integral_constant<int, 3>{}, head); break;
        default: f(std::integral_constant<int, 4>{}, head);
      }
  }

  [[nodiscard]] int row_bytes() const { return _dims.keys / packed * int{sizeof(K)}; }

  template <int Heads>
  SANTA_INLINE void score_by_query(const K* const* row, const K* const* next, int count, int head,
                                   Simd<float, 32>* scores) const {
    if constexpr (adds_pairs<K>)
      if (_query.in_pairs()) return score_heads<Heads, PairBlock>(row, next, count, head, scores);
    score_heads<Heads, Block>(row, next, count, head, scores);
  }
  /// A head's query as products with such blocks take it.
  template <class Keys>
  [[nodiscard]] SANTA_INLINE auto query_row(int head) const {
    if constexpr (std::is_same_v<Keys, PairBlock>)
      return _query.pairs(head);
    else
      return _query.row(head);
  }

  /// Scores of `Heads` heads, 16 / Heads rows at a time: up to 16 running sums, in registers as far as there are any,
  /// added up together at the end, beside a block of the queries.
  template <int Heads, class Keys>
  [[gnu::noinline]] void score_heads(const K* const* row, const K* const* next, int count, int head,
                                     Simd<float, 32>* scores) const {
    using Part = typename Keys::Part;
    constexpr int rows = Heads == 3 ? 4 : 16 / Heads;
    constexpr int parts = sizeof(Keys) / sizeof(Part);  // of a block, each with a feature or two a lane
    // Rows whose sums registers hold at once: all of them where there are 32 of 64 bytes.
    constexpr int together = native_bytes == 64 ? rows : (Heads < 3 ? 4 / Heads : 1);
    alignas(native_bytes) float out[Heads][HostGroup::size] = {};
    LastBlocks<K, block_bytes> last;
    const int whole = _dims.keys / Block::size * Block::size;
    decltype(query_row<Keys>(0)) query[Heads];
    static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA { as_it_stands(query[h] = query_row<Keys>(head + h)); });
    for (int i = 0; i < count; i += rows) {
      decltype(_query.zero(0)) total[16];                                                 // [head][row]
      static_for<16>([&](auto k) SANTA_INLINE_LAMBDA { total[k] = _query.zero(head); });  // with three heads, of no row
      for (int first = 0; first < rows; first += together) {
        decltype(_query.zero(0)) own[Heads * together];
        static_for<Heads * together>([&](auto k) SANTA_INLINE_LAMBDA { own[k] = _query.zero(head + k / together); });
        const K* const* from = row + i + first;
        const K* const* coming = next + i + first;
        int at = 0;
        for (int place = 0; place < _key_stride; place += Block::size, at += block_elements) {
          if (place == whole) {
            from = last.take(from, at, together, row_bytes() % block_bytes);
            at = 0;
          }
          as_it_stands(from);
          as_it_stands(coming);
          Part q[Heads][parts];
          static_for<parts * Heads>([&](auto k) SANTA_INLINE_LAMBDA {
            const int lane = place * parts / 2 + Block::size / 2 * (k % parts);
            q[k / parts][k % parts] = Part::load(query[k / parts] + lane).in_registers();
          });
          static_for<together>([&](auto r) SANTA_INLINE_LAMBDA {
            const Keys key = Keys::load(from[r] + at);
            HostGroup::prefetch<host_key_level>(coming[r] + place / packed, block_bytes);
            static_for<parts * Heads>([&](auto k) SANTA_INLINE_LAMBDA {
              constexpr int h = k % Heads;
              constexpr int part = k / Heads;
              own[h * together + r] = add_products(key.part[part], q[h][part], own[h * together + r]);
            });
          });
        }
        static_for<Heads * together>(
            [&](auto k) SANTA_INLINE_LAMBDA { total[k / together * rows + first + k % together] = own[k]; });
      }
      alignas(native_bytes) float sums[16];
      convert<float>(sum_each(total)).store(sums);
      for (int h = 0; h < Heads; ++h) std::memcpy(out[h] + i, sums + h * rows, rows * sizeof(float));
    }
    for (int h = 0; h < Heads; ++h) scores[h] = _query.scores(head + h, Simd<float, 32>::load(out[h]));
  }

  /// Adds rows to the sums of `Heads` heads, two blocks of features at a time where registers hold their sums: lines
  /// next to each other are then asked for together.
  template <int Heads>
  [[gnu::noinline]] void add_heads(const V* const* row, const V* const* next, int count, const float* weight,
                                   int weight_stride, int head) {
    constexpr int most = native_bytes == 64 || (native_bytes == 32 && Heads == 1) ? 2 : 1;
    const int dim = _dims.values;
    float* sum[Heads];
    static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA { sum[h] = _sum + (head + h) * _stride; });
    int at = 0;
    for (; at + most * Values::size <= dim; at += most * Values::size)
      add_blocks<Heads, most>(row, next, at, count, weight, weight_stride, sum,
                              [](const V* p) SANTA_INLINE_LAMBDA { return Values::load(p); });
    for (; at < dim; at += Values::size) {
      const int present = dim - at < Values::size ? dim - at : Values::size;
      add_blocks<Heads, 1>(row, next, at, count, weight, weight_stride, sum,
                           [present](const V* p) SANTA_INLINE_LAMBDA { return Values::load(p, present); });
    }
  }

  /// The same of features from `at` on, of which load(address) reads a block.
  template <int Heads, int blocks, class Load>
  SANTA_INLINE static void add_blocks(const V* const* row, const V* const* next, int at, int count, const float* weight,
                                      int weight_stride, float* const (&sum)[Heads], const Load& load) {
    constexpr int parts = 2 * blocks;
    Simd<float, 16> total[Heads][parts];
    static_for<Heads * parts>([&](auto k) SANTA_INLINE_LAMBDA {
      total[k / parts][k % parts] = Simd<float, 16>::load(sum[k / parts] + at + 16 * (k % parts));
    });
    for (int i = 0; i < count; ++i) {
      HostGroup::prefetch(next[i] + at, blocks * Values::size * int{sizeof(V)});
      Values values[blocks];
      static_for<blocks>([&](auto b) SANTA_INLINE_LAMBDA { values[b] = load(row[i] + at + b * Values::size); });
      static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
        const Simd<float, 16> w = weight[h * weight_stride + i];
        static_for<parts>([&](auto part) SANTA_INLINE_LAMBDA {
          total[h][part] = fma(values[part / 2].part[part % 2], w, total[h][part]);
        });
      });
    }
    static_for<Heads * parts>(
        [&](auto k) SANTA_INLINE_LAMBDA { total[k / parts][k % parts].store(sum[k / parts] + at + 16 * (k % parts)); });
  }

  Query _query;
  float* _sum;
  int _heads;
  RowDims _dims;
  int _key_stride;  // of a head's query
  int _stride;      // of its sums
};

}  // namespace santa::lanes::inline SANTA_BUILD
