// Sampled clusters of keys, in the portability benchmark. A source of its own, as narrow.cpp.
#pragma once

#include "report.hpp"

namespace santa_bench {

/// Adds Exact, MassUnit and Clusters at 1/4, 1/8 and 1/12 of exact attention's bytes to the report, at 32 heads on 8 kv
/// heads of 128: scenario `clusters`. Each kv head's rows are of 256 kinds, whose centers have 4/5 of the variance;
/// score stage `clusters`, bytes by the kernels' own statistics. Prints what clustering and appending cost.
void run_clusters(const Kokkos::DefaultExecutionSpace& space, const Options& options, Report& report);

}  // namespace santa_bench
