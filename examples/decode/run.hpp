// The program, apart from starting Kokkos.
#pragma once

#include "decode/options.hpp"
#include "decode/report.hpp"

namespace santa::example {

/// Reads or makes the data, measures, writes `--output` and `--svg`. Errors: UserError, std::invalid_argument from the
/// library.
Report run(const Options& options);

}  // namespace santa::example
