// Clusters and their plans: included by the files that compile those of one layout of rows.
#pragma once

#include "clusters.hpp"
#include "compiled.hpp"
#include <santa/clusters/clustered_cache.hpp>
#include <santa/core/check.hpp>

#include <concepts>
#include <string>
#include <type_traits>

namespace santa::python {

template <class Full>
class ClusterPlanOf final : public AnyClusterPlan {
  using Cache = ClusteredCache<Full, Memory>;
  using T = std::remove_const_t<typename Full::key_view::value_type>;

 public:
  ClusterPlanOf(const Space& space, const Clusters& method, const Array& query, const Cache& cache,
                const ClusterPlanOptions& options)
      : _plan(space, method, view_of<const float***>(query), cache, options) {}

  void run(const Space& space, const Step& step, const AnyCache& any, const ClusteredKeys<Memory>& keys,
           const ClusterRun& options) const override {
    const Cache cache(Full(static_cast<const typename Full::Arrays&>(any)), keys);
    if (step.query.type() == Type::float32) return run_with<float>(space, cache, step, options);
    if (step.query.type() == any.type()) return run_with<T>(space, cache, step, options);
    santa::detail::reject("query's dtype", name_of(step.query.type()),
                          std::string("float32 or ") + name_of(any.type()));
  }
  [[nodiscard]] const Shape& shape() const override { return _plan.shape(); }
  [[nodiscard]] std::size_t workspace_bytes() const override { return _plan.workspace_bytes(); }
  [[nodiscard]] std::string describe() const override { return _plan.describe(); }

 private:
  /// Outputs are float32, or of the query's type.
  template <class Query>
  void run_with(const Space& space, const Cache& cache, const Step& step, const ClusterRun& options) const {
    const auto query = view_of<const Query***>(step.query);
    if (step.out.type() == Type::float32) return _plan.run(space, query, cache, view_of<float***>(step.out), options);
    if constexpr (!std::same_as<Query, float>)
      if (step.out.type() == step.query.type())
        return _plan.run(space, query, cache, view_of<Query***>(step.out), options);
    santa::detail::reject("out's dtype", name_of(step.out.type()), "float32, or that of query");
  }

  ClusterPlan<Space, Cache> _plan;
};

/// What is not compiled of clusters of such rows.
template <class Full>
inline constexpr Missing missing_clusters = missing_of<Full, 2>({Full::kinds[0], "clusters"});

template <class Full>
void ClustersOf<Full>::cluster(const Space& space, const Full& full, const ClusteredKeys<Memory>& keys) {
  if constexpr (is_compiled(missing_clusters<Full>))
    santa::cluster_keys(space, santa::clustered(full, keys));
  else
    reject_uncompiled(missing_clusters<Full>);
}
template <class Full>
void ClustersOf<Full>::cluster_newest(const Space& space, const Full& full, const ClusteredKeys<Memory>& keys,
                                      const NewestClusters<Memory>& newest) {
  if constexpr (is_compiled(missing_clusters<Full>))
    newest.run(space, santa::clustered(full, keys));
  else
    reject_uncompiled(missing_clusters<Full>);
}
template <class Full>
std::unique_ptr<AnyClusterPlan> ClustersOf<Full>::make_plan(const Space& space, const Clusters& method,
                                                            const Array& query, const Full& full,
                                                            const ClusteredKeys<Memory>& keys,
                                                            const ClusterPlanOptions& options) {
  if constexpr (is_compiled(missing_clusters<Full>))
    return std::make_unique<ClusterPlanOf<Full>>(space, method, query, santa::clustered(full, keys), options);
  else
    reject_uncompiled(missing_clusters<Full>);
}

}  // namespace santa::python
