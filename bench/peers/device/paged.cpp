#include "beside.hpp"
#include "problems.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace santa_bench {

void run_paged(const Space& space, int divide, Records& records) {
  constexpr std::int32_t page_size = 16;
  using Pool =
      Kokkos::View<const santa::bfloat16****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  const auto size = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const santa::Shape shape{4, 32, 8, 32768 / divide, 128};
  const Caches<Space> caches(space, shape, 3.F, rotation);
  const std::vector<std::int32_t> full(size(shape.batch), static_cast<std::int32_t>(shape.length));
  Problem problem;
  problem.name = "paged-16";
  problem.keys = static_cast<double>(shape.batch * shape.length);
  problem.copies = problem.layers = caches.copies();
  problem.bytes = caches.bytes();
  problem.paged = pages_in_order(full, shape.length, page_size);
  std::shuffle(problem.paged.indices.begin(), problem.paged.indices.end(), std::mt19937(5));
  const std::size_t pages = problem.paged.indices.size();
  const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory> table("table", size(shape.batch),
                                                                        pages / size(shape.batch));
  const Kokkos::View<std::int32_t*, Memory> lengths("lengths", size(shape.batch));
  const auto host = Kokkos::create_mirror_view(table);
  std::copy(problem.paged.indices.begin(), problem.paged.indices.end(), host.data());
  Kokkos::deep_copy(table, host);
  Kokkos::deep_copy(lengths, static_cast<std::int32_t>(shape.length));
  const auto cache = [&](std::size_t copy) {
    const auto pool = [&](const std::byte* rows) {
      return Pool(reinterpret_cast<const santa::bfloat16*>(rows), pages, page_size, size(shape.kv_heads),
                  size(shape.dim));
    };
    const std::byte* const keys = caches.data(copy);
    return santa::PagedCache{pool(keys), pool(keys + caches.bytes() / 2), santa::PageTable{table, lengths}};
  };
  compare(
      space, by_tokens(caches, 1), problem, cache, [&](std::size_t copy) { return caches.data(copy); }, records);
}

}  // namespace santa_bench
