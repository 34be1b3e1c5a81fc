// What santa-generate does once its options are read and Kokkos runs.
#pragma once

#include "generate/options.hpp"

#include <ostream>

namespace santa::example {

/// Errors: UserError for what the user can mend, std::invalid_argument from the library.
void run_generate(const GenerateOptions& options, std::ostream& to);

}  // namespace santa::example
