// How much work a plan has, and how an execution space cuts it.
#pragma once

#include <santa/core/shape.hpp>

#include <cstdint>

namespace santa::lanes {

/// What a plan has to divide: rows of splits, each of up to `length` keys, for so many heads of so many features. Where
/// a rule draws in tiles of its own, splits are made of whole ones; `looks_ahead`: its groups need more scratch;
/// `narrow_keys`: kernels are the crowded ones.
struct Work {
  std::int64_t rows = 1;
  int heads = 1;
  int dim = 0;
  std::int64_t length = 0;
  int tile = 0;
  bool looks_ahead = false;
  bool narrow_keys = false;
};

/// How the units of a plan are cut, and how many run at once.
struct Division {
  std::int64_t keys_per_split = 0;  // 0: the visible keys of a request are shared out evenly,
  std::int64_t splits = 1;
  int step = santa::detail::split_keys;  // in multiples of so many
};

}  // namespace santa::lanes
