// The extension module.
#include "caches.hpp"
#include "clusters.hpp"
#include "methods.hpp"
#include "plans.hpp"
#include "rows.hpp"
#include "session.hpp"
#include "tokens.hpp"
#include <santa/core/version.hpp>

#include <nanobind/nanobind.h>

NB_MODULE(_core, module) {
  module.doc() = "Decode attention that samples: what the package santa is made of.";
  module.attr("__version__") = SANTA_VERSION_STRING;
  santa::python::bind_session(module);
  santa::python::bind_methods(module);
  santa::python::bind_caches(module);
  santa::python::bind_plans(module);
  santa::python::bind_clusters(module);
  santa::python::bind_rows(module);
  santa::python::bind_thinning(module);
  santa::python::bind_tokens(module);
}
