// A kernel that does something for every query head, between the passes over the keys.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/group.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Calls Work::run(group, arguments, unit, head) for every query head; one unit a slice row, whose heads the groups of
/// the team share.
template <class Context, class Work>
struct HeadKernel : Context {
  using Extents = lanes::Teams<8>;
  using Group = lanes::GroupOf<typename Context::Space, Extents>;

  explicit HeadKernel(const Context& context) : Context(context) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Group group(member);
    const Unit unit = whole_unit_of(this->arguments, member.league_rank());
    for (int head = group.rank(); head < unit.heads; head += Group::groups_per_team)
      Work::run(group, this->arguments, unit, head);
  }

  KOKKOS_FUNCTION static std::size_t scratch_floats(int /*heads*/, int /*dim*/) { return 0; }
};

}  // namespace santa::detail::inline SANTA_BUILD
