// The kernel that keeps a head's whole state, in the place of one that writes its outputs.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/ticket.hpp>
#include <santa/decode/merge_kernel.hpp>
#include <santa/merge/attention_states.hpp>
#include <santa/merge/merge.hpp>
#include <santa/merge/outputs.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What a request's ranks have to agree on: what they were told, their random numbers, its length. 0 where what is here
/// of it contradicts that.
KOKKOS_INLINE_FUNCTION std::uint64_t ticket_of(const Arguments& a, const Unit& unit) {
  if (contradicts_whole(a, unit.batch, unit.length)) return 0;
  const StreamKey key = stream_key(a, unit);
  std::uint64_t ticket = mixed(a.shard.ticket, key.seed);
  ticket = mixed(ticket, std::uint64_t{key.step} << 32 | key.request);
  ticket = mixed(ticket, std::uint64_t{key.stream} << 48 | static_cast<std::uint64_t>(unit.length));
  return ticket != 0 ? ticket : 1;
}

/// Merges the states of a head's splits into a part of AttentionStates, one team a head. What a step carries, and the
/// outputs that there is a place for, are written as by MergeKernel. So that parts of all methods merge alike, what a
/// method does to a whole result is done to the part: states of rows that were scored again have the mass of the rows
/// read, and draws of equal weight have their own mean taken off the bar. Of a shard, the whole is what that is done
/// to: its part is left as it is, with a ticket that says of what run it is.
template <class Context, bool apart>
struct PartKernel : MergeKernel<Context, apart> {
  using Merge = MergeKernel<Context, apart>;
  using typename Merge::Arguments;
  using typename Merge::Group;

  float* part;  // [batch][heads][part_floats]

  PartKernel(const Context& context, float* to) : Merge(context), part(to) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Group group(member);
    float* states = group.template scratch<float>(member, this->scratch_floats(1, a.dim));
    for_head(a, member.league_rank(), [&](const Unit& unit, int head) {
      this->merge(
          group, unit, head, states, [] {},
          [&](const HeadState& merged, const auto& sums, const float* out, const HeadSample& sample) {
            const std::int64_t row = row_of(unit, head);
            if (row < 0) return;
            float* to = part + row * part_floats(a.dim);
            store_sums(group, a.dim, sums, to + head_state_floats);
            group.single([&] {
              *reinterpret_cast<HeadState*>(to) = merged;
              finish(unit, head, out, sample, to);
            });
          });
    });
  }

 private:
  /// Where a head's state goes: of requests that share the keys, to that of its own; none beyond their last.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t row_of(const Unit& unit, int head) const {
    const Arguments& a = this->arguments;
    const SharedRequests& shared = a.token_rows.shared;
    if (!shared.given()) return unit.head_row(a, head);
    const auto [token, query_head] = unit.place(a, head);
    if (token >= a.token_rows.count(unit.batch)) return -1;
    const auto sharing = static_cast<std::int32_t>(shared.tokens.quotient(static_cast<std::uint32_t>(token)));
    const std::int32_t group = a.token_rows.group;
    const std::int64_t request = std::int64_t{shared.first(unit.batch)} + sharing;
    const std::int32_t own = token - sharing * shared.tokens;
    const std::int32_t of_kv_head = own * group + query_head - unit.kv_head * group;
    return (request * a.kv_heads + unit.kv_head) * group * shared.tokens + of_kv_head;
  }
  KOKKOS_FUNCTION void finish(const Unit& unit, int head, const float* out, const HeadSample& sample, float* to) const {
    const Arguments& a = this->arguments;
    HeadState& state = *reinterpret_cast<HeadState*>(to);
    if constexpr (apart)
      if (!a.sharded) normalise_by_rows_read(state);
    if (a.with_spread && a.equal_draws > 0 && !a.sharded) {
      const float* center = a.center ? &a.center(unit.batch, unit.kv_head) : nullptr;
      state.variance = squared_error_bar<apart>(a, state, 0.F, center, out) * (state.mass * state.mass);
    }
    Statistics& counts = statistics_of_part(to, a.dim);
    counts = head == 0 ? counts_of_slice(a, unit) : Statistics{};
    if (a.with_spread) counts.flags |= sample.flags;  // without bars nothing says what the whole lacks
    if (!a.sharded) return;
    counts.flags &= ~std::uint32_t{Statistics::length_clamped};  // that would be of the whole's length
    ticket_of_part(to, a.dim) = ticket_of(a, unit);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
