// expect: santa: the lane group lacks a member of LaneGroup: see santa/lanes/lane_group.hpp
#include <santa/santa.hpp>

using namespace santa::detail;

/// A space of its own, by the threads of the host's.
struct Space : Kokkos::DefaultHostExecutionSpace {};

/// The host's, by which no lane learns what the others found.
struct Group : santa::lanes::HostGroup {
  static std::uint32_t ballot(const Mask& mask) = delete;
};
template <>
struct santa::lanes::Seam<Space> : santa::lanes::Seam<Kokkos::DefaultHostExecutionSpace> {
  template <class Extents>
  using Group = ::Group;
};

std::size_t size() { return sizeof(KernelContext<Space, Arguments, HostExtents, AnyStages<false>>); }
