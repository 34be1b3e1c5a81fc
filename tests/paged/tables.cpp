// What a table may have and what it may not: sentences, and kernels that no entry leads astray.
#include "limits/message.hpp"
#include "paged/paged_problem.hpp"
#include "support/run_once.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr const char* of_the_pool = "; accepted: 0 to 11, the pages of the pool";

/// Nine pages of 16 for three requests, of twelve.
template <class Space>
Problem<Space, float> three() {
  Problem<Space, float> problem({.batch = 3, .heads = 4, .kv_heads = 2, .length = 96, .dim = 64});
  problem.fill(2).set_lengths({96, 0, 40}).upload();
  return problem;
}

template <class Cache>
std::string validation(const Cache& cache) {
  return message_of([&] { validate(typename Cache::key_view::execution_space{}, cache); });
}

/// A list of one's own over the pool of three().
template <class Space>
auto with_list(const PagedProblem<Space, float>& paged, const std::vector<std::int32_t>& indptr,
               const std::vector<std::int32_t>& last, std::int64_t length = 96) {
  return PagedCache{
      paged.keys(), paged.values(),
      PageList{to_space<Space>(indptr, "indptr"), paged.list().indices(), to_space<Space>(last, "last"), length}};
}

}  // namespace

SANTA_SPACE_TEST_CASE("an_entry_that_is_no_page_is_named_and_taken_for_page_0") {
  const auto problem = three<Space>();
  PagedProblem paged(problem, 16);
  REQUIRE(paged.pages == 12);
  CHECK(validation(paged.by_table()).empty());
  CHECK(validation(paged.by_list()).empty());
  for (const std::int32_t bad : {12, -1, 1 << 30, -(1 << 30)}) {
    CAPTURE(bad);
    const std::int32_t right = paged.entries[7];
    paged.entries[7] = bad;
    paged.upload();
    const std::string given = std::to_string(bad) + of_the_pool;
    CHECK(validation(paged.by_table()) == "santa: table(2, 1) is " + given);
    CHECK(validation(paged.by_list()) == "santa: indices(7), page 1 of request 2, is " + given);
    const auto query = problem.queries();
    const Kokkos::View<float***, typename Space::memory_space> out("out", 3, 4, 64);
    CHECK(message_of([&] { decode(Space{}, Exact{}, query, paged.by_table(), out); }) ==
          "santa: table(2, 1) is " + given);
    const Result clamped = run_once(MassUnit{.rows = 20}, problem, paged.by_table());
    for (std::size_t i = 0; i < 6; ++i)
      CHECK(clamped.statistics[i].flags == (i < 4 ? 0U : std::uint32_t{Statistics::page_out_of_range}));
    const auto windowed = [&](std::int64_t keys) {
      return run_once(Exact{}, problem, paged.by_list(), {}, {}, Window{keys}).statistics[4].flags;
    };
    CHECK(windowed(9) == Statistics::page_out_of_range);  // of rows 31 to 39
    CHECK(windowed(8) == 0);
    CHECK(same_bits(clamped.out, run_once(MassUnit{.rows = 20}, problem, paged.by_list()).out));
    paged.entries[7] = 0;
    paged.upload();
    CHECK(same_bits(clamped.out, run_once(MassUnit{.rows = 20}, problem, paged.by_table()).out));
    paged.entries[7] = right;
  }
  // The first of several.
  paged.entries[8] = paged.entries[3] = paged.entries[4] = 99;
  paged.upload();
  CHECK(validation(paged.by_table()) == "santa: table(0, 3) is 99" + std::string(of_the_pool));
}

SANTA_SPACE_TEST_CASE("lengths_out_of_range_are_named_clamped_and_flagged") {
  const auto problem = three<Space>();
  const PagedProblem paged(problem, 16);
  const auto message = [&](const std::vector<std::int64_t>& lengths) {
    return validation(PagedCache{paged.keys(), paged.values(),
                                 PageTable{paged.table().table(), to_space<Space>(lengths, "lengths")}});
  };
  CHECK(message({96, 0, 97}) == "santa: lengths(2) is 97; accepted: 0 to what the table may hold (96)");
  CHECK(message({96, -1, 97}) == "santa: lengths(1) is -1; accepted: 0 to what the table may hold (96)");
  const auto listed = [&](const std::vector<std::int32_t>& indptr, const std::vector<std::int32_t>& last) {
    return validation(with_list(paged, indptr, last));
  };
  CHECK(listed({0, 6, 6, 9}, {16, 0, 8}).empty());
  CHECK(listed({0, 6, 6, 10}, {16, 0, 8}) == "santa: indptr(3) is 10; accepted: 6 to 9, the extent of indices");
  CHECK(listed({0, 6, 5, 9}, {16, 1, 8}) == "santa: indptr(2) is 5; accepted: 6 to 9, the extent of indices");
  CHECK(listed({-1, 6, 6, 9}, {16, 0, 8}) == "santa: indptr(0) is -1; accepted: 0 to 9, the extent of indices");
  CHECK(listed({0, 6, 6, 9}, {17, 0, 8}) == "santa: last_page_length(0) is 17; accepted: 1 to the page size (16)");
  CHECK(listed({0, 6, 6, 9}, {16, 0, 0}) == "santa: last_page_length(2) is 0; accepted: 1 to the page size (16)");
  CHECK(listed({0, 7, 7, 9}, {1, 0, 8}) == "santa: the length of request 0 is 97; accepted: at most the largest (96)");

  // None of these leads a kernel anywhere; a length that can't be is 0, one that is too large the largest.
  const Result result = run_once(Exact{}, problem, with_list(paged, {0, 7, 7, 9}, {1, 0, 17}));
  const auto flagged = [&](std::size_t request) {
    return (result.statistics[2 * request].flags & Statistics::length_clamped) != 0;
  };
  CHECK(flagged(0));
  CHECK_FALSE(flagged(1));
  CHECK(flagged(2));
  CHECK(result.statistics[0].rows_read == 96);
  CHECK(result.statistics[2 * 2].rows_read == 0);
  // Pages that are not in the list have no rows, where the length by itself could be.
  const auto last_of = [&](const std::vector<std::int32_t>& indptr) {
    return run_once(Exact{}, problem, with_list(paged, indptr, {16, 0, 8}));
  };
  const Result beyond = last_of({0, 6, 6, 11});
  CHECK(beyond.statistics[2 * 2].flags == Statistics::length_clamped);
  CHECK(beyond.statistics[2 * 2].rows_read == 48);
  CHECK(same_bits(beyond.out, run_once(Exact{}, problem, with_list(paged, {0, 6, 6, 9}, {16, 0, 16})).out));
  const Result outside = last_of({0, 6, 10, 12});
  CHECK(outside.statistics[2 * 2].flags == Statistics::length_clamped);
  CHECK(outside.statistics[2 * 2].rows_read == 0);
  for (const auto& indptr : std::vector<std::vector<std::int32_t>>{
           {0, 6, 6, 1 << 30}, {-(1 << 30), 6, 6, 9}, {1 << 30, 6, -(1 << 30), 9}, {0, -5, 20, 3}})
    run_once(MassUnit{.rows = 20}, problem, with_list(paged, indptr, {16, 16, 16}));
}

SANTA_SPACE_TEST_CASE("a_bad_entry_is_flagged_wherever_it_is_and_by_every_method") {
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 2016, .dim = 64});
  problem.fill(2).set_lengths({2016, 1999}).upload();
  const auto flags = [&](const auto& method, const auto& cache) {
    const auto statistics = run_once(method, problem, cache).statistics;
    CHECK(statistics[0].flags == 0);
    CHECK(statistics[1].flags == 0);
    CHECK(statistics[2].flags == statistics[3].flags);
    return statistics[2].flags;
  };
  for (const std::int64_t size : {1, 16, 48}) {
    PagedProblem paged(problem, size);
    CHECK(flags(Exact{}, paged.by_table()) == 0);
    for (const std::int64_t page : {std::int64_t{0}, paged.count(1) / 2, paged.count(1) - 1}) {
      auto& entry = paged.entries[static_cast<std::size_t>(paged.first(1) + page)];
      const std::int32_t right = std::exchange(entry, -7);
      paged.upload();
      constexpr std::uint32_t bad = Statistics::page_out_of_range;
      CHECK(flags(Exact{}, paged.by_table()) == bad);
      CHECK(flags(MassUnit{.rows = 20, .steered = true}, paged.by_list()) == bad);
      CHECK(flags(Systematic{.samples = 20}, paged.by_table()) == bad);
      CHECK(flags(FixedTileBudget{.samples = 32}, paged.by_list()) == bad);
      entry = right;
    }
  }
  problem.set_lengths({2016, 1}).upload();  // a request of one page
  PagedProblem paged(problem, 16);
  paged.entries[static_cast<std::size_t>(paged.first(1))] = -7;
  paged.upload();
  CHECK(flags(Exact{}, paged.by_table()) == Statistics::page_out_of_range);
}

SANTA_SPACE_TEST_CASE("shards_of_pages_have_rows_that_31_bits_number") {
  const auto problem = three<Space>();
  const PagedProblem paged(problem, 16);
  const auto message = [&](std::int64_t first_row) {
    return message_of([&] {
      auto addresses = paged.by_table().addresses();
      detail::begin_at(addresses, first_row);
    });
  };
  const auto rows = static_cast<std::int64_t>(paged.table().table().extent(1)) * 16;
  constexpr std::int64_t end = std::int64_t{1} << 31;
  CHECK(message(end - rows - 16) == "");
  for (const std::int64_t first_row : {end - rows, end, 2 * end})
    CHECK(message(first_row) == "santa: first_row is " + std::to_string(first_row) +
                                    "; accepted: one from which the table's " + std::to_string(rows) +
                                    " rows end before row 2^31 of the whole");
}

SANTA_SPACE_TEST_CASE("shapes_that_do_not_fit_are_named") {
  const auto problem = three<Space>();
  const PagedProblem paged(problem, 16);
  using Memory = typename Space::memory_space;
  using Pool = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
  using Ints = Kokkos::View<std::int32_t*, Memory>;
  const auto message = [](const auto& cache) { return message_of([&] { static_cast<void>(cache.shape()); }); };
  const auto table = paged.table();
  const auto keys = paged.keys();
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };

  CHECK(message(PagedCache{keys, Pool("values", 12, 16, 3, 64), table}) ==
        "santa: values.extent(2) is 3; accepted: the same as keys (2)");
  CHECK(message(PagedCache{Pool("k", 12, 0, 2, 64), Pool("v", 12, 0, 2, 64), table}) ==
        "santa: keys.extent(1) is 0; accepted: 1 or more slots of a page");
  CHECK(message(PagedCache{Pool("k", 12, 2, 0, 64), Pool("v", 12, 2, 0, 64), table, CacheLayout::head_major}) ==
        "santa: keys.extent(2) is 0; accepted: 1 or more slots of a page");
  CHECK(message(PagedCache{Pool("k", 0, 16, 2, 64), Pool("v", 0, 16, 2, 64), table}) ==
        "santa: keys.extent(0) is 0; accepted: 1 or more pages");
  CHECK(message(PagedCache{keys, paged.values(), PageTable{table.table(), Ints("lengths", 2)}}) ==
        "santa: lengths.extent(0) is 2; accepted: the batch of the table (3)");
  CHECK(message(PagedCache{keys, paged.values(), PageTable{table.table(), Ints()}}) ==
        "santa: lengths.extent(0) is 0; accepted: the batch of the table (3)");
  const Kokkos::View<std::int32_t*, Kokkos::LayoutStride, Memory> apart(Ints("lengths", 6).data(),
                                                                        Kokkos::LayoutStride(n(3), n(2)));
  CHECK(message(PagedCache{keys, paged.values(), PageTable{table.table(), apart}}) ==
        "santa: lengths.stride(0) is 2; accepted: 1");
  const Kokkos::View<std::int32_t**, Kokkos::LayoutStride, Memory> wide(
      nullptr, Kokkos::LayoutStride(n(3), n(1), n(std::int64_t{1} << 27), n(3)));
  CHECK(message(PagedCache{keys, paged.values(), PageTable{wide, Ints("lengths", 3)}}) ==
        "santa: table.data() is null; accepted: a view with data");
  const Kokkos::View<const std::int32_t**, Kokkos::LayoutStride, Memory> long_rows(
      table.table().data(), Kokkos::LayoutStride(n(3), n(0), n(std::int64_t{1} << 27), n(0)));
  CHECK(message(PagedCache{keys, paged.values(), PageTable{long_rows, Ints("lengths", 3)}}) ==
        "santa: max_pages * page_size is 134217728 * 16; accepted: less than 2^31");
  CHECK(message(PagedCache{keys, paged.values(), PageList{Ints("indptr", 3), Ints("indices", 9), Ints("last", 3)}}) ==
        "santa: indptr.extent(0) is 3; accepted: one more than the batch of last_page_length (4)");
  CHECK(message(with_list(paged, {0, 6, 6, 9}, {16, 0, 8}, -1)) ==
        "santa: length is -1; accepted: 0 to less than 2^31");
  CHECK(with_list(paged, {0, 6, 6, 9}, {16, 0, 8}, 0).shape().length == 12 * 16);
  CHECK(with_list(paged, {0, 6, 6, 9}, {16, 0, 8}, 90).shape() ==
        Shape{.batch = 3, .heads = 2, .kv_heads = 2, .length = 90, .dim = 64});

  auto cache = paged.by_table();
  const auto taken = std::move(cache);
  CHECK(message(taken).empty());
  CHECK(message(cache) == "santa: cache is moved from; accepted: one that still holds its memory");  // NOLINT
}

SANTA_SPACE_TEST_CASE("batches_of_none_and_pools_of_none") {
  using Memory = typename Space::memory_space;
  using Pool = Kokkos::View<float****, Memory>;
  using Ints = Kokkos::View<std::int32_t*, Memory>;
  const Pool pool("pool", 4, 16, 2, 64), none("none", 0, 16, 2, 64);
  const Kokkos::View<float***, Memory> nothing("nothing", 0, 4, 64), out("out", 2, 4, 64);
  const Kokkos::View<std::int32_t**, Memory> table("table", 0, 5), without_pages("table", 2, 0);
  decode(Space{}, Exact{}, nothing, PagedCache{pool, pool, PageTable{table, Ints()}}, nothing);
  decode(Space{}, Exact{}, nothing, PagedCache{none, none, PageTable{table, Ints()}}, nothing);
  Kokkos::deep_copy(out, 1.F);
  decode(Space{}, Exact{}, out, PagedCache{none, none, PageTable{without_pages, Ints("lengths", 2)}}, out);
  CHECK(to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size())) ==
        std::vector<float>(static_cast<std::size_t>(2 * 4 * 64), 0.F));
  Kokkos::deep_copy(out, 1.F);
  decode(Space{}, MassUnit{.rows = 4}, out,
         PagedCache{none, none, PageList{Ints("indptr", 3), Ints(), Ints("last", 2)}}, out);
  CHECK(to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size())) ==
        std::vector<float>(static_cast<std::size_t>(2 * 4 * 64), 0.F));
}

SANTA_SPACE_TEST_CASE("entries_beyond_those_that_a_length_needs_are_never_read") {
  if constexpr (std::is_same_v<typename Space::memory_space, Kokkos::HostSpace>) {
    Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 400, .dim = 64});
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* const memory = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    REQUIRE(mprotect(static_cast<char*>(memory) + page, page, PROT_NONE) == 0);
    for (const std::int64_t length : {0, 1, 20, 333, 400}) {
      CAPTURE(length);
      problem.fill(8).set_lengths({40, length}).upload();
      const PagedProblem paged(problem, 1);
      // The last request's that its length needs end where memory does.
      auto* const end = reinterpret_cast<std::int32_t*>(static_cast<char*>(memory) + page);
      const std::int32_t* const begin = std::copy_n(paged.entries.data(), 40 + length, end - 40 - length) - 40 - length;
      const Kokkos::View<const std::int32_t**, Kokkos::LayoutStride, Kokkos::HostSpace> table(
          begin, Kokkos::LayoutStride(2, 40, 400, 1));
      const Kokkos::View<const std::int32_t*, Kokkos::HostSpace> indices(begin, static_cast<std::size_t>(40 + length));
      const auto check = [&](const auto& entries) {
        const PagedCache cache{paged.keys(), paged.values(), entries};
        for (const std::int64_t rows : {50, 400})
          CHECK(same_bits(run_once(MassUnit{.rows = rows}, problem, cache).out,
                          run_once(MassUnit{.rows = rows}, problem, problem.cache()).out));
        return validation(cache);
      };
      CHECK(check(PageTable{table, paged.table().lengths()}).empty());
      CHECK(check(PageList{paged.list().indptr(), indices, paged.list().last_page_length(), 400}).empty());
      // A length below 0 is none, also where its lower half says 400.
      const auto below = to_space<Space>(std::vector<std::int64_t>{40, 400 - (std::int64_t{1} << 32)}, "lengths");
      if (length == 0) CHECK_FALSE(check(PageTable{table, below}).empty());
      if (length < 400) continue;
      // Nor those beyond the table, whatever the length.
      CHECK_FALSE(check(PageTable{table, to_space<Space>(std::vector<std::int64_t>{40, 5000}, "lengths")}).empty());
      const auto beyond = to_space<Space>(std::vector<std::int32_t>{0, 40, 1 << 30}, "indptr");
      CHECK_FALSE(check(PageList{beyond, indices, paged.list().last_page_length(), 400}).empty());
    }
    munmap(memory, 2 * page);
  }
}
