// Scores by some features of the keys, in the portability benchmark. A source of its own, as narrow.cpp.
#pragma once

#include "report.hpp"

namespace santa_bench {

/// Adds Exact and MassUnit on features that Bernoulli draws once, as they are and rescored, to the report. On a device
/// for up to 4 heads a kv head of up to 128 features.
void run_features(const Kokkos::DefaultExecutionSpace& space, const Caches<Kokkos::DefaultExecutionSpace>& caches,
                  const Measured& exact, const Options& options, Report& report);

}  // namespace santa_bench
