// expect: santa: the stage lacks a member of ScoreStage: see santa/score/score_stage.hpp
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using santa::detail::Arguments, santa::detail::HostExtents, santa::detail::Unit;
using Group = santa::lanes::GroupOf<Space, HostExtents>;

/// That of log-weights, whose sums can't be rescaled.
struct Stage : santa::detail::LogWeightStage<Group, float> {
  void rescale(int head, float factor) = delete;
};
struct Stages {
  template <class Extents>
  using Stage = ::Stage;

  template <class Extents>
  static std::size_t shared_floats(int /*heads*/, santa::detail::RowDims /*dims*/) {
    return 0;
  }
  template <class Extents>
  static std::size_t own_floats(int /*heads*/, santa::detail::RowDims /*dims*/) {
    return 0;
  }
  template <class Extents>
  ::Stage stage(const Group& group, const Arguments& a, const Unit& unit, float* shared, float* own) const;
};

std::size_t size() { return sizeof(santa::detail::KernelContext<Space, Arguments, HostExtents, Stages>); }
