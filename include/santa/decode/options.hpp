// Options of a plan and of a run.
#pragma once

#include <santa/core/shape.hpp>
#include <santa/core/statistics.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>

namespace santa {

/// A number given as a value, or as a rank-0 view that kernels read when they run: a captured graph replayed with a new
/// number there draws anew.
template <class T, class MemorySpace>
class RunScalar {
 public:
  using View = Kokkos::View<const T, MemorySpace>;

  RunScalar() = default;
  template <std::integral I>
  RunScalar(I value) : _value(static_cast<T>(value)) {}  // NOLINT(google-explicit-constructor)
  template <class... Properties>
  RunScalar(const Kokkos::View<T, Properties...>& view) : _view(view) {}  // NOLINT(google-explicit-constructor)
  template <class... Properties>
  RunScalar(const Kokkos::View<const T, Properties...>& view) : _view(view) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] const T* where() const { return _view.data(); }
  [[nodiscard]] T value() const { return _value; }

 private:
  View _view;
  T _value{};
};

/// What MassUnit carries from one decode step to the next, for every (batch, head): log2 of delta relative to the
/// softmax sum, and that sum. Any content is safe: a delta that fits badly costs rows or variance, never bias.
///
/// The first run with a state that is new or was reset has a kernel more, which chooses delta from a subset of the keys
/// wherever the state holds no finite number. Later runs don't, nor does a graph captured from one: a (batch, head)
/// that holds no finite number then, such as that of a request that joins the batch, has all its rows read once.
template <class MemorySpace>
struct DecodeState {
  Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace> log_ratio;
  Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace> log2_sum;

  DecodeState() = default;
  template <class Space>
  DecodeState(const Space& space, const Shape& shape)
      : log_ratio(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, "santa::state::log_ratio"), rows(shape.batch),
                  rows(shape.heads)),
        log2_sum(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, "santa::state::log2_sum"), rows(shape.batch),
                 rows(shape.heads)),
        _fresh(std::make_shared<bool>(true)) {
    reset(space);
  }

  /// Forgets all steps.
  template <class Space>
  void reset(const Space& space) const {
    Kokkos::deep_copy(space, log_ratio, lanes::not_a_number);
    Kokkos::deep_copy(space, log2_sum, lanes::not_a_number);
    *_fresh = true;
  }

  /// Whether no run has used the state since it was made or reset; true of one without views.
  [[nodiscard]] bool is_fresh() const { return _fresh == nullptr || *_fresh; }
  /// Notes that a run has used it.
  void note_step() const {
    if (_fresh != nullptr) *_fresh = false;
  }

 private:
  static std::size_t rows(std::int64_t extent) { return static_cast<std::size_t>(extent); }

  std::shared_ptr<bool> _fresh;  // shared by copies, as the views are
};

/// Options of a plan.
struct PlanOptions {
  /// Factor of <q, k> in natural units; 0 means 1 / sqrt(dim).
  float scale = 0.F;
  /// Keys a unit of work takes, a multiple of 256; 0 lets the plan choose by the storage length alone. Either way a
  /// request's output doesn't depend on its batch mates.
  std::int64_t keys_per_split = 0;
};

/// Options of a run; all views are optional.
template <class MemorySpace>
struct RunOptions {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutStride, MemorySpace>;

  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};                // decode step
  std::uint16_t stream = 0;                                       // usually the layer: streams draw independently
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};  // [batch] identities; default: the batch index
  View<float**> lse = {};               // [batch, heads] out: natural log-sum-exp of the scores
  View<float**> error = {};             // [batch, heads] out: estimated L2 norm of the error of `out`
  View<Statistics**> statistics = {};   // [batch, kv_heads] out
  View<const float***> center = {};     // [batch, kv_heads, dim]: control variate, fixed before the draw
  DecodeState<MemorySpace> state = {};  // carried from step to step by MassUnit
};

}  // namespace santa
