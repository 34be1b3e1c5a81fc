// The memory of a plan.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/extent.hpp>
#include <santa/sample/budget.hpp>
#include <santa/sample/multinomial.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail {

/// What a method needs besides states, counts and counters.
struct WorkspaceNeeds {
  bool deltas = false;   // MassUnit: delta, and scores of the first step's subset
  bool scores = false;   // two-pass rules: scores of all keys, masses of tiles
  bool cells = false;    // Multinomial: points of equal cells
  bool budgets = false;  // ProportionalTileBudget: samples of tiles
  bool room = false;     // FixedTileBudget: a tile's scores, in scratch
};

/// All of a plan's memory in one allocation, cut into arrays by one function that also counts the bytes.
template <class Space>
class Workspace {
 public:
  Workspace() = default;
  template <class Build>
  void allocate(const Space& space, const Arguments& a, WorkspaceNeeds needs) {
    const std::int64_t bytes = cut<Build>(a, needs, nullptr);
    _memory = detail::allocate<Memory>(space, purpose, bytes);  // zeroed: the counters must be
    cut<Build>(a, needs, _memory.data());
  }

  [[nodiscard]] const WorkspacePointers& pointers() const { return _pointers; }
  [[nodiscard]] std::size_t bytes() const { return _memory.size(); }

 private:
  using Memory = Kokkos::View<std::byte*, typename Space::memory_space>;

  static constexpr const char* purpose = "santa::workspace";

  template <class Build>
  std::int64_t cut(const Arguments& a, WorkspaceNeeds needs, std::byte* base) {
    std::int64_t used = 0;
    const auto take = [&]<class T, class... Factors>(T*& pointer, Factors... factors) {
      pointer = reinterpret_cast<T*>(base + used);
      used += (bytes_of(purpose, {std::int64_t{factors}..., sizeof(T)}) + 63) / 64 * 64;
    };
    const std::int32_t splits = a.splits, slice_heads = a.slice_heads;
    const std::int64_t slices = slice_rows(a);
    const std::int64_t head_rows = std::int64_t{a.batch} * a.heads;
    WorkspacePointers p;
    take(p.arrived, std::int64_t{a.batch} * a.kv_heads);
    take(p.states, slices, splits, slice_heads, state_floats(a.dim));
    take(p.counts, slices, splits);
    if (needs.deltas) {
      take(p.log_delta, 3, head_rows);
      take(p.subset, slices, slice_heads, Subset::capacity(a.tiles));
    }
    if (needs.scores) {
      take(p.scores, head_rows, a.tiles, tile_keys);
      take(p.tile_reference, head_rows, a.tile_stride());
      take(p.tile_mass, head_rows, a.tile_stride());
      take(p.tile_prefix, head_rows, a.tile_stride());
      take(p.reference, head_rows);
      take(p.total, head_rows);
    }
    // Samples that cover the length are not drawn.
    if (needs.cells && a.budget.samples < a.storage) take(p.points, head_rows, cell_entries(a.budget.samples));
    if (needs.budgets) take(p.points, head_rows, a.tiles);
    _pointers = p;
    return used;
  }

  Memory _memory;
  WorkspacePointers _pointers;
};

}  // namespace santa::detail
