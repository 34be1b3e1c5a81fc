// What steps over clusters carry from one to the next.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace santa {

/// What a ClusterPlan carries from one decode step to the next, for every (batch, head) of one layer: log2 of tau, of
/// delta, and of the masses M and A that they are relative to, and whether value codes are read. Any content is safe:
/// thresholds that fit badly cost bytes or variance, never bias.
///
/// The first run with a state that is new or was reset searches for both in rehearsals, that read means and codes and
/// no rows. Later runs don't, nor does a graph captured from one; a request whose numbers are not finite then, such as
/// one that joins the batch, has all its rows read once.
///
/// Made by default it is no state: a run with it searches for itself.
template <class MemorySpace>
class ClusterState {
 public:
  ClusterState() = default;
  /// Of a shape, batch and heads are looked at. Errors: std::invalid_argument: name, given, accepted; AllocationError.
  template <class Space>
  ClusterState(const Space& space, const Shape& shape) : _fresh(std::make_shared<bool>(true)) {
    detail::check_heads(shape);
    _all = detail::allocate<Arrays, detail::Fresh::unset>(space, "santa::cluster_state", std::int64_t{arrays},
                                                          shape.batch, shape.heads);
    reset(space);
    space.fence("santa::cluster_state");  // any instance of the space may use it
  }

  /// Forgets all steps.
  template <class Space>
  void reset(const Space& space) const {
    require_kept();
    lanes::require_launchable(space);
    if (!given()) return;
    Kokkos::deep_copy(space, _all, lanes::not_a_number);
    *_fresh = true;
  }
  /// Forgets those of one request, for another that takes its place. Neither fences nor allocates.
  /// Errors: std::invalid_argument for a request that is not below the batch.
  template <class Space>
  void reset(const Space& space, std::int64_t request) const {
    require_kept();
    lanes::require_launchable(space);
    detail::require(request >= 0 && request < batch(), "request", request,
                    "0 to less than the state's batch (" + std::to_string(batch()) + ")");
    for (std::size_t i = 0; i < arrays; ++i)
      Kokkos::deep_copy(space, Kokkos::subview(_all, i, static_cast<std::size_t>(request), Kokkos::ALL),
                        lanes::not_a_number);
  }

  [[nodiscard]] bool given() const { return _fresh != nullptr; }
  [[nodiscard]] bool is_fresh() const { return !given() || *_fresh; }
  void note_step() const {
    if (given()) *_fresh = false;
  }
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(_all.extent(1)); }
  [[nodiscard]] std::int64_t heads() const { return static_cast<std::int64_t>(_all.extent(2)); }
  /// Array n of six, [batch][heads]: log2 of tau and of delta (at the first of heads that draw together), of M, of A,
  /// of the clusters' part of M; how badly means predict masses (at the first again).
  [[nodiscard]] float* array(int n) const { return _all.data() + n * batch() * heads(); }
  /// Errors: std::invalid_argument if the state was moved from.
  void require_kept() const { _kept.require("state"); }

 private:
  static constexpr std::size_t arrays = 6;
  using Arrays = Kokkos::View<float***, Kokkos::LayoutRight, MemorySpace>;

  Arrays _all;
  std::shared_ptr<bool> _fresh;  // shared by copies, as the views are
  detail::Kept _kept;
};

}  // namespace santa
