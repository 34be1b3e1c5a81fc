// The tile products of a host where keys are scored by some of their features.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/feature_coefficients.hpp>
#include <santa/lanes/host_tile.hpp>
#include <santa/lanes/key_ahead.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Scores of keys that lie feature by feature, 32 keys at a time. Scores of drawn rows, of rows of T, and
/// sums of rows of V.
/// `Group` is no other: as a parameter, so that a device's compiler doesn't look at its vectors before they are used.
template <class T, class V = T, class Group = HostGroup>
class FeatureHostTile : public HostTile<T, V> {
  using Full = HostTile<T, V>;
  using Block = FeatureBlock<T>;  // of keys here
  using Coefficients = FeatureCoefficients<Group>;

 public:
  using RowDims = santa::detail::RowDims;
  static constexpr std::size_t scratch_floats(int heads, RowDims dims) {
    return Full::scratch_floats(heads, dims) + Coefficients::kept_floats(heads, dims.keys) +
           Coefficients::working_floats(heads, dims.keys);
  }

  SANTA_INLINE FeatureHostTile(const HostGroup& group, float* shared, float* scratch, int heads, RowDims dims)
      : Full(group, shared, scratch, heads, dims),
        _features(group, scratch + Full::scratch_floats(heads, dims),
                  scratch + Full::scratch_floats(heads, dims) + Coefficients::kept_floats(heads, dims.keys), heads,
                  dims.keys) {}

  template <class Choice, class Meanwhile>
  void begin(const santa::detail::ChosenQueryRows<Choice>& query, float factor, const Meanwhile& meanwhile) {
    _features.choose(query, factor);
    Full::begin(static_cast<const santa::detail::QueryRows&>(query), factor, meanwhile);
  }

  template <class Rows, class Coming, class DrawnRows>
  void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count, const Coming& coming,
              Simd<float, 32>* scores, const DrawnRows& /*drawn*/) const {
    const Keys keys{rows[first], rows.stride, step, count, coming.count > 0 ? rows[coming.first] : rows[first]};
    const int heads = _features.heads();
    for (int head = 0; head < heads; head += 4) switch (heads - head) {
        case 1: score_heads<1>(keys, head, scores); break;
        case 2: score_heads<2>(keys, head, scores); break;
        case 3: score_heads<3>(keys, head, scores); break;
        default: score_heads<4>(keys, head, scores);
      }
  }

 private:
  struct Keys {
    const T* first;              // the first feature of the first key
    std::int64_t feature, step;  // distances from one to the next
    int count;
    const T* coming;  // of the tile that follows

    /// One feature of all of them; what is beyond `count` means nothing.
    SANTA_INLINE Block load(std::int64_t number) const {
      const T* const from = first + number * feature;
      if (step == 1 && count == HostGroup::size) return Block::load(from);
      T each[Block::size] = {};
      for (int i = 0; i < count; ++i) each[i] = from[i * step];
      return Block::load(each);
    }
  };

  /// A coefficient of +-1 makes the product an addition or a subtraction: exact, and no slower.
  template <int Heads>
  [[gnu::noinline]] void score_heads(const Keys& keys, int head, Simd<float, 32>* scores) const {
    static_assert(Block::size == HostGroup::size);
    Simd<float, 16> total[Heads][2];
    static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA { total[h][0] = total[h][1] = 0.F; });
    const float* const row = _features.of(head);
    const int dim = _features.dim();
    for (int i = 0; i < _features.count(); ++i) {
      const std::int64_t feature = _features.list()[i];
      const Block key = keys.load(feature);
      HostGroup::prefetch<host_key_level>(keys.coming + feature * keys.feature, HostGroup::size * int{sizeof(T)});
      static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
        const Simd<float, 16> coefficient = row[h * dim + feature];
        static_for<2>([&](auto part)
                          SANTA_INLINE_LAMBDA { total[h][part] = fma(key.part[part], coefficient, total[h][part]); });
      });
    }
    static_for<Heads>([&](auto h) SANTA_INLINE_LAMBDA {
      alignas(native_bytes) float in_order[HostGroup::size];
      for (int part = 0; part < 2; ++part) {
        alignas(native_bytes) float each[16];
        total[h][part].store(each);
        for (int lane = 0; lane < 16; ++lane) in_order[Block::feature(part, lane)] = each[lane];
      }
      scores[head + h] = fma(Simd<float, 32>::load(in_order), Simd<float, 32>(_features.scale(head + h)),
                             Simd<float, 32>(_features.offset(head + h)));
    });
  }

  Coefficients _features;
};

}  // namespace santa::lanes::inline SANTA_BUILD
