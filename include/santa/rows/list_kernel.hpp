// Puts the drawn rows of all units of a vector into one list.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/methods.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/merge.hpp>
#include <santa/merge/outputs.hpp>
#include <santa/rows/log_weights.hpp>
#include <santa/schedule/units.hpp>

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
  std::int64_t stride[3];    // from vector to vector, of rows, weights, spreads
  float* log_sum = nullptr;  // either may be null
  double* double_log_sum = nullptr;
};

/// Copies each unit's rows behind those of the units before it, with weights relative to the whole sum. Reads and
/// writes: 12 bytes a drawn row, 16 with spreads. Order: by row.
template <class Context>
struct ListKernel : Context {
  using typename Context::Group;

  KOKKOS_FUNCTION ListKernel(const Context& context, const ListPointers& to) : Context(context), list(to) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Unit unit = unit_of(this->arguments, member.league_rank());
    const Group group(member);
    write(group, unit, merge_heads(group, states_of<false>(this->arguments, unit, 0)), 0);
  }

  ListPointers list;

 protected:
  /// Of a vector whose weights are `total`; rows are counted from `first_row` on.
  KOKKOS_FUNCTION void write(const Group& group, const Unit& unit, const HeadState& total,
                             std::int64_t first_row) const {
    const Arguments& a = this->arguments;
    const auto states = states_of<false>(a, unit, 0);
    const UnitCounts* counts = a.counts + states_of_slice(a, unit).first;
    const std::int64_t before = rows_before(group, counts, unit.split);
    const std::int64_t own = counts[unit.split].rows;
    const float factor = lanes::exp2(states.head(unit.split).reference - total.reference) / total.mass;
    const auto& from = this->stages.from;
    const std::int32_t* index = from.index(unit.batch, unit.begin);
    const float* weight = from.weight(unit.batch, unit.begin);
    const float* spread = from.spread(unit.batch, unit.begin);
    std::int64_t* const rows = list.rows + unit.batch * list.stride[0] + before;
    float* const weights = list.weights + unit.batch * list.stride[1] + before;
    float* const spreads = list.spreads != nullptr ? list.spreads + unit.batch * list.stride[2] + before : nullptr;
    const std::int64_t room = list.capacity - before;
    group.for_each(static_cast<int>(own < room ? own : (room > 0 ? room : 0)), [&](int i) {
      rows[i] = unit.begin - first_row + index[i];
      weights[i] = weight[i] * factor;
      if (spreads != nullptr) spreads[i] = spread[i] * factor * factor;
    });
    if (unit.split != states.count - 1) return;
    const double log_sum = from.offset(group, unit.batch) + log_of(total);
    group.single([&] {
      list.count[unit.batch] = before + own;
      if (list.log_sum != nullptr) list.log_sum[unit.batch] = static_cast<float>(log_sum);
      if (list.double_log_sum != nullptr) list.double_log_sum[unit.batch] = log_sum;
    });
  }

 private:
  /// The natural logarithm of a sum of weights.
  KOKKOS_FUNCTION static double log_of(const HeadState& total) {
    return 0.69314718055994530942 *
           (static_cast<double>(total.mass_reference) + static_cast<double>(lanes::log2(total.mass)));
  }

  /// A vector's rows are less than 2^36, those of 32 units less than 2^32: each has at most 2^26 rows.
  KOKKOS_FUNCTION static std::int64_t rows_before(const Group& group, const UnitCounts* counts, std::int32_t split) {
    constexpr std::int64_t stride = sizeof(UnitCounts) / sizeof(std::uint32_t);
    std::int64_t before = 0;
    for (std::int32_t first = 0; first < split; first += Group::size)
      before += group.sum(group.load_strided(&counts[first].rows, stride, split - first, std::uint32_t{0}));
    return before;
  }
};

/// Draws a batch's lists: on an execution space's teams, or one by a thread in their place.
template <class M, class Teams, class Context>
void draw_lists(const Teams& teams, const Context& context, const ListPointers& list) {
  const std::int64_t units = all_units(context.arguments);
  if constexpr (decltype(context.stages)::of_doubles)
    launch("santa::largest", teams, units, LargestKernel<Context>(context));
  Recipe<M>::run(teams, context, true);
  launch("santa::list", teams, units, ListKernel<Context>(context, list));
}

}  // namespace santa::detail::inline SANTA_BUILD
