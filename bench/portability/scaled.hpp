// A cache of one byte an element, in the portability benchmark. A source of its own, as narrow.cpp.
#pragma once

#include "report.hpp"

namespace santa_bench {

/// Adds Exact and MassUnit over e4m3 keys and values with a scale a kv head, as scenario `fp8-cache`, to the report:
/// (4, 32k), 32 heads on 8 kv heads of 128, the numbers of the bf16 caches rounded. Bytes are those that must be read;
/// the ceiling is that of reading as many as Exact; errors are against Exact over the same cache, speed-ups over Exact
/// on the bf16 caches in the same run.
void run_fp8_cache(const Kokkos::DefaultExecutionSpace& space, const Options& options, Report& report);

}  // namespace santa_bench
