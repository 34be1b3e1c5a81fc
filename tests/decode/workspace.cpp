// A plan's workspace: how large it is, and one that the caller brings.
#include "support/data.hpp"
#include "support/events.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
using Bytes = Kokkos::View<std::byte*, typename Space::memory_space>;

template <class Space>
Problem<Space, float> problem() {
  Problem<Space, float> result({.batch = 3, .heads = 6, .kv_heads = 2, .length = 1300, .dim = 40});
  return result.fill(9).set_lengths({1300, 0, 700}).upload();
}

template <class Space>
std::size_t bytes_of(const AnyMethod& method, const Shape& shape) {
  return std::visit(
      [&](const auto& m) {
        return workspace_bytes(Space{}, m, shape, cache_of<typename Problem<Space, float>::Cache>);
      },
      method);
}

template <class F>
std::string complaint(const F& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

/// So many bytes that hold anything but zeros.
template <class Space>
Bytes<Space> used(std::size_t bytes) {
  const Bytes<Space> memory("test::workspace", bytes);
  Kokkos::deep_copy(memory, std::byte{0xa5});
  return memory;
}

}  // namespace

SANTA_SPACE_TEST_CASE("a_workspace_of_the_callers_gives_the_bits_of_the_plans_own") {
  const auto data = problem<Space>();
  for (const AnyMethod& method : exact_and_samplers(100)) {
    Runner<Space, float> own(data, method);
    const std::size_t bytes = bytes_of<Space>(method, data.shape);
    CHECK(own.describe().find("workspace " + std::to_string(bytes) + " bytes") != std::string::npos);
    // What lies behind it stays as it is.
    const Bytes<Space> memory = used<Space>(bytes + 640);
    Runner<Space, float> given(data, method,
                               {.workspace = Kokkos::subview(memory, std::pair<std::size_t, std::size_t>(0, bytes))});
    for (std::uint32_t step = 0; step < 3; ++step) {
      const Result expected = own.run({.step = step});
      const Result& result = given.run({.step = step});
      CHECK(same_bits(result.out, expected.out));
      CHECK(same_bits(result.lse, expected.lse));
      CHECK(same_bits(result.error, expected.error));
      CHECK(same_bits(result.statistics, expected.statistics));
    }
    const auto all = to_host<unsigned char>(Kokkos::View<unsigned char*, typename Space::memory_space>(
        reinterpret_cast<unsigned char*>(memory.data()), bytes + 640));
    for (std::size_t i = bytes; i < all.size(); ++i) REQUIRE(all[i] == 0xa5);
  }
}

SANTA_SPACE_TEST_CASE("a_plan_in_given_memory_and_the_count_of_its_bytes_allocate_nothing") {
  const auto data = problem<Space>();
  const MassUnit method{.rows = 100};
  using Cache = typename Problem<Space, float>::Cache;
  std::size_t bytes = 0;
  {
    const Events events;
    bytes = workspace_bytes(Space{}, method, data.shape, cache_of<Cache>);
    CHECK(Events::allocations == 0);
    CHECK(Events::kernels.empty());
  }
  const Bytes<Space> memory = used<Space>(bytes);
  const PlanOptions options{.workspace = memory};
  const Events events;
  const DecodePlan plan(Space{}, method, data.shape, cache_of<Cache>, options);
  CHECK(Events::allocations == 0);
  CHECK(plan.workspace_bytes() == bytes);
  // Longer caches and more requests take more.
  Shape larger = data.shape;
  larger.batch *= 4;
  CHECK(workspace_bytes(Space{}, method, larger, cache_of<Cache>) > bytes);
}

SANTA_SPACE_TEST_CASE("a_plan_keeps_the_view_that_it_was_given") {
  const auto data = problem<Space>();
  auto memory = std::make_unique<Bytes<Space>>(used<Space>(bytes_of<Space>(MassUnit{.rows = 100}, data.shape)));
  Runner<Space, float> runner(data, MassUnit{.rows = 100}, {.workspace = *memory});
  CHECK(memory->use_count() > 1);
  memory.reset();
  const Result expected = Runner<Space, float>(data, MassUnit{.rows = 100}).run();
  CHECK(same_bits(runner.run().out, expected.out));
}

SANTA_SPACE_TEST_CASE("workspaces_of_no_use_are_named") {
  const auto data = problem<Space>();
  const Exact method;
  const std::size_t bytes = bytes_of<Space>(method, data.shape);
  const auto make = [&](const WorkspaceMemory& memory) {
    return complaint([&] { Runner<Space, float>(data, method, {.workspace = memory}); });
  };
  const Bytes<Space> memory = used<Space>(bytes + 64);
  CHECK(make(memory) == "");
  CHECK(make(used<Space>(bytes - 1)) == "santa: workspace.extent(0) is " + std::to_string(bytes - 1) +
                                            "; accepted: " + std::to_string(bytes) + " or more");
  CHECK(make(Kokkos::subview(memory, std::pair<std::size_t, std::size_t>(16, bytes + 16))) ==
        "santa: workspace.data() is misaligned; accepted: a multiple of 64 bytes");
  const Bytes<Space> twice = used<Space>(2 * bytes);
  const auto every_other = [&] {
    const Kokkos::View<std::byte*, Kokkos::LayoutStride, typename Space::memory_space> view(
        reinterpret_cast<std::byte*>(twice.data()), Kokkos::LayoutStride(bytes, 2));
    return make(view);
  };
  CHECK(complaint(every_other) == "santa: workspace.stride(0) is 2; accepted: 1");
  CHECK(make(Kokkos::View<std::byte*, Kokkos::Device<Space, typename Space::memory_space>,
                          Kokkos::MemoryTraits<Kokkos::Unmanaged>>(static_cast<std::byte*>(nullptr), bytes)) ==
        "santa: workspace.data() is null; accepted: a view with data");
  CHECK(complaint([&] { Runner<Space, float>(data, method, {.workspace = WorkspaceMemory::counted()}).run(); }) ==
        "santa: the plan was made to count the bytes of its workspace; it has none to run with");
}
