// The study: every method at the default's rows, on every head of every capture.
#pragma once

#include "accuracy/cases.hpp"
#include "accuracy/options.hpp"
#include "decode/progress.hpp"

namespace santa::accuracy {

/// Errors: UserError for captures that can't be used; std::invalid_argument from the library.
Cases run_study(const Options& options, example::Progress& progress);

}  // namespace santa::accuracy
