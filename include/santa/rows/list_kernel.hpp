// Puts the drawn rows of all units of a vector into one list.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/merge/merge.hpp>
#include <santa/merge/outputs.hpp>
#include <santa/rows/log_weights.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Where a list goes.
struct ListPointers {
  std::int64_t* rows;
  float* weights;
  float* spreads;  // may be null
  std::int64_t* count;
  std::int64_t capacity;
};

/// Copies each unit's rows behind those of the units before it, with weights relative to the whole sum. Reads and
/// writes: 12 bytes a drawn row, 16 with spreads. Order: by row.
template <class Context>
struct ListKernel : Context {
  using typename Context::Group;

  KOKKOS_FUNCTION ListKernel(const Context& context, const ListPointers& to) : Context(context), list(to) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Unit unit = this->unit(member.league_rank());
    const Group group(member);
    const SplitStates states = states_of(a, unit, 0);
    const HeadState total = merge_heads(group, states);
    const UnitCounts* counts = a.work.counts + unit.slice_row(a) * a.splits;
    const std::int64_t before = rows_before(group, counts, unit.split);
    const std::int64_t own = counts[unit.split].rows;
    const float factor = lanes::exp2(states.head(unit.split).reference - total.reference) / total.mass;
    const auto& from = this->addresses;
    const std::int32_t* index = from.index(unit.batch, unit.begin);
    const float* weight = from.weight(unit.batch, unit.begin);
    const float* spread = from.spread(unit.batch, unit.begin);
    const std::int64_t to = unit.batch * list.capacity + before;
    const std::int64_t room = list.capacity - before;
    group.for_each(static_cast<int>(own < room ? own : (room > 0 ? room : 0)), [&](int i) {
      list.rows[to + i] = unit.begin + index[i];
      list.weights[to + i] = weight[i] * factor;
      if (list.spreads != nullptr) list.spreads[to + i] = spread[i] * factor * factor;
    });
    if (unit.split == a.splits - 1) group.single([&] { list.count[unit.batch] = before + own; });
  }

  ListPointers list;

 private:
  /// A vector's rows are less than 2^36, those of 32 units less than 2^32: each has at most 2^26 rows.
  KOKKOS_FUNCTION static std::int64_t rows_before(const Group& group, const UnitCounts* counts, std::int32_t split) {
    constexpr std::int64_t stride = sizeof(UnitCounts) / sizeof(std::uint32_t);
    std::int64_t before = 0;
    for (std::int32_t first = 0; first < split; first += Group::size)
      before += group.sum(group.load_strided(&counts[first].rows, stride, split - first, std::uint32_t{0}));
    return before;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
