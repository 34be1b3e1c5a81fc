// Which keys of a tile the tokens of a step see.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/core/token_rows.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Of keys first, first + step, ... (`count` of them), those below `key`.
KOKKOS_FORCEINLINE_FUNCTION int keys_below(std::int64_t key, std::int64_t first, std::int64_t step, int count) {
  if (key <= first) return 0;
  const std::int64_t below = (key - first + step - 1) / step;
  return below < count ? static_cast<int>(below) : count;
}

/// The last of the keys that all tokens of a request see, by their order alone: of a chain, the first token's own key;
/// of a tree, in which a token may not see that one, the key before it.
KOKKOS_FORCEINLINE_FUNCTION std::int64_t newest_of_all(const TokenRows& rows, std::int64_t length, std::int32_t count) {
  return length - count - (rows.trees != nullptr ? 1 : 0);
}

/// The keys of a tile that the tokens of a unit's request see, each its own: a bit for each lane, in the order of keys.
class TokenMask {
 public:
  KOKKOS_FORCEINLINE_FUNCTION TokenMask(const Arguments& a, const Unit& unit, std::int64_t first, std::int64_t step,
                                        int count)
      : _arguments(a),
        _unit(unit),
        _first(first),
        _step(step),
        _lanes(count),
        _tokens(a.token_rows.count(unit.batch)) {}

  /// Whether a token does not see all of the tile's keys that another sees.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION bool hides() const {
    const TokenRows& rows = _arguments.token_rows;
    if (_tokens < rows.tokens) return true;
    if (!rows.causal) return false;
    const std::int64_t newest = newest_of_all(rows, _unit.length, _tokens);
    const std::int64_t oldest = first_in_window(_unit.length, _arguments.window);
    return _first + _step * (_lanes - 1) > newest || _first < oldest;
  }

  /// Of one head.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::uint32_t of(int head) const {
    const TokenRows& rows = _arguments.token_rows;
    const std::int32_t token = _unit.place(_arguments, head < _unit.heads ? head : 0).token;
    const TokenRows::Keys keys = rows.keys(token, _tokens, _unit.length, _arguments.window);
    std::uint32_t bits = between(keys.begin, keys.end);
    if (rows.trees != nullptr) bits &= ~hidden_by_tree(token);
    return bits;
  }

  /// Keys from `begin` to `end` - 1.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::uint32_t between(std::int64_t begin, std::int64_t end) const {
    return bits_below(below(end)) & ~bits_below(below(begin));
  }

 private:
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION int below(std::int64_t key) const {
    return keys_below(key, _first, _step, _lanes);
  }
  KOKKOS_FORCEINLINE_FUNCTION static std::uint32_t bits_below(int lane) {
    return lane < 32 ? (std::uint32_t{1} << lane) - 1U : ~std::uint32_t{0};
  }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t hidden_by_tree(std::int32_t token) const {
    const std::uint32_t seen = _arguments.token_rows.tree(_unit.batch, token);
    const std::int64_t own = _unit.length - _tokens;  // the key of token 0
    std::uint32_t hidden = 0;
    SANTA_UNROLL(1)
    for (std::int32_t i = 0; i < _tokens; ++i) {
      const std::uint32_t lanes = bits_below(below(own + i + 1)) & ~bits_below(below(own + i));
      if (((seen >> i) & 1U) == 0) hidden |= lanes;
    }
    return hidden;
  }

  const Arguments& _arguments;
  const Unit& _unit;
  std::int64_t _first, _step;
  int _lanes;
  std::int32_t _tokens;
};

/// Hides from each head the keys that its token does not see.
template <class Group, class Float>
KOKKOS_FORCEINLINE_FUNCTION void hide_from_tokens(const Group& group, const Unit& unit, const TokenMask& mask,
                                                  Float* score) {
  using Int = typename Group::template Vector<std::int32_t>;
  const Int lane = group.lane();
  group.for_all_heads(unit.heads, [&](int head) {
    const Int bits(static_cast<std::int32_t>(mask.of(head)));
    score[head] = lanes::select(((bits >> lane) & Int(1)) != Int(0), score[head], Float(-lanes::infinity));
  });
}

/// Makes scores of a tile's products: score_of(product, head, row). `Scores`: ProductScores.
template <class Scores, class ScoreOf>
KOKKOS_FORCEINLINE_FUNCTION void make_scores(Scores& scores, const ScoreOf& score_of) {
  scores.for_each([&](float& score, int half, int b, int r, int k) {
    const float value = score_of(score, Scores::head(b, k), Scores::row(half, r));
    score = value >= lanes::infinity ? lanes::not_a_number : value;
  });
}

/// The tiles of a unit of which all rows are visible to all heads: those from `from` on that end at `to` or before.
struct WholeTiles {
  std::int64_t from, to;

  KOKKOS_FUNCTION WholeTiles(const Arguments& a, const Unit& unit) : from(unit.start), to(unit.end) {
    const TokenRows& rows = a.token_rows;
    if (!rows.differ()) return;
    const std::int32_t tokens = rows.count(unit.batch);
    if (tokens < rows.tokens) to = from;  // some see nothing
    if (!rows.causal) return;
    const std::int64_t oldest = first_in_window(unit.length, a.window);
    const std::int64_t newest = newest_of_all(rows, unit.length, tokens);
    from = from > oldest ? from : oldest;
    to = to < newest + 1 ? to : newest + 1;
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION bool has(std::int64_t first) const {
    return first >= from && first + tile_keys <= to;
  }
};

/// Hides what is not visible of such scores, of the tile that begins at `first`; returns how many of its rows are.
template <class Scores>
KOKKOS_FORCEINLINE_FUNCTION std::uint32_t hide_rows(const Arguments& a, const Unit& unit, const WholeTiles& whole,
                                                    std::int64_t first, Scores& scores) {
  if (whole.has(first)) return tile_keys;
  const TokenMask mask(a, unit, first, 1, tile_keys);
  const bool by_token = a.token_rows.differ() && mask.hides();
  const std::uint32_t visible = mask.between(unit.start, unit.end);
  typename Scores::Words of_heads;
  Scores::share(by_token ? visible & mask.of(Scores::own_head()) : visible, of_heads);
  scores.for_each([&](float& score, int half, int b, int r, int k) {
    score = ((of_heads[b][k] >> Scores::row(half, r)) & 1U) != 0 ? score : -lanes::infinity;
  });
  return static_cast<std::uint32_t>(Kokkos::popcount(visible));
}

}  // namespace santa::detail::inline SANTA_BUILD
