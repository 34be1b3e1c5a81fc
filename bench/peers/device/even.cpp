#include "../../portability/ragged.hpp"
#include "beside.hpp"
#include "problems.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace santa_bench {

namespace {

constexpr std::int32_t page_size = 16;  // that FlashInfer takes a contiguous cache in

}  // namespace

void run_even(const Space& space, int divide, Records& records) {
  const std::int64_t sizes[][2] = {{1, 8}, {1, 32}, {4, 32}, {16, 32}};
  for (const auto& [batch, k] : sizes) {
    const santa::Shape shape{batch, 32, 8, k * 1024 / divide, 128};
    const Caches<Space> caches(space, shape, 3.F, rotation);
    Problem problem;
    problem.name = std::to_string(batch) + " x " + std::to_string(k) + "k";
    problem.keys = static_cast<double>(batch * shape.length);
    problem.copies = problem.layers = caches.copies();
    problem.bytes = caches.bytes();
    problem.paged = pages_in_order(Lengths(static_cast<std::size_t>(batch), static_cast<std::int32_t>(shape.length)),
                                   shape.length, page_size);
    compare(
        space, by_tokens(caches, 1), problem, [&](std::size_t copy) { return caches.cache(copy); },
        [&](std::size_t copy) { return caches.data(copy); }, records);
  }
}

void run_ragged(const Space& space, int divide, Records& records) {
  for (const Scenario& scenario : scenarios(divide)) {
    const santa::Shape shape{static_cast<std::int64_t>(scenario.draws.front().size()), 32, 8, scenario.storage, 128};
    // One copy where what is read of it is more than any cache holds.
    const Caches<Space> caches(space, shape, 3.F, divide == 1 ? 0 : rotation, 1);
    for (std::size_t draw = 0; draw < scenario.draws.size(); ++draw) {
      const Lengths& given = scenario.draws[draw];
      const Kokkos::View<std::int32_t*, Memory> lengths("lengths", given.size());
      Kokkos::deep_copy(lengths,
                        Kokkos::View<const std::int32_t*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(
                            given.data(), given.size()));
      Problem problem;
      problem.name = scenario.name;
      problem.draw = static_cast<int>(draw);
      problem.keys = sum_of(given);
      problem.copies = caches.copies();
      problem.layers = 8;
      problem.bytes = caches.bytes();
      problem.scheduled = true;
      problem.paged = pages_in_order(given, scenario.storage, page_size);
      compare(
          space, by_tokens(caches, 1), problem, [&](std::size_t copy) { return caches.cache(copy, lengths); },
          [&](std::size_t copy) { return caches.data(copy); }, records);
    }
  }
}

}  // namespace santa_bench
