// A step of an engine in a graph: lengths, append, decode over pages, captured short and replayed long.
#include "device/graph.hpp"
#include "support/data.hpp"

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::Cuda;
using Memory = Space::memory_space;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Two requests that grow by a token a step, in pages of a pool that are shuffled, and in a contiguous cache.
struct Growing {
  static constexpr std::int64_t batch = 2, heads = 8, kv_heads = 2, dim = 128, length = 2048;

  std::int64_t page_size, pages;
  Problem<Space, bfloat16> problem{{batch, heads, kv_heads, length, dim}};
  View<bfloat16****> keys, values, plain_keys, plain_values;
  View<std::int32_t**> table;
  View<std::int64_t*> lengths{"test::lengths", 2};
  View<bfloat16***> new_keys{"test::new_keys", 2, 2, 128}, new_values{"test::new_values", 2, 2, 128};

  explicit Growing(std::int64_t size) : page_size(size), pages(2 * (length + size - 1) / size + 5) {
    problem.fill(3).upload();
    const auto make = [](const std::string& label, std::int64_t many, std::int64_t slots) {
      View<bfloat16****> view(label, at(many), at(slots), at(kv_heads), at(dim));
      Kokkos::deep_copy(view, bfloat16(quiet_nan));
      return view;
    };
    keys = make("test::keys", pages, page_size);
    values = make("test::values", pages, page_size);
    plain_keys = make("test::plain_keys", batch, length);
    plain_values = make("test::plain_values", batch, length);
    const std::int64_t each = (length + size - 1) / size;
    table = View<std::int32_t**>("test::table", 2, at(each));
    const auto host = Kokkos::create_mirror_view(table);
    std::vector<std::int32_t> order(at(pages));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    std::mt19937 random(5);
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i < host.size(); ++i) host.data()[i] = order[i];
    Kokkos::deep_copy(table, host);
  }
  [[nodiscard]] auto paged() const { return PagedCache{keys, values, PageTable{table, lengths}}; }
  [[nodiscard]] auto plain() const { return ContiguousCache{plain_keys, plain_values, lengths}; }

  /// Lengths that are one more, and what the problem has there as the new tokens.
  void next(const Space& space) const {
    const auto all_keys = problem.key_view(), all_values = problem.value_view();
    const Copy copy{all_keys, all_values, new_keys, new_values, lengths};
    Kokkos::parallel_for("test::longer", Kokkos::RangePolicy<Space>(space, 0, batch), Longer{lengths});
    Kokkos::parallel_for("test::tokens", Kokkos::RangePolicy<Space>(space, 0, batch * kv_heads * dim), copy);
  }
  struct Longer {
    View<std::int64_t*> lengths;
    KOKKOS_FUNCTION void operator()(const int b) const { ++lengths(b); }
  };
  struct Copy {
    Problem<Space, bfloat16>::Rows all_keys, all_values;
    View<bfloat16***> keys, values;
    View<std::int64_t*> lengths;
    KOKKOS_FUNCTION void operator()(const int i) const {
      const int d = i % dim, kv = i / dim % kv_heads, b = i / dim / kv_heads;
      keys(b, kv, d) = all_keys(b, lengths(b) - 1, kv, d);
      values(b, kv, d) = all_values(b, lengths(b) - 1, kv, d);
    }
  };
};

template <class Cache>
auto plan_of(const Cache& cache, const Growing& growing) {
  return DecodePlan{Space{},    MassUnit{.rows = 100}, growing.problem.queries(), cache, {},
                    Identity{}, KernelSet<4, 128>{}};
}

}  // namespace

TEST_CASE("append_and_decode_over_pages_are_captured_short_and_replayed_long") {
  for (const std::int64_t size : {1, 16, 48}) {
    CAPTURE(size);
    const Growing growing(size);
    const auto paged = growing.paged();
    const auto plain = growing.plain();
    const NarrowKeys<std::int8_t, Memory> codes(Space{}, paged.pool_shape()), plain_codes(Space{}, plain.shape());
    for (const auto& copy : {codes, plain_codes}) {
      Kokkos::deep_copy(copy.scales, bfloat16(quiet_nan));
      Kokkos::deep_copy(copy.spread, 1.F);
    }
    const auto narrow = rescored(NarrowCache{paged, codes});
    const auto plain_narrow = rescored(NarrowCache{plain, plain_codes});
    const Stream stream;
    const Space space(stream.get());
    const auto make = [](const std::string& label) { return View<float***>(label, 2, 8, 128); };
    const auto out = make("test::out"), narrow_out = make("test::narrow_out"), right = make("test::right"),
               narrow_right = make("test::narrow_right");
    const View<Statistics**> statistics("test::statistics", 2, 2);
    const auto plan = plan_of(paged, growing);
    const auto narrow_plan = plan_of(narrow, growing);
    const auto plain_plan = plan_of(plain, growing);
    const auto plain_narrow_plan = plan_of(plain_narrow, growing);
    const auto queries = growing.problem.queries();
    const auto step = [&] {
      growing.next(space);
      append(space, narrow, growing.new_keys, growing.new_values);
      plan.run(space, queries, paged, out, {.seed = 4, .statistics = statistics});
      narrow_plan.run(space, queries, narrow, narrow_out, {.seed = 4});
    };
    const auto same = [&](const View<float***>& a, const View<float***>& b) {
      const auto host = [](const auto& view) { return to_host<float>(View<float*>(view.data(), view.size())); };
      const auto given = host(a);
      for (const float x : given) REQUIRE(x == x);
      return same_bits(given, host(b));
    };
    const auto check = [&] {  // the contiguous caches take the same tokens
      append(space, plain_narrow, growing.new_keys, growing.new_values);
      plain_plan.run(space, queries, plain, right, {.seed = 4});
      plain_narrow_plan.run(space, queries, plain_narrow, narrow_right, {.seed = 4});
      space.fence();
      CHECK(same(out, right));
      CHECK(same(narrow_out, narrow_right));
    };
    step();
    check();
    const Graph graph(stream.get(), step);
    for (int i = 0; i < 700; ++i) {
      graph.replay();
      if (i % 50 < 3)
        check();
      else {
        append(space, plain_narrow, growing.new_keys, growing.new_values);
        space.fence();
      }
    }
    // An entry that is no page: flagged, and nothing is written by it.
    const auto last = Kokkos::subview(growing.table, 1, at((701 - 1) / size));
    Kokkos::deep_copy(last, 1 << 30);
    const auto before = to_host<float>(View<bfloat16*>(growing.keys.data(), growing.keys.size()));
    append(space, narrow, growing.new_keys, growing.new_values);
    plan.run(space, queries, paged, out, {.seed = 4, .statistics = statistics});
    space.fence();
    CHECK(same_bits(to_host<float>(View<bfloat16*>(growing.keys.data(), growing.keys.size())), before));
    const auto flags = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, statistics);
    for (std::size_t kv = 0; kv < 2; ++kv) {
      CHECK(flags(0, kv).flags == 0);
      CHECK(flags(1, kv).flags == Statistics::page_out_of_range);
    }
  }
}
