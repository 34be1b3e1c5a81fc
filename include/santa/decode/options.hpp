// Options of a plan and of a run.
#pragma once

#include <santa/core/shape.hpp>
#include <santa/core/statistics.hpp>
#include <santa/decode/state.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>

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
  View<float**> lse = {};  // [batch, heads] out: natural log-sum-exp of the scores
  // [batch, heads] out: estimated L2 norm of the error of `out`, as if rows were drawn independently: near the RMS
  // error where `center` is near the mean value row, up to 1.5 times it where that is far. One step's bar has chance in
  // it. NaN where rows were left to chance and none of them was read; 0 where all were read.
  View<float**> error = {};
  View<Statistics**> statistics = {};   // [batch, kv_heads] out
  View<const float***> center = {};     // [batch, kv_heads, dim]: control variate, fixed before the draw
  DecodeState<MemorySpace> state = {};  // carried from step to step by MassUnit
};

}  // namespace santa
