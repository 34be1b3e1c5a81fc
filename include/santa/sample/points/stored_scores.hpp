// Scores that an earlier pass wrote.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Scores that an earlier pass wrote, [head][key] by lane group.
template <class Group>
class StoredScores {
  using Float = typename Group::template Vector<float>;

 public:
  KOKKOS_FUNCTION StoredScores(const Group& group, const PointArguments& arguments, const Unit& unit)
      : _group(group),
        _first(arguments.scores + unit.head_row(arguments, 0) * arguments.tiles * tile_keys),
        _stride(arguments.tiles * tile_keys),
        _heads(unit.heads) {}

  KOKKOS_FUNCTION static void ask(std::int64_t /*first*/, std::int64_t /*step*/, int /*count*/) {}

  template <class DrawnRows>
  KOKKOS_FORCEINLINE_FUNCTION void scores(std::int64_t first, std::int64_t /*step*/, int /*count*/, Float* score,
                                          std::int64_t next, int next_count, DrawnRows& drawn,
                                          std::int64_t /*end*/ = 0) {
    drawn.make_room();
    if constexpr (Group::groups_per_team == 1) {
      load(first, score);
    } else {
      // The next tile's are on their way while this one's are used.
      if (!_loaded) load(first, _ahead);
      _group.for_all_heads(_heads, [&](int head) { score[head] = _ahead[head]; });
      _loaded = next_count > 0;
      if (_loaded) load(next, _ahead);
    }
  }

  /// Where the scores of a tile are kept: whole tiles, so that lanes without a key are written too.
  [[nodiscard]] KOKKOS_FUNCTION float* at(int head, std::int64_t key) const { return _first + head * _stride + key; }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void load(std::int64_t first, Float* score) const {
    _group.for_all_heads(_heads, [&](int head) {
      score[head] = head < _heads ? _group.load(at(head, first)) : Float(-lanes::infinity);
    });
  }

  const Group& _group;
  float* _first;
  std::int64_t _stride;
  int _heads;
  bool _loaded = false;
  Float _ahead[Group::max_heads];
};

}  // namespace santa::detail::inline SANTA_BUILD
