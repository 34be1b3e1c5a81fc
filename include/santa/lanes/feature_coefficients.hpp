// Which features of the keys are read, and with which coefficient for each query head.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/math.hpp>
#include <santa/random/stream_key.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// The queries of a team's heads in its scratch, in whose place a policy leaves coefficients: scores are then
///     scale(head) * sum_d coefficient(head, d) (k_d - mean_d) + <q, mean>
/// over the features that have one for some head. What the coefficients do to the keys' mean is taken back: it is the
/// same for all keys, and changes no softmax, but the log-sum-exp. All groups of the team take part, with the same
/// result whatever their number; features go by blocks of 32, one a lane.
template <class Group>
class FeatureCoefficients {
 public:
  using Float = typename Group::template Vector<float>;
  using Word = typename Group::template Vector<std::uint32_t>;

  /// Floats that stay in use once features are chosen; whole vectors.
  KOKKOS_FUNCTION static constexpr std::size_t kept_floats(int heads, int dim) {
    return (static_cast<std::size_t>(dim / 4) + 2 * static_cast<std::size_t>(heads) + 1 + 31) / 32 * 32;
  }
  /// Floats that hold the coefficients [head][dim], and behind them the importance of features.
  KOKKOS_FUNCTION static constexpr std::size_t working_floats(int heads, int dim) {
    return static_cast<std::size_t>(heads + 1) * static_cast<std::size_t>(dim);
  }

  KOKKOS_FUNCTION FeatureCoefficients(const Group& group, float* kept, float* working, int heads, int dim)
      : _group(group),
        _list(reinterpret_cast<std::uint8_t*>(kept)),
        _scale(kept + dim / 4),
        _offset(_scale + heads),
        _count(reinterpret_cast<std::int32_t*>(_offset + heads)),
        _row(working),
        _heads(heads),
        _dim(dim) {}

  [[nodiscard]] KOKKOS_FUNCTION int heads() const { return _heads; }
  [[nodiscard]] KOKKOS_FUNCTION int dim() const { return _dim; }
  /// [dim]: the query of a head, then its coefficients; 0 where a feature is not read for its sake.
  [[nodiscard]] KOKKOS_FUNCTION float* of(int head) const { return _row + head * _dim; }
  /// [dim]
  [[nodiscard]] KOKKOS_FUNCTION float* importance() const { return of(_heads); }
  /// What the sums of a head are multiplied by, and what is added to them.
  [[nodiscard]] KOKKOS_FUNCTION float& scale(int head) const { return _scale[head]; }
  [[nodiscard]] KOKKOS_FUNCTION float offset(int head) const { return _offset[head]; }

  /// The features that are read, in ascending order; the first can be read even if there are none.
  [[nodiscard]] KOKKOS_FUNCTION const std::uint8_t* list() const { return _list; }
  [[nodiscard]] KOKKOS_FUNCTION int count() const { return *_count; }

  /// Takes queries and has the policy turn them into coefficients; scores are multiplied by `factor`.
  template <class Query>
  KOKKOS_FUNCTION void choose(const Query& query, float factor) {
    read(query);
    for_own_heads([&](int head) {
      const float sum = _group.sum(product(of(head), query.mean));
      _group.single([&] {
        _offset[head] = sum;
        _scale[head] = 1.F;
      });
    });
    _group.team_barrier();
    query.choice.choose(_group, *this, query);
    _group.team_barrier();
    for_own_heads([&](int head) {
      const float sum = _group.sum(product(of(head), query.mean));
      _group.single([&] {
        _offset[head] = factor * fma(-_scale[head], sum, _offset[head]);
        _scale[head] *= factor;
      });
    });
    if (_group.rank() == 0) find_used();
    _group.team_barrier();
  }

  /// Takes queries.
  template <class Query>
  KOKKOS_FUNCTION void read(const Query& query) const {
    for_own_heads([&](int head) { _group.for_each(_dim, [&](int d) { query.read(head, d, 1, of(head) + d); }); });
    _group.sync();
  }

  /// For policies: importance of features, the largest of the heads' |q_d| times the deviation of the keys in that
  /// feature, or |q_d| alone. What is no number is as important as can be.
  KOKKOS_FUNCTION void find_importance(const float* deviation) const {
    for_own_blocks([&](int first) {
      Float largest = 0.F;
      for (int head = 0; head < _heads; ++head) {
        const Float size = magnitude(load(of(head), first));
        largest = select(size >= Float(0.F), max(largest, size), Float(infinity));
      }
      if (deviation != nullptr) largest = largest * load(deviation, first);
      store(select(largest >= Float(0.F), largest, Float(infinity)), importance(), first);
    });
    _group.team_barrier();
  }

  /// Calls f(first feature) for blocks of 32 features: all, or the group's share of them.
  template <class F>
  KOKKOS_FUNCTION void for_all_blocks(F&& f) const {
    for (int first = 0; first < _dim; first += Group::size) f(first);
  }
  template <class F>
  KOKKOS_FUNCTION void for_own_blocks(F&& f) const {
    for (int first = Group::size * _group.rank(); first < _dim; first += Group::size * Group::groups_per_team) f(first);
  }
  template <class F>
  KOKKOS_FUNCTION void for_own_heads(F&& f) const {
    for (int head = _group.rank(); head < _heads; head += Group::groups_per_team) f(head);
  }

  /// A block of a row of dim numbers, 0 beyond them.
  [[nodiscard]] KOKKOS_FUNCTION Float load(const float* row, int first) const {
    return _group.load(row + first, _dim - first, 0.F);
  }
  KOKKOS_FUNCTION void store(const Float& values, float* row, int first) const {
    _group.store(values, row + first, _dim - first);
  }

  [[nodiscard]] KOKKOS_FUNCTION static Float magnitude(const Float& x) {
    return select(x < Float(0.F), Float(0.F) - x, x);
  }

  /// 24 random bits for each feature of a block, the same for all heads.
  template <class Query>
  [[nodiscard]] KOKKOS_FUNCTION Word random(const Query& query, int first, int draw) const {
    const Word index = Word(StreamKey::feature_index(query.kv_head, draw, first)) + bit_cast<std::uint32_t>(numbers());
    return query.key.integer(StreamKey::no_head, index, 24);
  }

 private:
  /// Numbers of lanes.
  [[nodiscard]] KOKKOS_FUNCTION auto numbers() const {
    return typename Group::template Vector<std::int32_t>(_group.lane());
  }

  [[nodiscard]] KOKKOS_FUNCTION Float product(const float* row, const float* other) const {
    Float sum = 0.F;
    for_all_blocks([&](int first) { sum = fma(load(row, first), load(other, first), sum); });
    return sum;
  }

  KOKKOS_FUNCTION void find_used() const {
    auto* const numbered = reinterpret_cast<std::int32_t*>(importance());  // which is known no more
    int count = 0;
    for_all_blocks([&](int first) {
      Float used = 0.F;
      for (int head = 0; head < _heads; ++head) used = select(load(of(head), first) != Float(0.F), Float(1.F), used);
      const std::uint32_t bits = _group.ballot(used > Float(0.F));
      _group.compact(bits, numbers() + first, numbered, count, _dim);
      count += Kokkos::popcount(bits);
    });
    _group.single([&] {
      _list[0] = 0;
      *_count = count;
    });
    _group.sync();
    _group.for_each(count, [&](int i) { _list[i] = static_cast<std::uint8_t>(numbered[i]); });
  }

  Group _group;         // by value: of a warp's, which is empty, nothing is left
  std::uint8_t* _list;  // [dim], of which `count` are used
  float* _scale;        // [head]
  float* _offset;       // [head]
  std::int32_t* _count;
  float* _row;  // [head][dim], and the importance
  int _heads;
  int _dim;
};

}  // namespace santa::lanes::inline SANTA_BUILD
