// How a request's keys are cut by its own length alone.
#pragma once

#include <santa/core/balance.hpp>
#include <santa/core/build.hpp>
#include <santa/core/least_keys.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The rule, fixed when a plan or a schedule is made. Splits have whole steps of split_keys keys and begin at such, so
/// that all tiles that rules draw in are whole.
struct Cut {
  std::int64_t keys_per_split = 0;  // of every request's; 0:
  std::int32_t parts = 1;           // so many splits a request at most,
  LeastKeys least{1};               // of at least so many keys
  std::int32_t most_merged = 0;     // states of a slice that its last unit merges; more have a kernel of their own
  std::int64_t window = every_key;  // of the last keys, which are visible

  bool operator==(const Cut&) const = default;

  /// Splits of a request of so many keys, without `before`.
  [[nodiscard]] KOKKOS_FUNCTION RequestSplits of(std::int64_t length) const {
    const std::int64_t start = length > window ? length - window : 0;
    const std::int64_t unit = keys_per_split > 0 ? keys_per_split : split_keys;
    const std::int64_t origin = start / unit * unit;
    const std::int64_t keys = keys_per_split > 0 ? keys_per_split : keys_of(length - origin);
    const std::int64_t count = (length - origin + keys - 1) / keys;
    return {0, static_cast<std::int32_t>(count > 0 ? count : 1), static_cast<std::int32_t>(keys / split_keys),
            static_cast<std::int32_t>(origin / split_keys)};
  }
  /// Of a request of up to so many keys, at most.
  [[nodiscard]] std::int64_t most(std::int64_t length) const {
    const std::int64_t unit = keys_per_split > 0 ? keys_per_split : split_keys;
    const std::int64_t cut =
        length - unit > window ? window + unit : length;  // from the unit that the window begins in
    const auto splits = [](std::int64_t keys, std::int64_t each) { return (keys + each - 1) / each; };
    if (keys_per_split > 0) return splits(cut, keys_per_split) > 1 ? splits(cut, keys_per_split) : 1;
    // The longest request whose splits are the short ones may have more of them than the longest of all.
    const std::int64_t shorter = cut < least.long_from() ? cut : least.long_from();
    const std::int64_t own = splits(cut, least.of(cut)), others = splits(shorter, least.of(shorter));
    const std::int64_t all = own > others ? own : others;
    return all > parts ? parts : all > 1 ? all : 1;
  }

 private:
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t keys_of(std::int64_t keys) const {
    const std::int64_t share = (keys + parts - 1) / parts;
    const std::int64_t whole = (share + split_keys - 1) / split_keys * split_keys;
    const std::int64_t own = least.of(keys);
    return whole > own ? whole : own;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
