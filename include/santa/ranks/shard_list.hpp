// The kernels by which shards of vectors of log-weights list the rows that they draw.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/head_state.hpp>
#include <santa/core/ticket.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/merge.hpp>
#include <santa/rows/list_kernel.hpp>
#include <santa/rows/log_weights.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What a shard's rows come to, of one vector.
struct ShardTotal {
  HeadState head;
  std::uint64_t ticket;  // what ranks have to agree on
  std::uint64_t none;    // up to 16 bytes
};

/// Notes the totals of a shard, one group a vector.
template <class Context>
struct TotalKernel : Context {
  using typename Context::Group;

  ShardTotal* own;  // [batch]

  TotalKernel(const Context& context, ShardTotal* to) : Context(context), own(to) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Group group(member);
    const Unit unit = whole_unit_of(a, member.league_rank());
    const HeadState total = merge_heads(group, states_of<false>(a, unit, 0));
    const StreamKey key = stream_key(a, unit);
    std::uint64_t ticket = mixed(mixed(a.shard.ticket, key.seed), std::uint64_t{key.step} << 32 | key.request);
    ticket = mixed(ticket, key.stream);
    group.single([&] { own[unit.batch] = {total, ticket, 0}; });
  }
};

/// Lists a unit's rows with weights relative to the whole; NaN where ranks were told other things.
template <class Context>
struct ShardListKernel : ListKernel<Context> {
  using typename ListKernel<Context>::Group;

  const ShardTotal* totals;  // [ranks][batch]
  int ranks;

  ShardListKernel(const Context& context, const ListPointers& to, const ShardTotal* of_ranks, int count)
      : ListKernel<Context>(context, to), totals(of_ranks), ranks(count) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Group group(member);
    const Unit unit = unit_of(a, member.league_rank());
    const ShardTotal* const first = totals + unit.batch;
    const std::int64_t stride = a.batch * std::int64_t{sizeof(ShardTotal) / sizeof(float)};
    HeadState total = merge_heads(group, SplitStates<false>{reinterpret_cast<const float*>(first), stride, ranks});
    for (int rank = 1; rank < ranks; ++rank)
      if (first[std::int64_t{rank} * a.batch].ticket != first->ticket) total.mass = lanes::not_a_number;
    this->write(group, unit, total, a.shard.first_row);
  }
};

/// The largest of each vector's log-weights here: [batch].
template <class Space>
void pack_largest(const Space& space, const double* largest, std::int32_t splits, std::int64_t batch, double* to) {
  Kokkos::parallel_for(
      "santa::pack_largest", Range<Space>(space, 0, batch), KOKKOS_LAMBDA(const std::int64_t b) {
        double most = least_log_weight;
        for (std::int32_t i = 0; i < splits; ++i) most = Kokkos::fmax(most, largest[b * splits + i]);
        to[b] = most;
      });
}
/// And of the whole, in the place of each unit's.
template <class Space>
void unpack_largest(const Space& space, const double* from, int ranks, std::int32_t splits, std::int64_t batch,
                    double* largest) {
  Kokkos::parallel_for(
      "santa::unpack_largest", Range<Space>(space, 0, batch), KOKKOS_LAMBDA(const std::int64_t b) {
        double most = least_log_weight;
        for (int rank = 0; rank < ranks; ++rank) most = Kokkos::fmax(most, from[rank * batch + b]);
        for (std::int32_t i = 0; i < splits; ++i) largest[b * splits + i] = most;
      });
}

}  // namespace santa::detail::inline SANTA_BUILD
