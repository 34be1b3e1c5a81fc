// Drawing rows inside a kernel of the caller's.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/methods.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/rows/list_kernel.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa {

/// The member of a team, as Kokkos hands it to a kernel over a TeamPolicy.
template <class T>
concept TeamMember = requires(const T member) {
  member.team_rank();
  member.league_rank();
  member.team_barrier();
};

namespace detail::inline SANTA_BUILD {

/// One thread in the place of an execution space and of a team: a method's kernels run on it one after the other.
struct LocalTeam {
  /// Room beside what every kernel needs: of rules that look ahead, of a first step's subset, and for alignment.
  static constexpr std::size_t rule_floats = 2560;
  static_assert(rule_floats > 2 * Subset::most + Subset::head_keys + Subset::tail_keys + 4 * tile_keys + 64);

  int rank;
  float* memory;
  std::size_t floats;

  struct Scratch {
    float* memory;
    std::size_t floats;
    [[nodiscard]] void* get_shmem_aligned(std::size_t bytes, std::size_t alignment) const {
      const auto at = reinterpret_cast<std::uintptr_t>(memory);
      const std::size_t skipped = (alignment - at % alignment) % alignment;
      if (skipped + bytes > floats * sizeof(float)) Kokkos::abort("santa::draw_rows: too little scratch for this rule");
      return memory + skipped / sizeof(float);
    }
  };
  [[nodiscard]] int league_rank() const { return rank; }
  [[nodiscard]] Scratch team_scratch(int /*level*/) const { return {memory, floats}; }
};

/// Found where a method's recipe launches: the units of the team's own vector, one after the other.
template <class Kernel>
void launch(const char* /*label*/, const LocalTeam& team, std::int64_t units, const Kernel& kernel) {
  const auto own = static_cast<int>(units / kernel.arguments.batch);
  for (int i = 0; i < own; ++i) kernel(LocalTeam{team.rank * own + i, team.memory, team.floats});
}

}  // namespace detail::inline SANTA_BUILD

/// What a kernel needs to draw by itself; made by DrawPlan::on_team. Host execution spaces.
template <class M, class Context>
class TeamDraw {
 public:
  TeamDraw(const Context& context, const detail::ListPointers& list, float* scratch, std::int64_t stride)
      : _context(context), _list(list), _scratch(scratch), _stride(stride) {}

  /// By the first thread of a team. Of what is no vector of the log-weights, nothing.
  void draw(int batch) const {
    if (batch < 0 || batch >= _context.arguments.batch) return;
    const detail::LocalTeam team{batch, _scratch + batch * _stride, static_cast<std::size_t>(_stride)};
    detail::draw_lists<M>(team, _context, _list);
  }

 private:
  Context _context;
  detail::ListPointers _list;
  float* _scratch;
  std::int64_t _stride;
};

/// Draws the rows of vector `batch` of a DrawPlan by one team; different teams take different vectors. Ends with a
/// barrier of the team: then the list is there. The draws are those of DrawPlan::run. Where log-weights have no such
/// vector, nothing is drawn or written.
template <TeamMember Member, class M, class Context, class Build = lanes::Build>
void draw_rows(const Member& member, const TeamDraw<M, Context>& draw, int batch) {
  if (member.team_rank() == 0) draw.draw(batch);
  member.team_barrier();
}

}  // namespace santa
