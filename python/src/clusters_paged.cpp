// Clusters of caches in pages, of two bytes a feature.
#include "clusters_of.hpp"
#include "paged_cache.hpp"

template struct santa::python::ClustersOf<santa::python::PagedRowsOf<const santa::bfloat16>>;
template struct santa::python::ClustersOf<santa::python::PagedRowsOf<const santa::half>>;
