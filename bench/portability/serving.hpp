// What an engine's steps have besides one token a request, in the portability benchmark. A source of its own, as
// narrow.cpp.
#pragma once

#include "report.hpp"

namespace santa_bench {

/// Adds Exact and MassUnit at 32 heads on 8 kv heads of 128 to the report: `tokens-4`, four tokens of each of 4
/// requests of 32k keys; `paged-16`, one token on the same keys in pages of 16 rows in any order; `prefix-16`, 16
/// requests of 1k keys each behind a prefix of 32k that all share, beside Exact on 16 whole caches ("exact-apart").
/// Bytes are those that must be read: of a prefix, once. `name`: one of these, or all of them.
void run_serving(const Kokkos::DefaultExecutionSpace& space, const std::string& name, const Options& options,
                 Report& report);

}  // namespace santa_bench
