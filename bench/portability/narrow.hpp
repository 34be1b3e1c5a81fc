// Scores by narrow keys, in the portability benchmark. A source of its own: its kernels take long to compile.
#pragma once

#include "report.hpp"

namespace santa_bench {

/// Adds Exact and MassUnit on int8, fp8 and int4 keys, as they are and rescored, to the report. On a device for up to 4
/// heads a kv head of up to 128 features.
void run_narrow(const Kokkos::DefaultExecutionSpace& space, const Caches<Kokkos::DefaultExecutionSpace>& caches,
                const Measured& exact, const Options& options, Report& report);

}  // namespace santa_bench
