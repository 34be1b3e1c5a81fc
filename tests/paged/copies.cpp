// Narrow copies of pools: the same table, the bits of copies of a contiguous cache.
#include "limits/message.hpp"
#include "paged/paged_problem.hpp"
#include "support/reference.hpp"
#include "support/run_once.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space, class T>
Problem<Space, T> ragged() {
  Problem<Space, T> problem({.batch = 4, .heads = 8, .kv_heads = 2, .length = 1200, .dim = 64});
  problem.fill(5).set_lengths({1200, 0, 333, 577}).upload();
  return problem;
}

/// Fills a copy with what no kernel may show: what is not encoded afterwards.
template <class Code, class Memory>
void spoil(const NarrowKeys<Code, Memory>& keys) {
  Kokkos::deep_copy(keys.scales, bfloat16(quiet_nan));
}
template <class T, class Memory>
void spoil(const LowRankKeys<T, Memory>& keys) {
  Kokkos::deep_copy(keys.keys, storage_t<T>(quiet_nan));
}
template <class Memory>
void spoil(const SparseKeys<Memory>& keys) {
  Kokkos::deep_copy(keys.values, bfloat16(quiet_nan));
}

/// Gives every request of a contiguous copy what the copy of the pool has in common.
template <class Code, class Memory>
void take_common(const NarrowKeys<Code, Memory>& to, const NarrowKeys<Code, Memory>& from) {
  for (std::size_t b = 0; b < to.center.extent(0); ++b) {
    const auto copy = [&](const auto& all, const auto& one) {
      Kokkos::deep_copy(Kokkos::subview(all, b, Kokkos::ALL, Kokkos::ALL),
                        Kokkos::subview(one, 0, Kokkos::ALL, Kokkos::ALL));
    };
    copy(to.center, from.center);
    copy(to.spread, from.spread);
  }
}
template <class T, class Memory>
void take_common(const LowRankKeys<T, Memory>& to, const LowRankKeys<T, Memory>& from) {
  Kokkos::deep_copy(to.projection, from.projection);
}
template <class Memory>
void take_common(const SparseKeys<Memory>& /*to*/, const SparseKeys<Memory>& /*from*/) {}

/// Calls f(method) for some of the methods, or for all: those that are never called are not compiled.
template <bool may_be_all, class F>
void for_methods(bool all, const F& f) {
  f(Exact{});
  f(MassUnit{.rows = 60});
  if constexpr (may_be_all) {
    if (!all) return;
    f(MassUnit{.rows = 60, .steered = true});
    f(MassUnit{.target_error = 0.1F});
    f(Systematic{.samples = 40});
    f(Stratified{.samples = 40});
    f(Multinomial{.samples = 40});
    f(FixedTileBudget{.samples = 40});
    f(ProportionalTileBudget{.samples = 40});
  }
}

template <bool may_be_all = false, class Space, class T, class Cache, class Plain>
void check_same(const Problem<Space, T>& problem, const Cache& cache, const Plain& plain, bool all = false) {
  for_methods<may_be_all>(all, [&](const auto& method) {
    const Result given = run_once(method, problem, cache), expected = run_once(method, problem, plain);
    CHECK(same_bits(given.out, expected.out));
    CHECK(same_bits(given.lse, expected.lse));
    CHECK(same_bits(given.error, expected.error));
    CHECK(same_bits(given.statistics, expected.statistics));
    CHECK(std::none_of(given.out.begin(), given.out.end(), [](float x) { return x != x; }));
  });
}

/// A copy of the pool beside one of the contiguous cache, by make(shape).
template <bool may_be_all = false, class Space, class T, class Make>
void check_copy(const Problem<Space, T>& problem, const Make& make, bool all_methods = false) {
  const auto plain = make(problem.shape);
  for (const std::int64_t size : small_pages) {
    CAPTURE(size);
    const PagedProblem paged(problem, size);
    const PagedCache full = paged.by_table();
    const auto copy = make(full.pool_shape());
    spoil(copy);
    if constexpr (requires { calibrate(Space{}, full, copy); }) calibrate(Space{}, full, copy);
    encode_keys(Space{}, full, copy);
    take_common(plain, copy);
    encode_keys(Space{}, problem.cache(), plain);
    const bool all = all_methods && size == 16;
    const NarrowCache by_table{full, copy};
    const NarrowCache by_list{paged.by_list(), copy};
    validate(Space{}, by_table);
    validate(Space{}, by_list);
    check_same<may_be_all>(problem, by_table, NarrowCache{problem.cache(), plain}, all);
    check_same<may_be_all>(problem, rescored(by_list), rescored(NarrowCache{problem.cache(), plain}), all);
  }
}

template <class Code, bool all_methods = false, class Space, class T>
void check_codes(const Problem<Space, T>& problem) {
  for (const CacheLayout layout : {CacheLayout::token_major, CacheLayout::head_major})
    check_copy<all_methods>(
        problem,
        [&](const Shape& shape) { return NarrowKeys<Code, typename Space::memory_space>(Space{}, shape, layout); },
        all_methods && layout == CacheLayout::token_major);
}

}  // namespace

SANTA_SPACE_TEST_CASE("int8_copies_of_pools_by_every_method") {
  check_codes<std::int8_t, true>(ragged<Space, bfloat16>());
}
SANTA_SPACE_TEST_CASE("int4_copies_of_pools") { check_codes<int4x2>(ragged<Space, bfloat16>()); }
SANTA_SPACE_TEST_CASE("float8_copies_of_pools") { check_codes<float8>(ragged<Space, bfloat16>()); }
SANTA_SPACE_TEST_CASE("low_rank_copies_of_pools") {
  check_copy(ragged<Space, float>(), [](const Shape& shape) {
    return LowRankKeys<bfloat16, typename Space::memory_space>(Space{}, shape, 24);
  });
}
SANTA_SPACE_TEST_CASE("sparse_copies_of_pools") {
  check_copy(ragged<Space, float>(),
             [](const Shape& shape) { return SparseKeys<typename Space::memory_space>(Space{}, shape, 16, 32); });
}

SANTA_SPACE_TEST_CASE("feature_major_keys_of_a_cache_in_pages_are_kept_request_by_request") {
  const auto problem = ragged<Space, float>();
  const PagedProblem paged(problem, 16);
  const PagedCache full = paged.by_table();
  const FeatureKeys<float, typename Space::memory_space> copy(Space{}, full.shape()), plain(Space{}, problem.shape);
  transpose_keys(Space{}, full, copy);
  transpose_keys(Space{}, problem.cache(), plain);
  const FeatureCache features{full, copy, Bernoulli{.draws = 4}};
  const FeatureCache expected{problem.cache(), plain, Bernoulli{.draws = 4}};
  validate(Space{}, features);
  check_same(problem, features, expected);
  check_same(problem, rescored(features), rescored(expected));
  Kokkos::deep_copy(Kokkos::subview(copy.lengths, 2), 332);
  CHECK(message_of([&] { validate(Space{}, features); }) ==
        "santa: feature-major keys' lengths(2) is 332; accepted: that of the full cache (333)");
}

SANTA_SPACE_TEST_CASE("a_copy_of_a_pool_is_near_its_keys") {
  const auto problem = ragged<Space, float>();
  const Reference reference = exact_reference(problem);
  const PagedProblem paged(problem, 5, {CacheLayout::head_major, true});
  const NarrowKeys<std::int8_t, typename Space::memory_space> copy(Space{}, paged.by_list().pool_shape());
  calibrate(Space{}, paged.by_list(), copy);
  encode_keys(Space{}, paged.by_list(), copy);
  double mean = 0.;
  for (std::size_t b = 0; b < 4; ++b)
    for (std::int64_t i = 0; i < problem.lengths[b]; ++i)
      mean += static_cast<double>(problem.key(static_cast<std::int64_t>(b), i, 1, 7)) / (1200 + 333 + 577);
  const auto center = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, copy.center);
  CHECK(static_cast<double>(center(0, 1, 7)) == doctest::Approx(mean).epsilon(1e-5));
  const NarrowCache cache{paged.by_list(), copy};
  CHECK(relative_error(run_once(Exact{}, problem, cache).out, reference.out) < 0.02);
  CHECK(relative_error(run_once(Exact{}, problem, rescored(cache)).out, reference.out) < 1e-5);
}

SANTA_SPACE_TEST_CASE("copies_grow_with_the_cache") {
  const auto problem = ragged<Space, float>();
  using Memory = typename Space::memory_space;
  using New = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
  const std::vector<std::int64_t> before = {1150, 0, 332, 577};
  std::vector<std::int32_t> counts;
  const New keys("keys", 4, 50, 2, 64), values("values", 4, 50, 2, 64);
  const auto host_keys = Kokkos::create_mirror_view(keys), host_values = Kokkos::create_mirror_view(values);
  Kokkos::deep_copy(host_keys, quiet_nan);
  for (std::int64_t b = 0; b < 4; ++b) {
    counts.push_back(static_cast<std::int32_t>(problem.lengths[at(b)] - before[at(b)]));
    for (std::int64_t i = 0; i < counts.back(); ++i)
      for (std::int64_t kv = 0; kv < 2; ++kv)
        for (std::int64_t d = 0; d < 64; ++d) {
          host_keys(at(b), at(i), at(kv), at(d)) = problem.key(b, before[at(b)] + i, kv, d);
          host_values(at(b), at(i), at(kv), at(d)) = problem.value(b, before[at(b)] + i, kv, d);
        }
  }
  Kokkos::deep_copy(keys, host_keys);
  Kokkos::deep_copy(values, host_values);
  const auto numbers = to_space<Space>(counts, "counts");

  const PagedProblem paged(problem, 16);
  const auto cache_of = [&](const std::vector<std::int64_t>& lengths) {
    return PagedCache{paged.writable_keys(), paged.writable_values(), paged.table_of(lengths)};
  };
  const PagedCache now = cache_of(problem.lengths);
  const NarrowKeys<int4x2, Memory> all(Space{}, now.pool_shape()), grown(Space{}, now.pool_shape());
  calibrate(Space{}, now, all);
  encode_keys(Space{}, now, all);
  Kokkos::deep_copy(grown.center, all.center);
  Kokkos::deep_copy(grown.spread, all.spread);
  encode_keys(Space{}, cache_of(before), grown);
  const FeatureKeys<float, Memory> features(Space{}, now.shape()), old(Space{}, now.shape());
  transpose_keys(Space{}, now, features);
  transpose_keys(Space{}, cache_of(before), old);
  const auto bytes = to_host<float>(paged.storage());

  append(Space{}, NarrowCache{now, grown}, keys, values, numbers);
  append(Space{}, FeatureCache{now, old, Bernoulli{}}, keys, values, numbers);
  CHECK(same_bits(to_host<float>(paged.storage()), bytes));
  const auto same = [](const auto& a, const auto& b) {
    const auto first = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, a);
    const auto second = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, b);
    return std::memcmp(first.data(), second.data(), first.span() * sizeof(*first.data())) == 0;
  };
  CHECK(same(grown.codes, all.codes));
  CHECK(same(grown.scales, all.scales));
  CHECK(same(old.keys, features.keys));
  CHECK(same(old.lengths, features.lengths));
  const auto distance = [](const auto& a, const auto& b) {
    const auto first = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, a);
    const auto second = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, b);
    float largest = 0.F;
    for (std::size_t i = 0; i < first.span(); ++i)
      largest = std::max(largest, std::fabs(first.data()[i] - second.data()[i]));
    return largest;
  };
  // Others in the place of rejected tokens, the copy having heard of the rejection or not.
  for (const bool cut : {false, true}) {
    append(Space{}, FeatureCache{now, old, Bernoulli{}}, values, keys, numbers);
    CHECK_FALSE(same(old.keys, features.keys));
    if (cut) {
      const auto none = to_space<Space>(std::vector<std::int32_t>(before.size(), 0), "none");
      append(Space{}, FeatureCache{cache_of(before), old, Bernoulli{}}, keys, values, none);
      CHECK(to_host<std::int64_t>(old.lengths) == before);
    }
    append(Space{}, FeatureCache{now, old, Bernoulli{}}, keys, values, numbers);
    CHECK(same(old.keys, features.keys));
    CHECK(same(old.lengths, features.lengths));
    CHECK(distance(old.mean, features.mean) < 1e-4F);
    CHECK(distance(old.deviation, features.deviation) < 1e-4F);
  }
  // Of the last rows too, by themselves.
  const NarrowKeys<int4x2, Memory> newest(Space{}, now.pool_shape());
  Kokkos::deep_copy(newest.center, all.center);
  Kokkos::deep_copy(newest.spread, all.spread);
  encode_keys(Space{}, cache_of({1150, 0, 283, 527}), newest);
  encode_newest_keys(Space{}, now, newest, 50);
  CHECK(same(newest.codes, all.codes));
}

SANTA_SPACE_TEST_CASE("requests_that_share_pages_share_their_copies") {
  const auto problem = ragged<Space, float>();
  const PagedProblem paged(problem, 16);
  // Three requests on the pages of request 0: all of them, the first 40 rows, and a part of its own after 32 rows.
  std::vector<std::int32_t> table(3 * 75, -1);
  std::copy_n(paged.entries.begin(), 75, table.begin());
  std::copy_n(paged.entries.begin(), 3, table.begin() + 75);
  std::copy_n(paged.entries.begin(), 2, table.begin() + 150);
  std::copy_n(paged.entries.begin() + paged.first(3), 37, table.begin() + 152);
  const std::vector<std::int64_t> lengths = {1200, 40, 32 + 577};
  Problem<Space, float> shared({.batch = 3, .heads = 8, .kv_heads = 2, .length = 1200, .dim = 64});
  shared.fill(9).set_lengths(lengths);
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t i = 0; i < lengths[at(b)]; ++i)
      for (std::int64_t kv = 0; kv < 2; ++kv)
        for (std::int64_t d = 0; d < 64; ++d) {
          const bool own = b == 2 && i >= 32;
          shared.key(b, i, kv, d) = problem.key(own ? 3 : 0, own ? i - 32 : i, kv, d);
          shared.value(b, i, kv, d) = problem.value(own ? 3 : 0, own ? i - 32 : i, kv, d);
        }
  shared.upload();
  const auto entries = to_space<Space>(table, "table");
  const Kokkos::View<const std::int32_t**, Kokkos::LayoutRight, typename Space::memory_space> rows(entries.data(), 3,
                                                                                                   75);
  const PagedCache full{paged.keys(), paged.values(), PageTable{rows, to_space<Space>(lengths, "lengths")}};
  check_same<true>(shared, full, shared.cache(), true);
  CHECK(relative_error(run_once(Exact{}, shared, full).out, exact_reference(shared).out) < 1e-5);
  const NarrowKeys<float8, typename Space::memory_space> copy(Space{}, full.pool_shape()), plain(Space{}, shared.shape);
  spoil(copy);
  calibrate(Space{}, paged.by_table(), copy);
  encode_keys(Space{}, full, copy);
  take_common(plain, copy);
  encode_keys(Space{}, shared.cache(), plain);
  check_same(shared, NarrowCache{full, copy}, NarrowCache{shared.cache(), plain});
}

SANTA_SPACE_TEST_CASE("copies_that_do_not_fit_the_pool_or_have_bad_scales_are_named") {
  const auto problem = ragged<Space, float>();
  PagedProblem paged(problem, 16);
  const PagedCache full = paged.by_table();
  using Keys = NarrowKeys<std::int8_t, typename Space::memory_space>;
  const Keys of_requests(Space{}, full.shape());
  const auto shape_of = [&](const auto& copy) {
    return message_of([&] { static_cast<void>(NarrowCache(full, copy).shape()); });
  };
  CHECK(shape_of(of_requests) ==
        "santa: narrow keys' batch is 4; accepted: that of the pool, all of whose slots are one batch (1)");
  const std::string slots = std::to_string(paged.pages * 16);
  CHECK(shape_of(Keys(Space{}, {1, 2, 2, 48, 64})) ==
        "santa: narrow keys' length is 48; accepted: that of the pool, all of whose slots are one batch (" + slots +
            ")");
  const Keys copy(Space{}, full.pool_shape());
  calibrate(Space{}, full, copy);
  encode_keys(Space{}, full, copy);
  const std::int64_t slot = paged.entries[at(paged.first(2))] * std::int64_t{16} + 5;
  Kokkos::deep_copy(Kokkos::subview(copy.scales, 0, 1, at(slot)), bfloat16(quiet_nan));
  CHECK(message_of([&] { validate(Space{}, NarrowCache(full, copy)); }) ==
        "santa: scales(0, 1, " + std::to_string(slot) + ") is nan; accepted: a positive finite number");
  const Result result = run_once(Exact{}, problem, NarrowCache{full, copy});
  for (std::size_t h = 0; h < 32; ++h) CHECK((result.lse[h] != result.lse[h]) == (h >= 20 && h < 24));
  // An entry that is no page: named, flagged, and nothing of the copy is written or read by it.
  paged.entries[at(paged.first(2))] = 1 << 30;
  paged.upload();
  const auto before =
      to_host<float>(Kokkos::View<bfloat16*, typename Space::memory_space>(copy.scales.data(), copy.scales.size()));
  encode_keys(Space{}, paged.by_table(), copy);
  CHECK(run_once(MassUnit{.rows = 30}, problem, NarrowCache{paged.by_table(), copy}).statistics[4].flags ==
        Statistics::page_out_of_range);
  const auto after =
      to_host<float>(Kokkos::View<bfloat16*, typename Space::memory_space>(copy.scales.data(), copy.scales.size()));
  CHECK(same_bits(before, after));
}
