// A product of matrices in nothing but Kokkos, where there is no Kokkos Kernels.
#pragma once

#include "generate/views.hpp"

#include <cstdint>

namespace santa::example {

/// Outputs of a panel of weights, 64 bytes.
inline constexpr int panel_outputs = 32;

/// How a panel keeps the weights of one input: as bfloat16, or as codes of 8 bits that go by pairs, outputs o and o +
/// 16, so that a compiler makes whole vectors of them. `widen` gives all, `at` one; those of codes are 2^24 times the
/// code.
struct FullWeights {
  using Element = bfloat16;
  static constexpr int width = panel_outputs;

  KOKKOS_FUNCTION static float at(const Element* row, int output) { return static_cast<float>(row[output]); }
  static void widen(const Element* row, float (&weight)[panel_outputs]) {
    for (int o = 0; o < panel_outputs; ++o) weight[o] = static_cast<float>(row[o]);
  }
};

struct CodedWeights {
  using Element = std::uint16_t;
  static constexpr int width = panel_outputs / 2;

  static Element pair(int low, int high) {
    return static_cast<Element>((static_cast<unsigned>(high) & 0xffU) << 8 | (static_cast<unsigned>(low) & 0xffU));
  }
  KOKKOS_FUNCTION static float low(std::uint32_t pair) {
    return static_cast<float>(static_cast<std::int32_t>(pair << 24));
  }
  KOKKOS_FUNCTION static float high(std::uint32_t pair) {
    return static_cast<float>(static_cast<std::int32_t>((pair << 16) & 0xff000000U));
  }
  KOKKOS_FUNCTION static float at(const Element* row, int output) {
    return output < width ? low(row[output]) : high(row[output - width]);
  }
  static void widen(const Element* row, float (&weight)[panel_outputs]) {
    for (int o = 0; o < width; ++o) {
      weight[o] = low(row[o]);
      weight[o + width] = high(row[o]);
    }
  }
};

/// Weights in panels: a panel is read from its begin to its end. Zeros fill the last.
template <class Form>
using PanelsOf = Kokkos::View<typename Form::Element* * [Form::width], Kokkos::LayoutRight, Memory>;
using WeightPanels = PanelsOf<FullWeights>;

/// The same in 8 bits: weight = code * 2^24 * scale of its output.
struct CodePanels {
  PanelsOf<CodedWeights> codes;
  FloatVector scales;  // [panels * panel_outputs]
};

/// y = x W or y += x W, for W [inputs, outputs] in panels; sums in float.
/// A team makes `rows_at_once` rows of y for one panel. A host's team is one thread, which takes all of the panel; of a
/// device's, a thread takes one output and one of `slices` parts of the inputs, whose sums meet in scratch. A row of y
/// has the same bits whatever rows are with it.
template <int rows_at_once, class Form>
class PlainProduct {
  static constexpr bool on_host = Kokkos::SpaceAccessibility<Kokkos::HostSpace, Memory>::accessible;
  static constexpr int strip = on_host ? panel_outputs : 1;  // neighbouring outputs of a thread
  static constexpr int lanes = panel_outputs / strip;
  static constexpr int slices = on_host ? 1 : 8;

  using Element = typename Form::Element;
  using Policy = Kokkos::TeamPolicy<Space>;
  using Member = typename Policy::member_type;
  using Scratch = Kokkos::View<float***, typename Space::scratch_memory_space, Kokkos::MemoryUnmanaged>;

 public:
  PlainProduct(const FloatRows& x, const PanelsOf<Form>& weights, const float* scales, const FloatRows& y,
               std::int64_t rows, bool add)
      : _x(x.data()), _weights(weights.data()), _scales(scales), _y(y.data()), _rows(rows), _add(add) {
    _panels = static_cast<std::int64_t>(weights.extent(0));
    _inputs = static_cast<std::int64_t>(weights.extent(1));
    _outputs = static_cast<std::int64_t>(y.extent(1));
    _row_blocks = (rows + rows_at_once - 1) / rows_at_once;
  }

  void launch(const Space& space) const {
    Policy policy(space, static_cast<int>(_panels * _row_blocks), lanes * slices);
    if constexpr (slices > 1)
      policy.set_scratch_size(0, Kokkos::PerTeam(static_cast<int>(Scratch::shmem_size(slices, rows_at_once, lanes))));
    Kokkos::parallel_for("santa::plain_product", policy, *this);
  }

  KOKKOS_FUNCTION void operator()(const Member& team) const {
    // Teams of one panel are neighbours: they share its weights.
    const std::int64_t first_row = team.league_rank() % _row_blocks * rows_at_once;
    const std::int64_t panel = team.league_rank() / _row_blocks;
    const int lane = team.team_rank() % lanes;
    const int slice = team.team_rank() / lanes;
    float sum[rows_at_once][strip] = {};
    add_up(first_row, _weights + panel * _inputs * Form::width, lane, slice, sum);
    if constexpr (slices > 1) meet(team, lane, slice, sum);
    if (slice == 0) store(first_row, panel * panel_outputs + lane * strip, sum);
  }

 private:
  KOKKOS_FUNCTION void add_up(std::int64_t first_row, const Element* weights, int lane, int slice,
                              float (&sum)[rows_at_once][strip]) const {
    const float* row[rows_at_once];
    for (int r = 0; r < rows_at_once; ++r)  // beyond the last row that one again: nobody stores its sums
      row[r] = _x + (first_row + r < _rows ? first_row + r : _rows - 1) * _inputs;
    for (std::int64_t i = slice; i < _inputs; i += slices) {
      float weight[strip];
      if constexpr (on_host)
        Form::widen(weights + i * Form::width, weight);
      else
        weight[0] = Form::at(weights + i * Form::width, lane);
      for (int r = 0; r < rows_at_once; ++r) {
        const float x = row[r][i];
        for (int o = 0; o < strip; ++o) sum[r][o] += x * weight[o];
      }
    }
  }

  KOKKOS_FUNCTION void meet(const Member& team, int lane, int slice, float (&sum)[rows_at_once][strip]) const {
    const Scratch all(team.team_scratch(0), slices, rows_at_once, lanes);
    for (int r = 0; r < rows_at_once; ++r) all(slice, r, lane) = sum[r][0];
    team.team_barrier();
    if (slice != 0) return;
    for (int r = 0; r < rows_at_once; ++r)
      for (int other = 1; other < slices; ++other) sum[r][0] += all(other, r, lane);
  }

  KOKKOS_FUNCTION void store(std::int64_t first_row, std::int64_t first,
                             const float (&sum)[rows_at_once][strip]) const {
    const std::int64_t left = _outputs - first;
    const int outputs = left < strip ? static_cast<int>(left) : strip;
    for (int r = 0; r < rows_at_once && first_row + r < _rows; ++r) {
      float* const y = _y + (first_row + r) * _outputs + first;
      for (int o = 0; o < outputs; ++o) {
        const float scaled = _scales != nullptr ? sum[r][o] * _scales[first + o] : sum[r][o];
        y[o] = _add ? y[o] + scaled : scaled;
      }
    }
  }

  const float* _x;
  const Element* _weights;
  const float* _scales;  // null: weights are as they are
  float* _y;
  std::int64_t _rows, _panels = 0, _inputs = 0, _outputs = 0, _row_blocks = 0;
  bool _add;
};

/// A host reads weights once for up to 8 rows, and does no more than these need; a device has one kernel for several.
template <class Form, int at_once = 8>
void plain_product(const Space& space, const FloatRows& x, const PanelsOf<Form>& weights, const float* scales,
                   const FloatRows& y, std::int64_t rows, bool add) {
  constexpr bool on_host = Kokkos::SpaceAccessibility<Kokkos::HostSpace, Memory>::accessible;
  constexpr int fewer = on_host ? at_once - 1 : 1;
  if constexpr (at_once > 1)
    if (rows <= fewer) return plain_product<Form, fewer>(space, x, weights, scales, y, rows, add);
  PlainProduct<at_once, Form>(x, weights, scales, y, rows, add).launch(space);
}

}  // namespace santa::example
