// Drawing by log-weights: the stage that lets the kernels of a decode step draw rows for any code.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/lanes/math.hpp>
#include <santa/rows/row_teams.hpp>
#include <santa/schedule/tiles.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <limits>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// Below all finite log-weights that weigh anything: what is looked for a largest among begins with it.
inline constexpr double least_log_weight = std::numeric_limits<double>::lowest();

/// The largest over the lanes of a group; NaN is ignored.
template <class Group>
KOKKOS_FUNCTION double largest_of_lanes(const Group& group, const typename Group::template Vector<double>& values) {
  double largest = least_log_weight;
  for (int lane = 0; lane < Group::size; ++lane) largest = lanes::max(largest, group.value_of(values, lane));
  return largest;
}

/// Where log-weights lie, and the room for the rows drawn of them before they are put in order: each unit has as many
/// places as it has rows. Weights are relative: of doubles, the largest of a vector is taken off before they become
/// floats.
template <class T>
struct LogWeights {
  const T* data;
  std::int64_t stride[2];  // batch, row
  float* room;             // [batch][3][places]: rows from the unit's first on (as integers), weights, spreads
  std::int64_t places;
  double* largest;      // [batch][splits]: of each unit, of what is finite; of doubles alone
  std::int32_t splits;  // of a vector

  /// What is taken off a vector's log-weights: of doubles the largest. Called by all lanes.
  template <class Group>
  [[nodiscard]] KOKKOS_FUNCTION double offset(const Group& group, std::int64_t batch) const {
    if constexpr (std::is_same_v<T, float>) {
      return 0.;
    } else {
      typename Group::template Vector<double> most = least_log_weight;
      for (std::int32_t i = 0; i < splits; i += Group::size)
        most = lanes::max(most, group.load(largest + batch * splits + i, splits - i, least_log_weight));
      return largest_of_lanes(group, most);
    }
  }

  /// The room of a unit that begins at this row.
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t* index(std::int64_t batch, std::int64_t begin) const {
    return reinterpret_cast<std::int32_t*>(room + 3 * batch * places + begin);
  }
  [[nodiscard]] KOKKOS_FUNCTION float* weight(std::int64_t batch, std::int64_t begin) const {
    return room + (3 * batch + 1) * places + begin;
  }
  [[nodiscard]] KOKKOS_FUNCTION float* spread(std::int64_t batch, std::int64_t begin) const {
    return room + (3 * batch + 2) * places + begin;
  }
};

/// A vector of log-weights as a stage of kernels: the weights are scores, and the sum of drawn rows is their list. Of
/// doubles, the vector's largest is taken off. Bytes: the log-weights; 12 a drawn row.
template <class Group, class T>
class LogWeightStage {
  using Float = typename Group::template Vector<float>;

 public:
  static constexpr bool asynchronous = false;
  static constexpr bool rescored = false;

  KOKKOS_FUNCTION LogWeightStage(const Group& group, const LogWeights<T>& from, const Unit& unit, bool with_spread)
      : _group(group),
        _first(from.data + unit.batch * from.stride[0]),
        _stride(from.stride[1]),
        _offset(static_cast<T>(from.offset(group, unit.batch))),
        _index(from.index(unit.batch, unit.begin)),
        _weight(from.weight(unit.batch, unit.begin)),
        _spread(with_spread ? from.spread(unit.batch, unit.begin) : nullptr) {}

  template <class Meanwhile>
  KOKKOS_FUNCTION static void take_queries(const Meanwhile& /*meanwhile*/) {}
  KOKKOS_FUNCTION static void ask(std::int64_t /*first*/, std::int64_t /*step*/, int /*count*/) {}
  KOKKOS_FUNCTION static void ask_row(std::int32_t /*index*/) {}

  /// As Stage's: +infinity has no softmax and becomes NaN.
  template <class DrawnRows>
  KOKKOS_FORCEINLINE_FUNCTION void scores(std::int64_t first, std::int64_t step, int count, Float* score,
                                          std::int64_t /*next*/, int /*next_count*/, const DrawnRows& /*drawn*/,
                                          std::int64_t /*end*/ = 0) const {
    constexpr auto nothing = static_cast<T>(-lanes::infinity);
    const T* const from = _first + first * _stride;
    const auto given = step * _stride == 1 ? _group.load(from, count, nothing)
                                           : _group.load_strided(from, step * _stride, count, nothing);
    const Float scaled = in_log2_units(given);
    score[0] = lanes::select(scaled >= Float(lanes::infinity), Float(lanes::not_a_number), scaled);
  }

  KOKKOS_FUNCTION void clear() { _size = 0; }
  template <class Ahead>
  KOKKOS_FUNCTION void gather(const std::int32_t* index, int count, const Ahead& /*ahead*/, const float* weight,
                              int /*weight_stride*/) {
    _group.for_each(count, [&](int i) {
      _index[_size + i] = index[i];
      _weight[_size + i] = weight[i];
    });
    _size += count;
  }
  /// Of the rows gathered last.
  KOKKOS_FUNCTION void add_spreads(const float* spread, int count) {
    _group.for_each(count, [&](int i) { _spread[_size - count + i] = spread[i]; });
  }
  KOKKOS_FUNCTION void rescale(int /*head*/, float factor) {
    _group.sync();  // other lanes wrote some of these
    _group.for_each(_size, [&](int i) {
      _weight[i] *= factor;
      if (_spread != nullptr) _spread[i] *= factor * factor;
    });
    _group.sync();
  }
  KOKKOS_FUNCTION void store_sums(float* /*to*/, int /*stride*/) const {}

 private:
  KOKKOS_FORCEINLINE_FUNCTION Float in_log2_units(const typename Group::template Vector<T>& given) const {
    using Vector = typename Group::template Vector<T>;
    if constexpr (std::is_same_v<T, float>)
      return given * Float(lanes::log2_of_e);
    else
      return lanes::convert<float>((given - Vector(_offset)) * Vector(1.44269504088896340736));
  }

  const Group& _group;
  const T* _first;
  std::int64_t _stride;
  T _offset;
  std::int32_t* _index;
  float* _weight;
  float* _spread;
  int _size = 0;
};

/// The stages of vectors of log-weights.
template <class Space, class T>
struct LogWeightStages {
  static constexpr bool of_doubles = std::is_same_v<T, double>;
  template <class Extents>
  using Stage = LogWeightStage<lanes::GroupOf<RowTeams<Space>, Extents>, T>;

  LogWeights<T> from;

  template <class Extents>
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, RowDims /*dims*/) {
    return 0;
  }
  template <class Extents>
  KOKKOS_FUNCTION static constexpr std::size_t own_floats(int /*heads*/, RowDims /*dims*/) {
    return 0;
  }
  template <class Extents, class Group>
  [[nodiscard]] KOKKOS_FUNCTION Stage<Extents> stage(const Group& group, const Arguments& a, const Unit& unit,
                                                     float* /*shared*/, float* /*own*/) const {
    return Stage<Extents>(group, from, unit, a.with_spread);
  }
};

/// The context of kernels that draw by log-weights: one head, and rows of no extent.
template <class Space, class KernelArguments, class T>
using RowsContext =
    KernelContext<RowTeams<Space>, KernelArguments, lanes::Extents<4, 64, false>, LogWeightStages<Space, T>>;

/// Finds the largest log-weight of each unit, for doubles: a pass before the others. Reads: the log-weights.
template <class Context>
struct LargestKernel : Context {
  using typename Context::Group;

  explicit LargestKernel(const Context& context) : Context(context) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    using Vector = typename Group::template Vector<double>;
    const auto& from = this->stages.from;
    const Unit unit = unit_of(this->arguments, member.league_rank());
    const Group group(member);
    const double* const first = from.data + unit.batch * from.stride[0];
    Vector largest = least_log_weight;
    for_each_tile(group, unit, [&](std::int64_t at) {
      const int count = keys_of_tile<Group>(unit, at);
      const double* const tile = first + at * from.stride[1];
      const Vector given = from.stride[1] == 1 ? group.load(tile, count, least_log_weight)
                                               : group.load_strided(tile, from.stride[1], count, least_log_weight);
      // Not +infinity, which has no softmax and is to show.
      const Vector finite = lanes::select(given > Vector(-least_log_weight), Vector(least_log_weight), given);
      largest = lanes::max(largest, finite);
    });
    const double of_unit = largest_of_lanes(group, largest);
    group.single([&] { from.largest[state_of_unit(this->arguments, unit)] = of_unit; });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
