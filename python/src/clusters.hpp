// Clusters of a cache's keys, and plans that draw them.
#pragma once

#include "arrays.hpp"
#include "caches.hpp"
#include "session.hpp"
#include <santa/clusters/cluster_keys.hpp>
#include <santa/clusters/clustered_keys.hpp>
#include <santa/clusters/method.hpp>
#include <santa/clusters/plan.hpp>

#include <nanobind/nanobind.h>

#include <cstddef>
#include <memory>
#include <string>

namespace santa::python {

using ClusterRun = ClusterRunOptions<Memory>;

/// A ClusterPlan for one kind of cache.
class AnyClusterPlan : OwnsMemory {
 public:
  virtual ~AnyClusterPlan() = default;
  virtual void run(const Space& space, const Step& step, const AnyCache& cache, const ClusteredKeys<Memory>& keys,
                   const ClusterRun& options) const = 0;
  [[nodiscard]] virtual const Shape& shape() const = 0;
  [[nodiscard]] virtual std::size_t workspace_bytes() const = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// What is compiled for each kind of cache, in a file of its own (clusters_*.cpp).
template <class Full>
struct ClustersOf {
  static void cluster(const Space& space, const Full& full, const ClusteredKeys<Memory>& keys);
  static void cluster_newest(const Space& space, const Full& full, const ClusteredKeys<Memory>& keys,
                             const NewestClusters<Memory>& newest);
  static std::unique_ptr<AnyClusterPlan> make_plan(const Space& space, const Clusters& method, const Array& query,
                                                   const Full& full, const ClusteredKeys<Memory>& keys,
                                                   const ClusterPlanOptions& options);
};

void bind_clusters(nb::module_& module);

}  // namespace santa::python
