// Ragged batches on a device: graphs follow the lengths in memory, teams that take units give the same bits in every
// run and with any batch mates, and long requests are merged as short ones are.
#include "device/graph.hpp"
#include "device/instances.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"

#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Memory = Device::memory_space;
using Lengths = std::vector<std::int64_t>;

std::vector<AnyMethod> all_methods(std::int64_t rows) {
  std::vector<AnyMethod> methods = exact_and_samplers(rows);
  methods.emplace_back(MassUnit{.rows = rows, .steered = true});
  return methods;
}

constexpr std::int64_t longest = 40000;  // more splits than one team merges

template <class T>
Problem<Device, T, float> some_problem(std::int64_t dim) {
  Problem<Device, T, float> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = longest, .dim = dim},
                                    Arrangement::token_major, true);
  problem.fill(5).set_lengths({longest, 1, 33, 0, 5000, 1024}).upload();
  return problem;
}

bool same(const Result& a, const Result& b) {
  return same_bits(a.out, b.out) && same_bits(a.lse, b.lse) && same_bits(a.error, b.error) &&
         same_bits(a.statistics, b.statistics);
}

/// The output of request b.
std::vector<float> part(const Result& result, const Shape& shape, std::int64_t b) {
  const std::int64_t size = shape.heads * shape.dim;
  return {result.out.begin() + b * size, result.out.begin() + (b + 1) * size};
}

template <class T>
void check_graph(std::int64_t dim) {
  const Stream stream;
  const Device space(stream.get());
  auto problem = some_problem<T>(dim);
  const Lengths short_ones = {5, 0, 300, 1, 31, 64};
  const Lengths long_ones = {1000, 32000, 0, longest, 257, longest};
  const auto other_problem = some_problem<T>(dim);
  for (const AnyMethod& method : all_methods(2000)) {
    CAPTURE(method.index());
    Runner<Device, T, float> runner(problem, method);
    const auto eager = [&](const Lengths& lengths) {
      problem.replace_lengths(lengths);
      return runner.run({.seed = 3, .step = 1, .space = space});
    };
    const Result expected_short = eager(short_ones);
    const Result expected_long = eager(long_ones);
    // The cache's lengths as the graph knows them: in one place, changed between replays.
    problem.replace_lengths(short_ones);
    const auto lengths = problem.length_view();
    const Schedule<Memory> schedule(space, problem.shape);
    for (const bool with_schedule : {false, true}) {
      CAPTURE(with_schedule);
      const Settings<Device> settings{
          .seed = 3, .step = 1, .space = space, .schedule = with_schedule ? schedule : Schedule<Memory>{}};
      const Graph graph(stream.get(), [&] {
        if (with_schedule) schedule.update(space, lengths);
        runner.launch(settings);
      });
      Runner<Device, T, float>(other_problem, method).run({.seed = 1});  // another plan in between
      const auto replay = [&](const Lengths& now) {
        const Kokkos::View<std::int64_t*, Memory> writable(const_cast<std::int64_t*>(lengths.data()), now.size());
        Kokkos::deep_copy(writable, Kokkos::View<const std::int64_t*, Kokkos::HostSpace>(now.data(), now.size()));
        runner.mark();
        Kokkos::fence();
        graph.replay();
        return runner.fetch();
      };
      CHECK(same(replay(long_ones), expected_long));
      CHECK(same(replay(short_ones), expected_short));
      CHECK(same(replay(long_ones), expected_long));
      replay(short_ones);
    }
  }
}

template <class T>
void check_mates(std::int64_t dim) {
  auto problem = some_problem<T>(dim);
  for (const AnyMethod& method : all_methods(2000)) {
    CAPTURE(method.index());
    Runner<Device, T, float> runner(problem, method);
    for (const std::int64_t own : {1, 700, 9000, 40000}) {
      CAPTURE(own);
      const auto run = [&](const Lengths& lengths, const std::vector<std::uint32_t>& requests, std::int64_t b) {
        problem.replace_lengths(lengths);
        return part(runner.run({.seed = 4, .requests = requests}), problem.shape, b);
      };
      const std::vector<std::uint32_t> requests = {9, 8, 7, 6, 5, 4};
      const auto expected = run({1, own, 1, 0, 1, 1}, requests, 1);
      CHECK(same_bits(run({longest, own, longest, longest, longest, longest}, requests, 1), expected));
      CHECK(same_bits(run({300, own, 12000, 257, 33, 20000}, requests, 1), expected));
      CHECK(same_bits(run({300, longest, 12000, 257, own, 20000}, {9, 5, 7, 6, 8, 4}, 4), expected));
      int different = 0;
      for (int repeat = 0; repeat < 10; ++repeat)
        different += !same_bits(run({300, own, 12000, 257, 33, 20000}, requests, 1), expected);
      CHECK(different == 0);
    }
  }
}

}  // namespace

TEST_CASE("ragged_batches_of_a_device_match_the_reference") {
  const auto problem = some_problem<float>(64);
  const Reference reference = exact_reference(problem);
  for (const AnyMethod& method : exact_and_samplers(longest)) {
    CAPTURE(method.index());
    Runner<Device, float, float> runner(problem, method);
    CHECK(relative_error(runner.run().out, reference.out) < 1e-5);
  }
}

TEST_CASE("a_graph_captured_with_short_requests_replays_with_long_ones") {
  check_graph<bfloat16>(128);
  check_graph<float>(64);
}

TEST_CASE("a_request_of_a_device_has_the_bits_it_has_with_any_other_batch_mates") {
  check_mates<bfloat16>(128);
  check_mates<float>(64);
}
