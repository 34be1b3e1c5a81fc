// What MassUnit carries from one decode step to the next.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/fill.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/arguments.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace santa {

template <class MemorySpace>
class ModelBudget;

/// What MassUnit carries from one decode step to the next, for every (batch, token, head) of one layer: log2 of delta
/// relative to the softmax sum, and that sum; where steps are steered, log2 of the delta by the panel (256 keys that a
/// step scores before it draws); for MassUnit.target_error, what a spread of weights costs in error. The next step's
/// delta is this one's, if steered moved by as much as the panel's has moved. Any content is safe: a delta that fits
/// badly costs rows or variance, never bias.
///
/// The first run with a state that is new or was reset has kernels more, which choose delta from a larger subset of the
/// keys wherever the state holds no finite number. Later runs don't, nor does a graph captured from one. A request
/// whose row holds no finite number then, such as one that joins the batch, has its delta by the panel alone if
/// steered, else all its rows read once. Nothing here is read back by the host.
///
/// Made by default it is no state: it has no requests, and a run with it carries nothing.
template <class MemorySpace>
struct DecodeState {
  using View = Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace>;

  // [batch, heads of all tokens], parts of one array; heads in the order of AttentionStates.
  View log_ratio;
  View log2_sum;  // of the softmax sum
  View panel;
  View error_scale;  // what a spread of weights costs in error; -infinity: nothing

  DecodeState() = default;
  /// Of a shape, batch, heads and tokens are looked at. Errors: std::invalid_argument: name, given, accepted;
  /// AllocationError.
  template <class Space>
  DecodeState(const Space& space, const Shape& shape)
      : DecodeState(make(space, "santa::state", shape), make(space, "santa::state::spare", shape)) {
    reset(space);
    space.fence("santa::state");  // any instance of the space may use it
  }

  /// Forgets all steps.
  template <class Space, class Build = lanes::Build>
  void reset(const Space& space) const {
    require_usable(space);
    if (_fresh == nullptr) return;
    detail::fill_floats(space, _all.data(), static_cast<std::int64_t>(_all.size()), lanes::not_a_number);
    *_fresh = true;
  }

  /// Forgets those of one request, for another that takes its place. Neither fences nor allocates.
  /// Errors: std::invalid_argument for a request that is not below the batch.
  template <class Space, class Build = lanes::Build>
  void reset(const Space& space, std::int64_t request) const {
    require_usable(space);
    const auto batch = static_cast<std::int64_t>(_all.extent(1));
    const bool within = request >= 0 && request < batch;
    detail::require(within, "request", request,
                    batch > 0 ? "0 to " + std::to_string(batch - 1) : "none: the state has no requests");
    const auto heads = static_cast<std::int64_t>(_all.extent(2));
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(_all.extent(0)); ++i)
      detail::fill_floats(space, _all.data() + (i * batch + request) * heads, heads, lanes::not_a_number);
  }

  /// Moves what is carried along with requests that change places: request b gets what order(b) had. A place may be
  /// named by several or by none; where order(b) is none (negative, say) nothing is carried for b. Neither fences nor
  /// allocates, and can be captured; `order` is read when the kernels run.
  /// Shapes: order [batch].
  /// Errors: std::invalid_argument for another extent.
  template <class Space, class Build = lanes::Build>
  void permute(const Space& space, const Kokkos::View<const std::int32_t*, MemorySpace>& order) const {
    require_usable(space);
    detail::require(order.extent(0) == _all.extent(1), "order.extent(0)", static_cast<std::int64_t>(order.extent(0)),
                    "the state's batch (" + std::to_string(_all.extent(1)) + ")");
    if (order.extent(0) == 0) return;
    detail::require_pointer(order.data(), "order.data()");
    const auto to = _spare;
    const auto from = _all;
    const auto batch = static_cast<std::int64_t>(_all.extent(1));
    const auto heads = static_cast<std::int64_t>(_all.extent(2));
    Kokkos::parallel_for(
        "santa::state::permute",
        detail::Range<Space>(space, 0, static_cast<std::int64_t>(_all.extent(0)) * batch * heads),
        KOKKOS_LAMBDA(const std::int64_t i) {
          const std::int64_t array = i / (batch * heads);
          const std::int64_t source = order(i / heads % batch);
          const bool given = source >= 0 && source < batch;
          to.data()[i] = given ? from(array, source, i % heads) : lanes::not_a_number;
        });
    Kokkos::deep_copy(space, _all, _spare);
  }

  /// Whether no run has used the state since it was made or reset; true of one without views.
  [[nodiscard]] bool is_fresh() const { return _fresh == nullptr || *_fresh; }
  /// Notes that a run has used it.
  void note_step() const {
    if (_fresh != nullptr) *_fresh = false;
  }

  /// Whether a ModelBudget says what delta / Z is; else each step corrects its own.
  [[nodiscard]] bool has_common_ratio() const { return _model.given(); }
  /// For kernels: where a ModelBudget counts rows.
  [[nodiscard]] const detail::ModelRows& model_rows() const { return _model; }
  /// All arrays, [array, batch, heads], contiguous; null without views.
  [[nodiscard]] float* data() const { return _all.data(); }
  /// Elements from one array to the next.
  [[nodiscard]] std::int64_t stride() const { return static_cast<std::int64_t>(_all.extent(1) * _all.extent(2)); }
  /// Errors: std::invalid_argument if the state was moved from.
  void require_kept() const { _kept.require("state"); }

 private:
  friend class ModelBudget<MemorySpace>;

  using Arrays = Kokkos::View<float***, Kokkos::LayoutRight, MemorySpace>;

  /// In memory of a ModelBudget, or of its own.
  DecodeState(const Arrays& all, const Arrays& spare, const detail::ModelRows& model = {})
      : _all(all), _spare(spare), _model(model), _fresh(std::make_shared<bool>(true)) {
    log_ratio = part(detail::StateArray::log_ratio);
    log2_sum = part(detail::StateArray::log2_sum);
    panel = part(detail::StateArray::panel);
    error_scale = part(detail::StateArray::error_scale);
  }
  template <class Space>
  static Arrays make(const Space& space, const std::string& label, const Shape& shape) {
    detail::check_heads(shape);
    return detail::allocate<Arrays, detail::Fresh::unset>(
        space, label, static_cast<std::int64_t>(detail::StateArray::count_alone), shape.batch, shape.query_rows());
  }
  template <class Space>
  void require_usable(const Space& space) const {
    require_kept();
    lanes::require_launchable(space);
  }
  [[nodiscard]] View part(detail::StateArray array) const {
    return Kokkos::subview(_all, static_cast<std::size_t>(array), Kokkos::ALL, Kokkos::ALL);
  }

  Arrays _all, _spare;
  detail::ModelRows _model;
  std::shared_ptr<bool> _fresh;  // shared by copies, as the views are
  detail::Kept _kept;
};

namespace detail {

/// Notes where a run's state lies. Errors: std::invalid_argument for a ModelBudget's where an error is aimed at.
template <class MemorySpace>
void bind_state(MassUnitArguments& a, const DecodeState<MemorySpace>& state) {
  if (state.has_common_ratio() && (a.target_error > 0.F || a.sharded))
    reject("state", "one of a ModelBudget",
           "a DecodeState of the layer's own: MassUnit.target_error and shards of a cache take no other");
  a.state = state.data();
  a.state_stride = state.stride();
  a.model = state.model_rows();
}

}  // namespace detail
}  // namespace santa
