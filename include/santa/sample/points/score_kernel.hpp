// The first pass of two-pass rules.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/group.hpp>
#include <santa/sample/points/stored_scores.hpp>
#include <santa/sample/points/tile_masses.hpp>
#include <santa/schedule/tiles.hpp>
#include <santa/schedule/units.hpp>
#include <santa/score/coming_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// First pass of a two-pass rule: scores (or the keys' masses) to memory, and the masses of tiles. The last unit of a
/// kv head turns these into prefixes, or, where groups are many, a kernel of its own. Reads: the keys. Writes: 4 bytes
/// a key and head, 16 bytes a tile and head.
template <class Context>
struct ScoreKernel : Context {
  using typename Context::Arguments;
  using typename Context::Group;
  using typename Context::Stage;
  using Float = typename Group::template Vector<float>;

  explicit ScoreKernel(const Context& context) : Context(context) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Group group(member);
    float* scratch = this->scratch(group, member);
    this->for_each_unit(group, member, scratch, [&](const Unit& unit) { score(group, unit, scratch); });
  }

 private:
  /// Whether scores are kept from where products leave them.
  static constexpr bool in_products = Context::Extents::scoring && requires { requires Stage::scores_alone; };

  KOKKOS_FORCEINLINE_FUNCTION void score(const Group& group, const Unit& unit, float* scratch) const {
    const Arguments& a = this->arguments;
    Stage stage = this->stage(group, scratch, unit);
    stage.take_queries([&] { ask_first_tile(group, stage, unit); });
    const StoredScores<Group> store(group, a, unit);
    if constexpr (in_products) {
      if (unit.begin < unit.end)
        stage.score_all([&](std::int64_t first, auto& scores) { keep_products(group, store, unit, first, scores); });
      return;
    } else {
      score_tiles(group, stage, store, unit);
    }
    if (a.sharded) return;  // the other shards' tiles are not known yet
    if constexpr (!lanes::Seam<typename Context::Space>::many_groups)
      this->when_all_arrived(group, unit, [&](const Unit& slice) {
        for (int head = 0; head < slice.heads; ++head) sum_tiles(group, a, slice, head);
      });
  }

  KOKKOS_FORCEINLINE_FUNCTION void score_tiles(const Group& group, Stage& stage, const StoredScores<Group>& store,
                                               const Unit& unit) const {
    NoDrawnRows none;
    Float score[Group::max_heads];
    for_each_tile(group, unit, [&](std::int64_t first) {
      const std::int64_t next = first + Group::groups_per_team * Group::size;
      stage.scores(first, 1, keys_of_tile<Group>(unit, first), score, next, keys_of_tile<Group>(unit, next), none,
                   unit.end);
      group.for_heads(unit.heads, [&](int head) { keep(group, store, unit, first, head, score[head]); });
    });
  }

  /// What is kept of keys: their scores, or masses where the second pass draws in runs and looks at no more; none of
  /// these in a tile that a NaN breaks.
  template <class Masses>
  KOKKOS_FORCEINLINE_FUNCTION static Float kept(const Arguments& a, const Unit& unit, const Float& score,
                                                const Masses& masses, bool broken) {
    if constexpr (Context::Extents::joint)
      if (a.samples < unit.visible()) return lanes::bit_cast<float>(broken ? Masses(0U) : masses);
    return score;
  }
  KOKKOS_FORCEINLINE_FUNCTION void keep(const Group& group, const StoredScores<Group>& store, const Unit& unit,
                                        std::int64_t first, int head, const Float& score) const {
    const Arguments& a = this->arguments;
    const float reference = tile_reference(group, score);
    const auto masses = key_masses<Group>(score, reference);
    const std::uint32_t mass = group.sum(masses);
    const bool broken = group.any(score != score);
    const std::int64_t at = unit.head_row(a, head) * a.tile_stride() + first / tile_keys;
    group.store(kept(a, unit, score, masses, broken), store.at(head, first));
    group.single([&] {
      a.tile_reference[at] = broken ? lanes::not_a_number : reference;
      a.tile_mass[at] = mass;
    });
  }

  /// The same of all heads' scores in the order of products.
  template <class Scores>
  KOKKOS_FORCEINLINE_FUNCTION void keep_products(const Group& group, const StoredScores<Group>& store, const Unit& unit,
                                                 std::int64_t first, Scores& scores) const {
    const Arguments& a = this->arguments;
    typename Scores::Heads reference, broken;
    typename Scores::Words mass;
    Scores::for_each_head([&](int b, int k) {
      reference[b][k] = empty_reference;
      broken[b][k] = 0.F;
      mass[b][k] = 0U;
    });
    scores.for_each([&](float score, int, int b, int, int k) {
      reference[b][k] = lanes::max(reference[b][k], score);
      broken[b][k] = score != score ? 1.F : broken[b][k];
    });
    bool any = false;
    Scores::for_each_head([&](int b, int k) {
      any = any || broken[b][k] > 0.F;
      reference[b][k] =
          lanes::ceil(Scores::over_lanes(reference[b][k], [](float x, float y) { return lanes::max(x, y); }));
    });
    if (group.any(any))
      Scores::for_each_head([&](int b, int k) {
        broken[b][k] = Scores::over_lanes(broken[b][k], [](float x, float y) { return lanes::max(x, y); });
      });
    float* of_head[Scores::blocks][2];
    Scores::for_each_head([&](int b, int k) { of_head[b][k] = store.at(Scores::head(b, k), first); });
    scores.for_each([&](float score, int half, int b, int r, int k) {
      const std::uint32_t own = key_masses<Group>(score, reference[b][k]);
      mass[b][k] += own;
      const float number = kept(a, unit, score, own, broken[b][k] > 0.F);
      if (Scores::head(b, k) < unit.heads) of_head[b][k][Scores::row(half, r)] = number;
    });
    Scores::for_each_head([&](int b, int k) {
      mass[b][k] = Scores::over_lanes(mass[b][k], [](std::uint32_t x, std::uint32_t y) { return x + y; });
      if (!Scores::writes() || Scores::head(b, k) >= unit.heads) return;
      const std::int64_t at = unit.head_row(a, Scores::head(b, k)) * a.tile_stride() + first / tile_keys;
      a.tile_reference[at] = broken[b][k] > 0.F ? lanes::not_a_number : reference[b][k];
      a.tile_mass[at] = mass[b][k];
    });
  }
};

/// Turns the masses of tiles into prefixes, one team a head. Reads: 8 bytes a tile and head; writes as many.
template <class Context>
struct PrefixKernel : Context {
  using Extents = lanes::Teams<8>;
  using Group = lanes::GroupOf<typename Context::Space, Extents>;

  explicit PrefixKernel(const Context& context) : Context(context) {}

  KOKKOS_FUNCTION static std::size_t scratch_floats(int /*heads*/, int /*dim*/) { return 4 * Group::groups_per_team; }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const auto& a = this->arguments;
    const Group group(member);
    for_head(a, member.league_rank(), [&](const Unit& unit, int head) {
      float* exchange = group.template scratch<float>(member, scratch_floats(1, a.dim));
      sum_tiles(group, a, unit, head, reinterpret_cast<std::uint64_t*>(exchange));
    });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
