// What a lane group does with the rows of a unit: scores of its keys, and sums of its value rows.
#pragma once

#include <santa/cache/addressed_cache.hpp>
#include <santa/cache/page_slots.hpp>
#include <santa/cache/scales.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/tiles.hpp>
#include <santa/schedule/units.hpp>
#include <santa/score/bad_pages.hpp>
#include <santa/score/coming_rows.hpp>
#include <santa/score/modifiers.hpp>
#include <santa/score/row_scales.hpp>
#include <santa/score/token_mask.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// Scores are the products of query and rows (keys, or a narrow copy), then the modifier; `Tile` holds the query, and
/// the sums of value rows. Drawn rows are named by their distance from the unit's first key. Bytes: `count` rows a
/// tile, and their scales; the value rows that are gathered.
///
/// The members are those of a ScoreStage, which says when they are called; LogWeightStage has them too.
template <class Group, class Tile, class Addresses, class Modifier>
class Stage {
  using Float = typename Group::template Vector<float>;
  using ValueRows = RowsOf<Tile, decltype(std::declval<const Addresses&>().values(0, 0))>;
  using KeyRows = RowsOf<Tile, decltype(std::declval<const Addresses&>().keys(0, 0))>;
  using ScoredRows = RowsOf<Tile, decltype(std::declval<const Addresses&>().scored(0, 0))>;
  using KeyScale = RowsOf<Tile, decltype(key_scales_of(std::declval<const Addresses&>(), 0, 0))>;
  using ValueScale = RowsOf<Tile, decltype(value_scales_of(std::declval<const Addresses&>(), 0, 0))>;
  /// Scores are made from the keys themselves.
  static constexpr bool by_keys = std::same_as<typename Addresses::Element, typename Addresses::ScoredElement>;
  static constexpr bool scales_each_key = by_keys && is_scale_a_row<KeyScale>;
  using ScoreScales = std::conditional_t<scales_each_key, KeyScales<Group, KeyScale>, RowScales<Group, ScoredRows>>;

 public:
  using Products = Tile;
  /// Rows are asked for and taken in the course of `scores` and `settle`, not when they are drawn.
  static constexpr bool asynchronous = Tile::asynchronous;
  /// Drawn rows are scored again by their keys.
  static constexpr bool rescored = Addresses::rescored;

  /// Floats of scratch: of a team, and of each of its groups.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int heads, RowDims dims) {
    return Tile::shared_floats(heads, dims);
  }
  KOKKOS_FUNCTION static constexpr std::size_t own_floats(int heads, RowDims dims) {
    return Tile::scratch_floats(heads, dims);
  }

  KOKKOS_FUNCTION Stage(const Group& group, const Arguments& a, const Addresses& addresses, const Modifier& modifier,
                        const Unit& unit, float* shared, float* own)
      : _group(group),
        _arguments(a),
        _addresses(addresses),
        _modifier(modifier),
        _unit(unit),
        _whole(a, unit),
        _tile(group, shared, own, unit.heads, a.row_dims()),
        _scored(rows_of<Tile>(addresses.scored(unit.batch, unit.kv_head))),
        _values(rows_of<Tile>(addresses.values(unit.batch, unit.kv_head))),
        _values_ahead(_values),
        _values_asked(_values),
        _keys(rows_of<Tile>(addresses.keys(unit.batch, unit.kv_head))),
        _coming(_scored, a, addresses, unit),
        _key_scale(rows_of<Tile>(key_scales_of(addresses, unit.batch, unit.kv_head))),
        _value_scale(rows_of<Tile>(value_scales_of(addresses, unit.batch, unit.kv_head))),
        _scales(scales_of(_scored, _key_scale)) {}

  /// Takes the unit's queries, by all groups of the team; `meanwhile` may be called while they are on their way.
  template <class Meanwhile>
  KOKKOS_FORCEINLINE_FUNCTION void take_queries(const Meanwhile& meanwhile) {
    const Arguments& a = _arguments;
    const QueryRows query = query_rows(a, _unit);
    if constexpr (PieceRows<ScoredRows>) {
      _tile.begin(_scored, query, a.score_factor, meanwhile);
    } else if constexpr (requires { _scored.spread; }) {
      _tile.begin(FoldedQueryRows{query, _scored.center, _scored.spread}, a.score_factor, meanwhile);
    } else if constexpr (requires { _addresses.choice; }) {
      using Choice = decltype(_addresses.choice);
      const ChosenQueryRows<Choice> chosen{
          query, _addresses.choice, _scored.mean, _scored.deviation, stream_key(a, _unit), _unit.kv_head};
      _tile.begin(chosen, a.score_factor, meanwhile);
    } else {
      // A scale of all keys is part of the factor of their scores.
      float factor = a.score_factor;
      if constexpr (is_one_scale<KeyScale>) factor *= _key_scale.scale;
      _tile.begin(query, factor, meanwhile);
    }
  }

  /// Has a tile's keys asked for ahead of time, where that can be done.
  KOKKOS_FORCEINLINE_FUNCTION void ask(std::int64_t first, std::int64_t step, int count) {
    if constexpr (asynchronous) _tile.ask(_scored, first, step, count);
  }

  /// Scores in log2 units of keys first, first + step, ... (`count` of them); -infinity in lanes without a visible key.
  /// A score of +infinity has no softmax and becomes NaN, as exp(inf - inf) is. `next` is the first of the `next_count`
  /// keys of the group's next tile; tiles at the same distance follow until `end`, where that is not 0. `drawn` are the
  /// rows that wait to be gathered.
  template <class DrawnRows>
  KOKKOS_FORCEINLINE_FUNCTION void scores(std::int64_t first, std::int64_t step, int count, Float* score,
                                          std::int64_t next, int next_count, DrawnRows& drawn, std::int64_t end = 0) {
    const auto row = [&](const auto i) {  // not made of rows that no tile asks for by address
      return _coming.row(_scored, _unit, first + i * step, step);
    };
    _scales.turn(_group, first, step, count, next, next_count);
    _tile.scores(_scored, first, step, count, ComingRows<decltype(row)>{row, next, next_count, next - first, end},
                 score, drawn);
    const auto hidden = static_cast<std::int32_t>(_unit.start > first ? (_unit.start - first + step - 1) / step : 0);
    const auto inside = _group.lanes_between(hidden, count);
    const Float offset = lanes::fma(lanes::convert<float>(_group.lane()), Float(static_cast<float>(step)),
                                    Float(static_cast<float>(first - query_position())));
    _group.for_all_heads(_unit.heads, [&](int head) {
      Float value = modified(_modifier, _scales.apply(_tile, head, score[head]), keys_of(head, offset));
      value = lanes::select(value >= Float(lanes::infinity), Float(lanes::not_a_number), value);
      // A head that is none, where heads are padded, has nothing to say, whatever a modifier makes of its score.
      score[head] =
          lanes::select(inside, head < _unit.heads ? value : Float(-lanes::infinity), Float(-lanes::infinity));
    });
    if (_arguments.token_rows.differ())
      if (const TokenMask mask(_arguments, _unit, first, step, count); mask.hides())
        hide_from_tokens(_group, _unit, mask, score);
  }

  /// Adds up all rows of the unit, each at its weight, where the tile can: a state of AllRows makes weights of scores.
  static constexpr bool attends = requires { typename Tile::Scores; };
  template <class State>
  KOKKOS_FORCEINLINE_FUNCTION void attend(State& state) {
    constexpr int turn = Group::groups_per_team * Group::size;
    _tile.attend(_scored, _values, _key_scale, _value_scale, _unit.begin + _group.rank() * Group::size, turn,
                 _unit.start, _unit.end,
                 [&](std::int64_t first, auto& scores) { state.weigh(scores, finish_scores(first, scores)); });
  }
  /// Scores of all tiles of the unit that are the group's, in that order: take(first key, scores).
  static constexpr bool scores_alone = attends && !scales_each_key && requires { requires Tile::scores_alone; };
  template <class Take>
  KOKKOS_FORCEINLINE_FUNCTION void score_all(const Take& take) {
    constexpr int turn = Group::groups_per_team * Group::size;
    _tile.template attend<true>(_scored, _scored, _key_scale, _key_scale, _unit.begin + _group.rank() * Group::size,
                                turn, _unit.start, _unit.end, [&](std::int64_t first, auto& scores) {
                                  finish_scores(first, scores);
                                  take(first, scores);
                                });
  }
  /// Scores of a tile, of which the unit's end says how many keys it has, in the order in which heads draw together.
  /// `next` is the group's next tile.
  static constexpr bool draws_jointly = requires { requires Tile::draws_jointly; };
  template <class Scores, class DrawnRows>
  KOKKOS_FORCEINLINE_FUNCTION void joint_scores(std::int64_t first, std::int64_t next, Scores& scores,
                                                DrawnRows& drawn) {
    const auto row = [&](const auto i) { return _scored[first + i]; };
    const auto keys_of = [&](std::int64_t tile) { return keys_of_tile<Group>(_unit, tile); };
    _scales.turn(_group, first, 1, keys_of(first), next, keys_of(next));
    _tile.scores(_scored, first, 1, keys_of(first),
                 ComingRows<decltype(row)>{row, next, keys_of(next), next - first, _unit.end}, scores, drawn);
    scale_products(_scales, _tile, scores);
    finish_scores(first, scores);
  }
  KOKKOS_FORCEINLINE_FUNCTION void gather_weighed(auto& weights) { _tile.add_weighed(weights); }
  KOKKOS_FORCEINLINE_FUNCTION void rescale_heads(const auto& factor) { _tile.rescale_heads(factor); }

  /// Scores of drawn rows by their full keys: lane i's of row index[i], i < count.
  KOKKOS_FORCEINLINE_FUNCTION void scores_again(const std::int32_t* index, int count, Float* score) {
    static_assert(std::same_as<KeyScale, NoScale>, "santa: keys with scales have no narrow copies");
    _tile.scores_of(_keys, _unit.begin, index, count, score);
    const Float offset =
        lanes::convert<float>(_group.load(index, count, 0)) + Float(static_cast<float>(_unit.begin - query_position()));
    _group.for_all_heads(_unit.heads,
                         [&](int head) { score[head] = modified(_modifier, score[head], keys_of(head, offset)); });
  }

  /// The same in the order in which a product leaves them, of 16 rows.
  template <class Scores>
  KOKKOS_FORCEINLINE_FUNCTION void scores_again(const std::int32_t* index, Scores& scores) {
    _tile.scores_of_panel(scores);
    const auto offset = static_cast<float>(_unit.begin - query_position());
    scores.for_each([&](float& score, int half, int b, int r, int k) {
      const int row = index[Scores::row(half, r)];
      score = modified(_modifier, score, keys_of(Scores::head(b, k), offset + static_cast<float>(row)));
    });
  }

  /// Clears the sums: before rows are gathered.
  KOKKOS_FORCEINLINE_FUNCTION void clear() { _tile.clear(); }
  /// sum[head] += weight[head * weight_stride + i] * row index[i] over i < count. `ahead(i)` is a row that will be
  /// wanted after these, asked for beside row i.
  template <class Ahead>
  KOKKOS_FORCEINLINE_FUNCTION void gather(const std::int32_t* index, int count, const Ahead& ahead, const float* weight,
                                          int weight_stride) {
    const auto coming = [&](int i) { return _values_ahead[_unit.begin + ahead(i)]; };
    if constexpr (is_scale_a_row<ValueScale> && !asynchronous)
      _tile.add_scaled_rows(_values, _unit.begin, index, count, coming, weight, weight_stride,
                            [&](int i) { return *_value_scale[_unit.begin + index[i]]; });
    else
      _tile.add_rows(_values, _unit.begin, index, count, coming, weight, weight_stride);
  }
  /// Where drawn rows lie, those with scales of their own with these.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION auto value_row(std::int32_t index) const {
    if constexpr (is_scale_a_row<ValueScale> && asynchronous)
      return ScaledRow{_values[_unit.begin + index], _value_scale[_unit.begin + index]};
    else
      return _values[_unit.begin + index];
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION auto key_row(std::int32_t index) const {
    return _keys[_unit.begin + index];
  }
  /// Asks for what will be read of a drawn row.
  KOKKOS_FORCEINLINE_FUNCTION void ask_row(std::int32_t index) const {
    using Elements = ElementsOf<Addresses>;
    _group.prefetch(_values_asked[_unit.begin + index], _arguments.dim * int{sizeof(typename Elements::Values)});
    if constexpr (rescored) _group.prefetch(key_row(index), _arguments.key_dim * int{sizeof(typename Elements::Keys)});
  }
  /// Where rows are asked for asynchronously: has drawn ones taken until at most `most` wait.
  template <class DrawnRows>
  KOKKOS_FORCEINLINE_FUNCTION void settle(DrawnRows& drawn, int most) {
    _tile.settle(drawn, most);
  }
  /// |value row - center|^2; a center of null is 0.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION float squared_distance(std::int32_t index, const float* center) const {
    return _tile.squared_distance(_values[_unit.begin + index], center,
                                  scale_of_row(_value_scale, _unit.begin + index));
  }
  KOKKOS_FORCEINLINE_FUNCTION void rescale(int head, float factor) { _tile.rescale(head, factor); }
  /// Writes the sums of all heads: to[head * head_stride + 0..dim). A scale of all values is put in here.
  KOKKOS_FORCEINLINE_FUNCTION void store_sums(float* to, int head_stride) const {
    if constexpr (is_one_scale<ValueScale>)
      _tile.store_sums(to, head_stride, _value_scale.scale);
    else
      _tile.store_sums(to, head_stride, 1.F);
  }
  /// What is to be said of the unit's rows, in bits of Statistics::Flag, by the groups of its team together.
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t flags() const {
    if constexpr (requires { _addresses.slots(0); })
      if (has_bad_page(_group, _unit, _addresses.slots(_unit.batch))) return Statistics::page_out_of_range;
    return 0;
  }

 private:
  /// What turns products into scores is made of.
  KOKKOS_FUNCTION static const auto& scales_of(const ScoredRows& scored, const KeyScale& key_scale) {
    if constexpr (scales_each_key)
      return key_scale;
    else
      return scored;
  }
  /// What is left to do of a tile's scores, in the order of products; returns how many of its rows are visible.
  template <class Scores>
  KOKKOS_FORCEINLINE_FUNCTION std::uint32_t finish_scores(std::int64_t first, Scores& scores) const {
    const auto offset = static_cast<float>(first - query_position());
    make_scores(scores, [&](float score, int head, int row) {
      return modified(_modifier, score, keys_of(head, offset + static_cast<float>(row)));
    });
    return hide_rows(_arguments, _unit, _whole, first, scores);
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::int64_t query_position() const { return _unit.length - 1; }
  /// Keys at these offsets from the last query, as a modifier sees them; of the last head for those beyond it.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION ScoredKeys<Float> keys_of(int head, const Float& offset) const {
    const std::int32_t own = head < _unit.heads ? head : _unit.heads - 1;
    const TokenRows& rows = _arguments.token_rows;
    if (rows.tokens == 1) return {_unit.batch, _unit.first_head + own, query_position(), offset};
    const auto [token, query_head] = _unit.place(_arguments, own);
    const std::int64_t position = rows.keys(token, rows.count(_unit.batch), _unit.length, every_key).position;
    return {_unit.batch, query_head, position, offset + Float(static_cast<float>(query_position() - position))};
  }

  const Group& _group;
  const Arguments& _arguments;
  const Addresses& _addresses;
  const Modifier& _modifier;
  Unit _unit;  // by value: a device keeps it in registers
  WholeTiles _whole;
  Tile _tile;
  ScoredRows _scored;
  ValueRows _values;  // three of them, as each keeps where it is on a host
  ValueRows _values_ahead;
  ValueRows _values_asked;
  KeyRows _keys;
  UnitAfter<Tile, ScoredRows> _coming;
  KeyScale _key_scale;
  ValueScale _value_scale;
  ScoreScales _scales;
};

}  // namespace santa::detail::inline SANTA_BUILD
