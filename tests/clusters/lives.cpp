// Clusters as caches grow, shrink and lie in pages; the same draws in any batch; bad input is named.
#include "clusters/cluster_problem.hpp"
#include "paged/paged_problem.hpp"
#include "support/data.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

std::vector<std::byte> records(const ClusteredKeys<Memory>& keys) {
  const auto arrays = keys.arrays();
  const std::int64_t count = keys.shape().batch * keys.shape().kv_heads * arrays.chunks * arrays.record;
  return to_host<std::byte>(Kokkos::View<const std::byte*, Memory>(arrays.data, at(count)));
}

void check_same(const ClusterResult& given, const ClusterResult& expected) {
  CHECK(same_bits(given.out, expected.out));
  CHECK(same_bits(given.lse, expected.lse));
  CHECK(same_bits(given.error, expected.error));
  for (std::size_t i = 0; i < given.statistics.size(); ++i) {
    CHECK(given.statistics[i].bytes_read == expected.statistics[i].bytes_read);
    CHECK(given.statistics[i].rows_read == expected.statistics[i].rows_read);
  }
}

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("tokens_that_come_one_by_one_make_the_same_clusters") {
  ClusterProblem<Space, float> clusters({2, 4, 2, 200, 32}, {.chunk = 64, .keys = 8});
  clusters.problem.fill(3).set_lengths({200, 150}).upload();
  clusters.make();
  const auto all = records(clusters.keys);
  CHECK(to_host<int>(clusters.keys.clustered()) == std::vector<int>{3, 2});
  const ClusteredKeys<Memory> grown(Space{}, clusters.problem.shape, {.chunk = 64, .keys = 8});
  const NewestClusters<Memory> newest(Space{}, grown, 1);
  for (std::int64_t length = 0; length <= 200; ++length) {
    clusters.problem.replace_lengths({length, length > 50 ? length - 50 : 0});
    newest.run(Space{}, clustered(clusters.problem.cache(), grown));
  }
  CHECK(to_host<int>(grown.clustered()) == std::vector<int>{3, 2});
  CHECK(same_bits(records(grown), all));
  grown.reset(Space{}, 0);
  CHECK(to_host<int>(grown.clustered()) == std::vector<int>{0, 2});
}

TEST_CASE("a_chunk_is_clustered_over_many_calls_and_read_as_it_is_until_then") {
  ClusterProblem<Space, float> clusters({2, 4, 2, 200, 32}, {.chunk = 64, .keys = 8});
  clusters.problem.fill(3).set_lengths({150, 100}).upload();
  clusters.make();
  const auto all = records(clusters.keys);
  const Reference right = exact_reference(clusters.problem);
  for (const std::int64_t calls : {2, 7, 40, 96, 1000}) {
    CAPTURE(calls);
    const ClusteredKeys<Memory> grown(Space{}, clusters.problem.shape, {.chunk = 64, .keys = 8});
    const auto cache = clustered(clusters.problem.cache(), grown);
    const NewestClusters<Memory> newest(Space{}, grown, calls);
    const ClusterPlan plan(Space{}, {.bytes = 0.9}, clusters.problem.queries(), cache);
    std::int64_t needed = 0;
    for (; to_host<int>(grown.clustered())[0] == 0; ++needed) {
      REQUIRE(needed <= calls);
      if (needed % 16 == 1) CHECK(relative_error(clusters.run_on(plan, cache, {}).out, right.out) < 1e-5);
      newest.run(Space{}, cache);
    }
    CHECK(to_host<int>(grown.clustered()) == std::vector<int>{1, 1});
    CHECK(needed > (calls < 150 ? calls / 2 : 75));
    // Work on a chunk that is no longer full is forgotten.
    const auto run = [&] { newest.run(Space{}, clustered(clusters.problem.cache(), grown)); };
    run();
    clusters.problem.replace_lengths({100, 100});
    run();
    clusters.problem.replace_lengths({150, 100});
    for (std::int64_t n = 1; n < needed; ++n) run();
    CHECK(to_host<int>(grown.clustered()) == std::vector<int>{1, 1});
    run();
    CHECK(to_host<int>(grown.clustered()) == std::vector<int>{2, 1});
    CHECK(same_bits(records(grown), all));
  }
  const auto none = [&] { NewestClusters<Memory>(Space{}, clusters.keys, 0); };
  CHECK(message_of(none) == "santa: calls is 0; accepted: 1 or more, for a chunk to be clustered");
}

TEST_CASE("newest_clusters_refuse_keys_that_they_were_not_made_for") {
  const auto filled = [](const Shape& shape, const ClusterLayout& layout) {
    ClusterProblem<Space, float> clusters(shape, layout);
    clusters.problem.fill(3).upload();
    return clusters;
  };
  const auto own = filled({2, 2, 1, 128, 32}, {.chunk = 64, .keys = 8});
  const auto alike = filled({2, 2, 1, 128, 32}, {.chunk = 64, .keys = 8});
  const auto run = [&](std::int64_t calls, const ClusterProblem<Space, float>& given) {
    const NewestClusters<Memory> newest(Space{}, own.keys, calls);
    return message_of([&] { newest.run(Space{}, given.cache()); });
  };
  const std::string made_for = "; accepted: that of those that NewestClusters was made for (";
  CHECK(run(1, filled({1, 2, 2, 128, 32}, {.chunk = 64, .keys = 8})) ==
        "santa: clustered keys' batch is 1" + made_for + "2)");
  CHECK(run(1, filled({2, 2, 2, 128, 32}, {.chunk = 64, .keys = 8})) ==
        "santa: clustered keys' kv_heads is 2" + made_for + "1)");
  CHECK(run(1, filled({2, 2, 1, 128, 128}, {.chunk = 64, .keys = 8})) ==
        "santa: clustered keys' dim is 128" + made_for + "32)");
  CHECK(run(1, filled({2, 2, 1, 128, 32}, {.chunk = 128, .keys = 16})) ==
        "santa: clustered keys' chunk is 128" + made_for + "64)");
  CHECK(run(1, filled({2, 2, 1, 128, 32}, {.chunk = 64, .keys = 4})) ==
        "santa: clustered keys' clusters of a chunk is 16" + made_for + "8)");
  // Work on a chunk that is left for the next call is one cache's; where none is left, it may be another's.
  for (const std::int64_t calls : {2, 36, 96})
    CHECK(run(calls, alike) ==
          "santa: clustered keys is others than NewestClusters was made for; accepted: those, where several calls "
          "cluster a chunk");
  CHECK(run(96, own) == "nothing thrown");
  CHECK(to_host<int>(alike.keys.clustered()) == std::vector<int>{0, 0});
  CHECK(run(1, alike) == "nothing thrown");
  CHECK(to_host<int>(alike.keys.clustered()) == std::vector<int>{1, 1});
}

TEST_CASE("work_on_a_chunk_is_not_taken_for_that_on_another") {
  ClusterProblem<Space, float> old({1, 2, 1, 200, 32}, {.chunk = 64, .keys = 8});
  old.problem.fill(3).upload();
  ClusterProblem<Space, float> clusters(old.problem.shape, {.chunk = 64, .keys = 8});
  clusters.problem.fill(4).upload();
  clusters.make();
  const auto all = records(clusters.keys);
  for (const int midway : {30, 85}) {
    for (const std::string next : {"another request", "its prompt", "fewer chunks"}) {
      CAPTURE(midway);
      CAPTURE(next);
      const ClusteredKeys<Memory> keys(Space{}, old.problem.shape, {.chunk = 64, .keys = 8});
      const NewestClusters<Memory> newest(Space{}, keys, 96);
      const auto clustered_chunks = [&] { return to_host<int>(keys.clustered())[0]; };
      const int done = next == "another request" ? 0 : 2;
      while (clustered_chunks() < done) newest.run(Space{}, clustered(old.problem.cache(), keys));
      for (int call = 0; call < midway; ++call) newest.run(Space{}, clustered(old.problem.cache(), keys));
      const auto cache = clustered(clusters.problem.cache(), keys);
      if (next == "another request") keys.reset(Space{}, 0);
      if (next == "its prompt") {
        clusters.problem.replace_lengths({130});
        cluster_keys(Space{}, clustered(clusters.problem.cache(), keys));
        clusters.problem.replace_lengths({200});
      }
      if (next == "fewer chunks") Kokkos::deep_copy(keys.clustered(), 0);
      while (clustered_chunks() < 3) newest.run(Space{}, cache);
      CHECK(same_bits(records(keys), all));
    }
  }
}

TEST_CASE("rows_in_pages_give_the_same_bits") {
  ClusterProblem<Space, bfloat16> clusters({3, 4, 2, 300, 64}, {.chunk = 64, .keys = 8});
  fill_kinds(clusters.problem, 4, 8, 2.F, 2.F);
  clusters.problem.set_lengths({300, 0, 131}).upload();
  clusters.make();
  const PagedProblem paged(clusters.problem, 16);
  const ClusteredKeys<Memory> keys(Space{}, paged.by_table().shape(), {.chunk = 64, .keys = 8});
  const auto cache = clustered(paged.by_table(), keys);
  cluster_keys(Space{}, cache);
  CHECK(same_bits(records(keys), records(clusters.keys)));
  const Clusters method{.bytes = 0.3};
  const ClusterPlan plan(Space{}, method, clusters.problem.queries(), cache);
  check_same(clusters.run_on(plan, cache, {.seed = 5}), clusters.run(method, {.seed = 5}));
  for (const float x : clusters.run_on(plan, cache, {.seed = 5}).out) CHECK(x == x);
}

TEST_CASE("a_request_draws_the_same_in_any_batch") {
  ClusterProblem<Space, bfloat16> three({3, 4, 2, 700, 64}, {.chunk = 128, .keys = 8});
  ClusterProblem<Space, bfloat16> one({1, 4, 2, 700, 64}, {.chunk = 128, .keys = 8});
  fill_kinds(three.problem, 4, 8, 2.F, 2.F);
  for (std::int64_t i = 0; i < 700; ++i)
    for (std::int64_t kv = 0; kv < 2; ++kv)
      for (std::int64_t d = 0; d < 64; ++d) {
        one.problem.key(0, i, kv, d) = three.problem.key(2, i, kv, d);
        one.problem.value(0, i, kv, d) = three.problem.value(2, i, kv, d);
      }
  for (std::int64_t h = 0; h < 4; ++h)
    for (std::int64_t d = 0; d < 64; ++d) one.problem.query(0, h, d) = three.problem.query(2, h, d);
  three.problem.set_lengths({700, 400, 650}).upload();
  one.problem.set_lengths({650}).upload();
  three.make();
  one.make();
  const Clusters method{.bytes = 0.2};
  const ClusterPlan plan_of_three(Space{}, method, three.problem.queries(), three.cache());
  const ClusterPlan plan_of_one(Space{}, method, one.problem.queries(), one.cache());
  const ClusterState<Memory> states[2] = {{Space{}, three.problem.shape}, {Space{}, one.problem.shape}};
  const auto identity = to_space<Space>(std::vector<std::uint32_t>{2}, "test::identity");
  for (std::uint32_t step = 0; step < 4; ++step) {
    const ClusterResult many = three.run(plan_of_three, {.seed = 7, .step = step, .state = states[0]});
    const ClusterResult alone =
        one.run(plan_of_one, {.seed = 7, .step = step, .requests = identity, .state = states[1]});
    CHECK(same_bits(alone.out, std::vector<float>(many.out.begin() + 2 * 4 * 64, many.out.end())));
    CHECK(same_bits(alone.error, std::vector<float>(many.error.begin() + 2 * 4, many.error.end())));
    CHECK(alone.statistics[0].bytes_read == many.statistics[4].bytes_read);
  }
}

TEST_CASE("groups_of_more_than_8_heads_and_odd_dims_are_right") {
  for (const Shape& shape : {Shape{1, 12, 1, 500, 80}, Shape{1, 20, 2, 300, 24}, Shape{1, 3, 3, 260, 256}}) {
    CAPTURE(shape.dim);
    ClusterProblem<Space, santa::half> clusters(shape, {.chunk = 128, .keys = 16});
    clusters.problem.fill(6, 1.F).upload();
    clusters.make();
    const Reference right = exact_reference(clusters.problem);
    CHECK(relative_error(clusters.run({.keys = share(1.), .rows = share(1.)}, {}).out, right.out) < 1e-4);
    std::vector<double> mean(right.out.size());
    const ClusterPlan plan(Space{}, {.keys = share(0.5), .rows = share(0.3)}, clusters.problem.queries(),
                           clusters.cache());
    const ClusterState<Memory> state(Space{}, shape);
    for (std::uint32_t step = 0; step < 100; ++step) {
      const ClusterResult given = clusters.run(plan, {.step = step, .state = state});
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(given.out[i]) / 100.;
    }
    CHECK(relative_error(mean, right.out) < 0.06);
  }
}

TEST_CASE("lengths_below_a_chunk_and_counts_ahead_of_them_are_exact_or_flagged") {
  ClusterProblem<Space, float> clusters({3, 2, 1, 200, 32}, {.chunk = 64, .keys = 8});
  clusters.problem.fill(8).set_lengths({200, 63, 0}).upload();
  clusters.make();
  const ClusterResult given = clusters.run({.bytes = 0.3}, {.seed = 1});
  const Reference right = exact_reference(clusters.problem);
  for (std::size_t i = 64; i < 128; ++i) CHECK(std::fabs(static_cast<double>(given.out[i]) - right.out[i]) < 1e-5);
  CHECK(given.error[2] == 0.F);
  CHECK(given.statistics[1].rows_read == 63);
  for (std::size_t i = 128; i < 192; ++i) CHECK(given.out[i] == 0.F);
  CHECK(given.lse[4] == -infinity);
  // A request that was cut, without its clusters being told: those of whole chunks are used.
  clusters.problem.set_lengths({100, 63, 0});
  clusters.problem.replace_lengths({100, 63, 0});
  const ClusterResult cut = clusters.run({.keys = share(1.), .rows = share(1.)}, {.seed = 1});
  const Reference shorter = exact_reference(clusters.problem);
  CHECK(cut.statistics[0].flags == (ClusterStatistics::clusters_ahead | ClusterStatistics::all_keys));
  CHECK(cut.statistics[1].flags == 0);
  CHECK(relative_error(std::vector<float>(cut.out.begin(), cut.out.begin() + 64),
                       std::vector<double>(shorter.out.begin(), shorter.out.begin() + 64)) < 1e-4);
  clusters.problem.replace_lengths({1000, -3, 0});
  const ClusterResult clamped = clusters.run({.bytes = 0.3}, {.seed = 1});
  CHECK(clamped.statistics[0].flags == ClusterStatistics::length_clamped);
  CHECK(clamped.statistics[1].flags == ClusterStatistics::length_clamped);
}

TEST_CASE("zero_and_equal_keys_make_clusters_too_and_nan_shows") {
  for (const float constant : {0.F, 3.F}) {
    ClusterProblem<Space, float> clusters({1, 2, 1, 200, 32}, {.chunk = 64, .keys = 8});
    clusters.problem.fill(8);
    for (std::int64_t i = 0; i < 200; ++i)
      for (std::int64_t d = 0; d < 32; ++d) clusters.problem.key(0, i, 0, d) = constant;
    clusters.problem.upload();
    clusters.make();
    const Reference right = exact_reference(clusters.problem);
    CHECK(relative_error(clusters.run({.keys = share(1.), .rows = share(1.)}, {}).out, right.out) < 1e-5);
    for (const float x : clusters.run({.bytes = 0.4}, {}).out) CHECK(std::isfinite(x));
  }
  // A key that is none makes NaN, as in exact attention, of its own kv head alone.
  ClusterProblem<Space, float> clusters({1, 4, 2, 200, 32}, {.chunk = 64, .keys = 8});
  clusters.problem.fill(8);
  clusters.problem.key(0, 70, 1, 5) = quiet_nan;
  clusters.problem.upload();
  clusters.make();
  for (const double bytes : {0.2, 0.5}) {
    const ClusterResult given = clusters.run({.bytes = bytes}, {.seed = 3});
    for (std::size_t i = 0; i < 64; ++i) CHECK(std::isfinite(given.out[i]));
    for (std::size_t i = 64; i < 128; ++i) CHECK(std::isnan(given.out[i]));
  }
  // Keys of enormous scores: no overflow.
  clusters.problem.key(0, 70, 1, 5) = 3e3F;
  clusters.problem.upload();
  clusters.make();
  const Reference right = exact_reference(clusters.problem);
  CHECK(relative_error(clusters.run({.bytes = 0.5}, {.seed = 3}).out, right.out) < 0.5);
}

TEST_CASE("bad_input_is_named") {
  ClusterProblem<Space, float> clusters({1, 2, 1, 4096, 128}, {});
  clusters.problem.fill(8).upload();
  const auto plan_of = [&](const Clusters& method) {
    return message_of([&] { ClusterPlan(Space{}, method, clusters.problem.queries(), clusters.cache()); });
  };
  CHECK(plan_of({.bytes = 0.005}) ==
        "santa: Clusters.bytes is 0.005; accepted: above 0.0091552734375, what the means of clusters take, to 1");
  CHECK(plan_of({.bytes = 1.5}).find("Clusters.bytes is 1.5") != std::string::npos);
  CHECK(plan_of({.bytes = 0.5, .code_share = 1.}).find("Clusters.code_share is 1;") != std::string::npos);
  CHECK(plan_of({.keys = 100}).find("Clusters.rows is 0;") != std::string::npos);
  CHECK(plan_of({.keys = share(2.), .rows = 3}).find("Clusters.keys is share(2)") != std::string::npos);
  const auto keys_of = [&](const ClusterLayout& layout) {
    return message_of([&] { ClusteredKeys<Memory>(Space{}, clusters.problem.shape, layout); });
  };
  CHECK(keys_of({.chunk = 16}).find("ClusterLayout.chunk is 16;") != std::string::npos);
  CHECK(keys_of({.chunk = 2048, .keys = 24}).find("ClusterLayout.keys is 24;") != std::string::npos);
  const ClusteredKeys<Memory> other(Space{}, {1, 2, 1, 2048, 128});
  CHECK(message_of([&] { (void)clustered(clusters.problem.cache(), other).shape(); }) ==
        "santa: clustered keys' length is 2048; accepted: that of the cache (4096)");
  const ClusteredKeys<Memory> small(Space{}, clusters.problem.shape, {.chunk = 1024});
  const ClusterPlan plan(Space{}, {}, clusters.problem.queries(), clusters.cache());
  CHECK(message_of([&] {
          (void)clusters.run_on(plan, clustered(clusters.problem.cache(), small), {});
        }).find("clustered keys' chunk is 1024; accepted: the plan's 2048") != std::string::npos);
  CHECK(message_of([&] {
          (void)clusters.run(plan, {.state = ClusterState<Memory>(Space{}, {1, 4, 1, 4096, 128})});
        }).find("state's heads is 4") != std::string::npos);
  // Memory is known before it is had.
  CHECK(ClusteredKeys<Memory>::bytes({4, 32, 8, 131072, 128}) > 0);
  const double whole = 2. * 2 * 128 * 4 * 8 * 131072;
  CHECK(static_cast<double>(ClusteredKeys<Memory>::bytes({4, 32, 8, 131072, 128})) / whole ==
        doctest::Approx(0.28).epsilon(0.03));
  CHECK(static_cast<double>(ClusteredKeys<Memory>::bytes({4, 32, 8, 131072, 128}, {.value_codes = false})) / whole ==
        doctest::Approx(0.15).epsilon(0.03));
}
