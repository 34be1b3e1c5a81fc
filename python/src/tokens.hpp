// Tokens sampled from a language-model head.
#pragma once

#include <nanobind/nanobind.h>

namespace santa::python {

void bind_tokens(nanobind::module_& module);

}  // namespace santa::python
