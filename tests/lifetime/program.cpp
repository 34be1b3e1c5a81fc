// Objects that live longer than Kokkos: made before it is initialized, destroyed after it is finalized.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdio>
#include <cstring>
#include <utility>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

/// Everything that can be made by default; members of a program's globals, say.
struct Global {
  santa::DecodeState<Memory> state;
  santa::DrawnRows<Memory> drawn;
  santa::NarrowKeys<santa::int4x2, Memory> narrow;
  santa::FeatureKeys<float, Memory> features;
  santa::LowRankKeys<float, Memory> low_rank;
  santa::SparseKeys<Memory> sparse;
  santa::RunOptions<Memory> run;
  santa::DrawOptions<Memory> draw;
  santa::TokenOptions<Memory> token;
  santa::FeatureOptions<Memory> feature;
  santa::GatherOptions<Memory> gather;
};
Global global;

constexpr santa::Shape shape{.batch = 1, .heads = 1, .kv_heads = 1, .length = 40, .dim = 8};

/// Gives the global objects memory, and takes it away again unless it is to be kept.
void use_memory(bool keep) {
  const Space space;
  global.state = {space, shape};
  global.drawn = {space, 1, 40};
  global.narrow = {space, shape};
  global.features = {space, shape};
  global.low_rank = {space, shape, 8};
  global.sparse = {space, shape, 8};
  global.run.state = global.state;
  space.fence();
  if (keep) return;
  const Global taken = std::move(global);
  std::printf("%d requests\n", static_cast<int>(taken.state.log_ratio.extent(0)));
  global = Global();  // a Kokkos before 5 may leave memory with what was moved from
}

}  // namespace

/// "keep": memory is kept until after Kokkos::finalize, which aborts with the name of what was kept.
int main(int argc, char** argv) {
  const bool keep = argc > 1 && std::strcmp(argv[1], "keep") == 0;
  global = Global();
  {
    const Kokkos::ScopeGuard kokkos(argc, argv);
    use_memory(keep);
  }
  std::printf("finalized\n");
  return 0;
}
