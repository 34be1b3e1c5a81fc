// Features of queries on their way to a warp.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>

#include <Kokkos_Core.hpp>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Features of a query head, loaded wherever they are asked for, so that nothing is waited for between them; what they
/// are in the row and in one of the heads, 0 elsewhere.
template <class Query>
struct QueryFeatures {
  const Query& query;
  int head, heads, dim;

  [[nodiscard]] __device__ bool present() const { return head < heads; }
  [[nodiscard]] __device__ __forceinline__ typename Query::Feature load(int feature) const {
    return query.load(present() ? head : 0, feature < dim ? feature : 0);
  }
  [[nodiscard]] __device__ __forceinline__ float value(const typename Query::Feature& loaded, int feature) const {
    return present() && feature < dim ? query.value(loaded) : 0.F;
  }
};

/// A lane's share of a query head.
template <class Group, class Query, int most_dim>
struct QueryRow {
  static constexpr int count = most_dim / Group::size;

  __device__ __forceinline__ QueryRow(const QueryFeatures<Query>& features) : _dim(features.dim) {
#pragma unroll
    for (int i = 0; i < count; ++i) _loaded[i] = features.load(i * Group::size + warp_lane());
  }
  template <class F>
  __device__ __forceinline__ void for_each(F&& f) const {
#pragma unroll
    for (int i = 0; i < count; ++i)
      if (i * Group::size + warp_lane() < _dim) f(_loaded[i]);
  }

 private:
  int _dim;
  typename Query::Feature _loaded[count];
};

/// Calls f(head, its QueryRow) for the group's share of the heads, and once, while the first is on its way,
/// `meanwhile()`.
template <class Group, int most_dim, class Query, class Meanwhile, class F>
__device__ __forceinline__ void for_own_heads(const Query& query, int heads, int dim, const Meanwhile& meanwhile,
                                              F&& f) {
#pragma unroll 1
  for (int head = Group::rank();; head += Group::groups_per_team) {
    const QueryRow<Group, Query, most_dim> row({query, head, heads, dim});
    if (head == Group::rank()) meanwhile();
    if (head >= heads) break;
    f(head, row);
  }
}

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
