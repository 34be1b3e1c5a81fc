// Clusters of contiguous caches of two bytes a feature.
#include "clusters_of.hpp"
#include "contiguous_cache.hpp"

template struct santa::python::ClustersOf<santa::python::ContiguousRowsOf<const santa::bfloat16>>;
template struct santa::python::ClustersOf<santa::python::ContiguousRowsOf<const santa::half>>;
