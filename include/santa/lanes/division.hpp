// How much work a plan has, and how an execution space cuts it.
#pragma once

#include <santa/core/least_keys.hpp>
#include <santa/core/shape.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace santa::lanes {

/// What a plan has to divide: rows of splits, each of up to `length` keys, for so many heads of so many features. Where
/// a rule draws in tiles of its own, splits are made of whole ones; `looks_ahead`: its groups need more scratch;
/// `narrow_keys`: kernels are the crowded ones; `takes_all`: they are the lean ones,
/// `draws_jointly`: the joint ones.
struct Work {
  std::int64_t rows = 1;
  int heads = 1;
  int dim = 0;
  std::int64_t length = 0;
  int tile = 0;
  bool looks_ahead = false;
  bool narrow_keys = false;
  bool takes_all = false;
  bool draws_jointly = false;
};

/// How the units of a plan are cut, and how many run at once.
struct Division {
  std::int64_t keys_per_split = 0;  // 0: the visible keys of a request are shared out evenly,
  std::int64_t splits = 1;
  int step = santa::detail::split_keys;  // in multiples of so many
  bool by_shares = false;                // or cut as where requests differ in length
};

/// However many states a slice has.
inline constexpr std::int32_t every_state = std::numeric_limits<std::int32_t>::max();

/// How the keys of one request are cut where requests differ in length: into so many splits at most, each of at least
/// so many keys.
struct Shares {
  std::int32_t parts = 1;
  santa::detail::LeastKeys least{1};
};

/// Shares of a device that holds so many teams at once: a long request by itself takes them all, and a full batch of
/// short ones has units long enough to pay for their beginning and their state; longer still where requests in one
/// piece are more than twice as many as teams.
inline Shares shares_of(std::int64_t teams, std::int64_t rows_of_request, std::int64_t batch) {
  constexpr std::int64_t long_units = 4, longest_units = 12;
  const std::int64_t rows = rows_of_request > 0 ? rows_of_request : 1;
  const std::int64_t at_once = teams > 0 ? teams : 1;
  const std::int64_t few = std::clamp<std::int64_t>(batch, 1, long_units);
  const std::int64_t steps = std::clamp<std::int64_t>(2 * batch * rows / at_once, few, longest_units);
  const std::int64_t parts = std::max<std::int64_t>(at_once / rows, 1);
  return {static_cast<std::int32_t>(parts), {static_cast<std::uint16_t>(steps)}};
}

}  // namespace santa::lanes
