// Tickets of plans and runs: what ranks have to agree on, and that their shards follow each other.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/ticket.hpp>
#include <santa/decode/methods.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/sample/row_budget.hpp>

#include <Kokkos_Core.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

inline std::uint64_t mixed_in(std::uint64_t ticket, double number) {
  return mixed(ticket, std::bit_cast<std::uint64_t>(number));
}

/// What a method was told.
template <class M>
std::uint64_t ticket_of_method(std::uint64_t ticket, const M& method) {
  for (const char letter : std::string_view(Recipe<M>::name)) ticket = mixed(ticket, static_cast<std::uint8_t>(letter));
  if constexpr (requires { method.samples; }) ticket = mixed(ticket, static_cast<std::uint64_t>(method.samples));
  if constexpr (requires { method.tile; }) ticket = mixed(ticket, static_cast<std::uint64_t>(method.tile));
  if constexpr (requires { method.rows; }) {
    ticket = mixed(mixed_in(ticket, method.rows.number), method.rows.is_share ? 1U : 0U);
    ticket = mixed(mixed_in(ticket, method.target_error), method.steered ? 1U : 0U);
    ticket = mixed(ticket, static_cast<std::uint64_t>(M::draws));
  }
  return ticket;
}

/// What plans of the shards of a whole have in common.
template <class M>
std::uint64_t ticket_of_plan(const Arguments& a, const M& method, std::int64_t parts, int ranks) {
  std::uint64_t ticket = ticket_of_method(std::uint64_t{0x53616E7461}, method);
  const std::int32_t kv_heads = a.kv_heads;
  const std::int64_t numbers[] = {a.heads,
                                  a.token_rows.tokens,
                                  a.token_rows.causal ? 1 : 0,
                                  kv_heads,
                                  a.key_dim,
                                  a.dim,
                                  a.shard.storage,
                                  a.window,
                                  parts,
                                  ranks};
  for (const std::int64_t number : numbers) ticket = mixed(ticket, static_cast<std::uint64_t>(number));
  return mixed_in(ticket, static_cast<double>(a.score_factor));
}

/// What the runs of a step have in common as far as the host knows it; kernels add what lies in device memory.
template <class Args, class Options>
std::uint64_t ticket_of_run(std::uint64_t plan, const Args& a, const Options& options, bool first_step) {
  std::uint64_t ticket = mixed(plan, static_cast<std::uint64_t>(a.batch));
  ticket = mixed(ticket, a.chance.stream);
  ticket = mixed(ticket, options.seed.where() != nullptr ? 1U : 0U);
  if (options.seed.where() == nullptr) ticket = mixed(ticket, options.seed.value("seed"));
  if (options.step.where() == nullptr) ticket = mixed(ticket, options.step.value("step"));
  std::uint32_t given = 0;
  const bool all[] = {first_step,
                      a.with_spread,
                      static_cast<bool>(a.center),
                      a.shard.lengths.data != nullptr,
                      options.requests.data() != nullptr,
                      options.budgets.data() != nullptr,
                      options.state.data() != nullptr};
  for (const bool what : all) given = 2 * given + (what ? 1U : 0U);
  return mixed(ticket, given);
}

/// Errors: std::invalid_argument where a shard cuts a tile that a method draws in.
inline void require_at_tile(std::int64_t first_row, std::int64_t tile) {
  require(first_row % tile == 0, "shard.first_row", first_row,
          "a multiple of the method's tile (" + std::to_string(tile) + ")");
}

/// Where a shard's rows lie.
struct ShardRange {
  std::int64_t first_row, rows, whole;
  std::uint64_t ticket;  // of the plan: not all communicators look at it
};

/// Errors: RankError on all ranks where one's rows do not begin where those of the rank before end, or the last do not
/// end with the whole. Fences.
template <class Space, class Ranks>
void require_shards_follow(const Space& space, const Ranks& ranks, const ShardRange& own) {
  using Table = Kokkos::View<ShardRange*, typename Space::memory_space>;
  const auto size = static_cast<std::size_t>(ranks.size());
  const Table table("santa::shards", size);
  const auto host = Kokkos::create_mirror_view(table);
  host(static_cast<std::size_t>(ranks.rank())) = own;
  Kokkos::deep_copy(space, table, host);
  ranks.all_gather(space, table.data(), sizeof(ShardRange), own.ticket);
  Kokkos::deep_copy(space, host, table);
  space.fence("santa::require_shards_follow");
  std::vector<Greeting> greetings;
  for (std::size_t rank = 0; rank < size; ++rank) greetings.push_back({sizeof(ShardRange), host(rank).ticket});
  require_agreement(greetings.data(), ranks.size());
  std::int64_t end = 0;
  const auto number = [](auto value) { return std::to_string(value); };
  for (std::size_t rank = 0; rank < size; ++rank) {
    if (host(rank).first_row != end || host(rank).whole != own.whole)
      throw RankError("rank " + number(rank) + "'s shard begins at row " + number(host(rank).first_row) + " of " +
                      number(host(rank).whole) + "; expected: " + number(end) + " of " + number(own.whole) +
                      ", where that of the rank before ends");
    end += host(rank).rows;
  }
  if (end != own.whole)
    throw RankError("the shards end at row " + number(end) + "; expected: " + number(own.whole) + ", the whole's end");
}

}  // namespace santa::detail::inline SANTA_BUILD
