// Batches of requests that differ in length, in the portability benchmark. A source of its own, as narrow.cpp.
#pragma once

#include "report.hpp"

namespace santa_bench {

/// Adds Exact and MassUnit on ragged batches of 32 heads on 8 kv heads of 128 to the report: `ragged-log`, 16 requests
/// of lengths log-uniform in 1k to 64k, the mean of 3 draws; `ragged-one`, one of 128k among 63 of 1k; `ragged-short`,
/// 256 uniform in 512 to 4k. Their storage is 128k keys a request, of ragged-short 4k. The ceiling is that of reading
/// as many bytes as Exact reads; and `fp8-cache`: see scaled.hpp. One schedule is made for `layers_of_schedule` runs,
/// and timed with them.
void run_scenarios(const Kokkos::DefaultExecutionSpace& space, const Options& options, Report& report);

}  // namespace santa_bench
