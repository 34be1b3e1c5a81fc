// One budget of value rows for all layers of a model.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/common_ratio.hpp>
#include <santa/sample/mass_unit/state.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace santa {

/// Options of a ModelBudget.
template <class MemorySpace>
struct ModelBudgetOptions {
  /// A kv head's least and most rows, of what it would read with equal shares: by what it read in the step before.
  double least = 1. / 32;
  double most = 8.;  // as `least`, of the same
  /// One delta / Z for all requests, whose rows together meet their budgets together. A request's draws depend on its
  /// batch mates then; else they don't.
  bool shared = false;
  /// [layers, kv_heads], positive; none: 1 for all. How much an error of a kv head's output matters, in proportion to
  /// that output: its delta / Z is the model's over its weight. Infinity: all its rows are read, beyond the budget.
  Kokkos::View<const float**, Kokkos::LayoutStride, MemorySpace> weights = {};
};

/// One budget of value rows for the layers, heads and tokens of a model, instead of an equal share for each kv head:
/// all of a request's heads draw with one delta / Z, which follows the rows that all layers read in the tokens before.
/// So kv heads whose attention is flat read many rows, those whose attention is peaked few, which is the least sum of
/// squared errors for the rows (docs/model_budget.md).
///
/// The budget is what the plans' own budgets add up to, MassUnit.rows or RunOptions::budgets of each kv head: 10 % for
/// each becomes 10 % for all together. Layers run with `state(layer)` as their state, and `next_token` follows the last
/// of them. A request's first token has equal shares. Best with MassUnit{.steered = true}: each step then meets the
/// change of its heads' Z by the panel.
///
///     santa::ModelBudget<Memory> budget{space, plan.shape(), layers};
///     for each token:
///       for each layer: plan.run(space, query, cache, out, {.stream = layer, .state = budget.state(layer)});
///       budget.next_token(space);
///
/// Unbiased as MassUnit is, for any delta: what a step draws with follows from earlier tokens alone.
template <class MemorySpace>
class ModelBudget {
 public:
  using State = DecodeState<MemorySpace>;
  using Options = ModelBudgetOptions<MemorySpace>;

  /// For the states of `layers` layers of one shape. Memory: ten floats a head and layer.
  /// Errors: std::invalid_argument: name, given, accepted; AllocationError.
  template <class Space>
  ModelBudget(const Space& space, const Shape& shape, std::int64_t layers, const Options& options = {})
      : _shape(shape), _layers(layers), _options(options) {
    detail::require(layers >= 1 && layers <= 65536, "layers", layers, "1 to 65536");
    check();
    detail::check_heads(shape);
    const auto arrays = static_cast<std::int64_t>(detail::StateArray::count);
    _ratio = detail::allocate<Ratios, detail::Fresh::unset>(space, "santa::model_budget", std::int64_t{2}, shape.batch);
    _arrays = detail::allocate<Arrays, detail::Fresh::unset>(space, "santa::model_budget::layers", layers, arrays,
                                                             shape.batch, shape.query_rows());
    const auto spare = detail::allocate<typename State::Arrays, detail::Fresh::unset>(
        space, "santa::model_budget::spare", arrays, shape.batch, shape.query_rows());
    _counts = detail::allocate<Counts>(space, "santa::model_budget::rows", 2 * layers + 1, shape.batch);
    for (std::int64_t layer = 0; layer < layers; ++layer)
      _states.push_back(
          State(Kokkos::subview(_arrays, static_cast<std::size_t>(layer), Kokkos::ALL, Kokkos::ALL, Kokkos::ALL), spare,
                rows(layer)));
    reset(space);
    space.fence("santa::model_budget");  // any instance of the space may use it
  }

  [[nodiscard]] std::int64_t layers() const { return _layers; }
  /// The state that a layer's runs are given. Errors: std::invalid_argument for a layer that there isn't.
  [[nodiscard]] const State& state(std::int64_t layer) const {
    _kept.require("the ModelBudget");
    detail::require(layer >= 0 && layer < layers(), "layer", layer, "0 to " + std::to_string(layers() - 1));
    return _states[static_cast<std::size_t>(layer)];
  }

  /// After the last layer of a token: mends the ratio by the rows that the token's layers read, and hands it to all of
  /// them. One small kernel; neither fences nor allocates, and can be captured. The same bits whatever the number of
  /// threads.
  template <class Space, class Build = lanes::Build>
  void next_token(const Space& space) const {
    require_usable(space);
    if (_shape.batch == 0) return;
    detail::run_common_ratio<Build>(space, kernel());
  }

  /// Forgets all tokens.
  template <class Space, class Build = lanes::Build>
  void reset(const Space& space) const {
    require_usable(space);
    for (const State& state : _states) state.reset(space);
    Kokkos::deep_copy(space, _ratio, lanes::not_a_number);
    Kokkos::deep_copy(space, _counts, 0);
    detail::mark_whole_heads<Build>(space, kernel(), 0, _shape.batch);
  }
  /// Forgets those of one request, for another that takes its place. Neither fences nor allocates.
  /// Errors: std::invalid_argument for a request that is not below the batch.
  template <class Space, class Build = lanes::Build>
  void reset(const Space& space, std::int64_t request) const {
    require_usable(space);
    for (const State& state : _states) state.reset(space, request);
    Kokkos::deep_copy(space, Kokkos::subview(_ratio, 0, static_cast<std::size_t>(request)), lanes::not_a_number);
    detail::mark_whole_heads<Build>(space, kernel(), request, 1);
  }
  /// Moves what is carried along with requests that change places: see DecodeState::permute.
  template <class Space, class Build = lanes::Build>
  void permute(const Space& space, const Kokkos::View<const std::int32_t*, MemorySpace>& order) const {
    require_usable(space);
    for (const State& state : _states) state.permute(space, order);
    const auto ratio = _ratio;
    const auto batch = static_cast<std::int64_t>(ratio.extent(1));
    const detail::ModelRows counts = rows(0);
    Kokkos::parallel_for(
        "santa::model_budget::permute", detail::Range<Space>(space, 0, batch), KOKKOS_LAMBDA(const std::int64_t i) {
          const std::int64_t source = order(i);
          const bool given = source >= 0 && source < batch;
          ratio(1, i) = given ? ratio(0, source) : lanes::not_a_number;
          for (std::int32_t layer = 0; layer < counts.layers; ++layer)
            counts.own[i * counts.layers + layer] = given ? counts.rest[source * counts.layers + layer] : 0;
        });
    const auto layers = static_cast<std::size_t>(_layers);
    Kokkos::deep_copy(
        space, Kokkos::subview(_counts, std::pair<std::size_t, std::size_t>(1, 1 + layers), Kokkos::ALL),
        Kokkos::subview(_counts, std::pair<std::size_t, std::size_t>(1 + layers, 1 + 2 * layers), Kokkos::ALL));
    Kokkos::deep_copy(space, Kokkos::subview(ratio, 0, Kokkos::ALL), Kokkos::subview(ratio, 1, Kokkos::ALL));
    detail::mark_whole_heads<Build>(space, kernel(), 0, _shape.batch);  // requests that are new have no marks
  }

  /// log2 of each request's delta / Z, [batch]; NaN before its first token.
  [[nodiscard]] Kokkos::View<const float*, MemorySpace> log_ratio() const {
    return Kokkos::subview(_ratio, 0, Kokkos::ALL);
  }

 private:
  void check() const {
    const auto bounds = [](const char* name, double given, double low, double high) {
      if (!(given >= low && given <= high))
        detail::reject(name, detail::text_of(given), detail::text_of(low) + " to " + detail::text_of(high));
    };
    bounds("least", _options.least, 0., 1.);
    bounds("most", _options.most, 1., 1e6);
    if (_options.weights.data() == nullptr) return;
    const auto weights = detail::array_of("weights", _options.weights);
    detail::require_extent(weights, 0, _layers, "the layers");
    detail::require_extent(weights, 1, _shape.kv_heads, "the kv_heads");
  }
  template <class Space>
  void require_usable(const Space& space) const {
    _kept.require("the ModelBudget");
    lanes::require_launchable(space);
  }

  using Ratios = Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace>;
  using Arrays = Kokkos::View<float****, Kokkos::LayoutRight, MemorySpace>;

  using Counts = Kokkos::View<std::int64_t**, Kokkos::LayoutRight, MemorySpace>;

  [[nodiscard]] detail::ModelRows rows(std::int64_t layer) const {
    std::int64_t* const first = _counts.data();
    return {first, first + _shape.batch, first + _shape.batch * (1 + _layers), static_cast<std::int32_t>(_layers),
            static_cast<std::int32_t>(layer)};
  }

  [[nodiscard]] detail::CommonRatio kernel() const {
    detail::CommonRatio kernel;
    kernel.states = _arrays.data();
    kernel.ratio = _ratio.data();
    const auto& weights = _options.weights;
    if (weights.data() != nullptr)
      kernel.weights = {weights.data(),
                        {static_cast<std::int64_t>(weights.stride(0)), static_cast<std::int64_t>(weights.stride(1))}};
    kernel.rows = rows(0);
    kernel.layers = static_cast<std::int32_t>(layers());
    kernel.heads = static_cast<std::int32_t>(_shape.query_rows());
    kernel.kv_heads = static_cast<std::int32_t>(_shape.kv_heads);
    kernel.batch = static_cast<std::int32_t>(_shape.batch);
    kernel.requests = _options.shared ? kernel.batch : 1;
    kernel.least = static_cast<float>(_options.least);
    kernel.most = static_cast<float>(_options.most);
    return kernel;
  }

  Shape _shape;
  std::int64_t _layers;
  Options _options;
  std::vector<State> _states;
  Ratios _ratio;   // log2(delta / Z) of each request, and room to permute it
  Counts _counts;  // see ModelRows
  Arrays _arrays;  // of the states: [layers, StateArray, batch, heads of all tokens]
  detail::Kept _kept;
};

}  // namespace santa
