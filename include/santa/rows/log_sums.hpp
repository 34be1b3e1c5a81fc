// Where logarithms of sums of weights go: floats or doubles.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <type_traits>

namespace santa {

/// A view [batch] of float or of double; without data: none. A double keeps what a float loses of large logarithms: at
/// 1e6 a float is off by 0.03.
template <class MemorySpace>
class LogSums {
 public:
  LogSums() = default;
  template <class View>
    requires(Kokkos::is_view_v<View> &&
             (std::is_same_v<typename View::value_type, float> || std::is_same_v<typename View::value_type, double>))
  LogSums(const View& view) {  // NOLINT(google-explicit-constructor): .log_sum = view
    if constexpr (std::is_same_v<typename View::value_type, float>)
      _floats = view;
    else
      _doubles = view;
  }

  /// The floats, or null.
  [[nodiscard]] float* floats() const { return _floats.data(); }
  /// The doubles, or null.
  [[nodiscard]] double* doubles() const { return _doubles.data(); }
  [[nodiscard]] bool given() const { return floats() != nullptr || doubles() != nullptr; }
  /// Extent i of what was given.
  [[nodiscard]] std::size_t extent(std::size_t i) const {
    return doubles() != nullptr ? _doubles.extent(i) : _floats.extent(i);
  }

 private:
  Kokkos::View<float*, MemorySpace> _floats;
  Kokkos::View<double*, MemorySpace> _doubles;
};

}  // namespace santa
