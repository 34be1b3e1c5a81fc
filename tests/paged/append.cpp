// Appending: tokens go where lengths and table say, and nowhere else.
#include "limits/message.hpp"
#include "paged/paged_problem.hpp"
#include "support/reference.hpp"
#include "support/run_once.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// Ragged: one that begins empty and ends a page of 16 and of 48, one that stays empty, some between.
template <class Space, class T>
Problem<Space, T> growing() {
  Problem<Space, T> problem({.batch = 4, .heads = 4, .kv_heads = 2, .length = 144, .dim = 64});
  problem.fill(6).set_lengths({96, 0, 50, 144}).upload();
  return problem;
}

/// New rows of one step in a space's memory, which a problem has at these places: (request, row); elsewhere NaN.
template <class Space, class T>
struct Tokens {
  using View = Kokkos::View<T***, Kokkos::LayoutRight, typename Space::memory_space>;
  View keys, values;

  template <class Problem>
  Tokens(const Problem& problem, const std::vector<std::pair<std::int64_t, std::int64_t>>& rows)
      : keys("test::new_keys", rows.size(), at(problem.shape.kv_heads), at(problem.shape.dim)),
        values("test::new_values", rows.size(), at(problem.shape.kv_heads), at(problem.shape.dim)) {
    const auto host_keys = Kokkos::create_mirror_view(keys), host_values = Kokkos::create_mirror_view(values);
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::int64_t kv = 0; kv < problem.shape.kv_heads; ++kv)
        for (std::int64_t d = 0; d < problem.shape.dim; ++d) {
          const auto [b, row] = rows[i];
          host_keys(i, at(kv), at(d)) = T(row < 0 ? quiet_nan : problem.key(b, row, kv, d));
          host_values(i, at(kv), at(d)) = T(row < 0 ? quiet_nan : problem.value(b, row, kv, d));
        }
    Kokkos::deep_copy(keys, host_keys);
    Kokkos::deep_copy(values, host_values);
  }
  /// The same as [batch, tokens, kv_heads, dim].
  [[nodiscard]] static auto by_request(const View& view, std::int64_t batch) {
    return Kokkos::View<const T****, Kokkos::LayoutRight, typename Space::memory_space>(
        view.data(), at(batch), view.extent(0) / at(batch), view.extent(1), view.extent(2));
  }
};

/// Appends what a problem's requests have from `from` to `to` to a cache whose lengths are `to`: a token of each, some
/// of each, or a list, by what `form` is.
enum class Form : std::uint8_t { one, several, list };
template <class Space, class Given, class T, class Cache>
void append_rows(Form form, const Problem<Space, T>& problem, const Cache& cache, const std::vector<std::int64_t>& from,
                 const std::vector<std::int64_t>& to) {
  std::vector<std::pair<std::int64_t, std::int64_t>> rows;
  std::vector<std::int32_t> counts, indptr = {0};
  const std::int64_t batch = problem.shape.batch;
  constexpr std::int64_t each = 7;
  for (std::int64_t b = 0; b < batch; ++b) {
    counts.push_back(static_cast<std::int32_t>(to[at(b)] - from[at(b)]));
    for (std::int64_t i = from[at(b)]; i < to[at(b)]; ++i) rows.emplace_back(b, i);
    if (form == Form::several)
      for (std::int64_t i = counts.back(); i < each; ++i) rows.emplace_back(b, -1);
    indptr.push_back(static_cast<std::int32_t>(rows.size()));
  }
  const Tokens<Space, Given> tokens(problem, rows);
  if (form == Form::one)
    append(Space{}, cache, tokens.keys, tokens.values);
  else if (form == Form::several)
    append(Space{}, cache, tokens.by_request(tokens.keys, batch), tokens.by_request(tokens.values, batch),
           to_space<Space>(counts, "test::counts"));
  else
    append(Space{}, cache, tokens.keys, tokens.values, to_space<Space>(indptr, "test::indptr"));
}

/// Lets requests grow to a problem's lengths, by `step(from, to)`: seven tokens at a time at most, or any number.
template <class Lengths, class Step>
void grow(const Lengths& lengths, std::int64_t most, const Step& step) {
  Lengths from(lengths.size(), 0), to = from;
  while (from != lengths) {
    for (std::size_t b = 0; b < to.size(); ++b)
      to[b] = std::min<std::int64_t>(lengths[b], to[b] + 1 + (to[b] * 5 + std::int64_t(b)) % most);
    step(from, to);
    from = to;
  }
}

template <class Cache, class Space, class T>
void check_same(const Problem<Space, T>& problem, const Cache& cache) {
  for (const bool exact : {true, false}) {
    const auto run = [&](const auto& any) {
      return exact ? run_once(Exact{}, problem, any) : run_once(MassUnit{.rows = 30}, problem, any);
    };
    const Result given = run(cache), expected = run(problem.cache());
    CHECK(same_bits(given.out, expected.out));
    CHECK(same_bits(given.lse, expected.lse));
    CHECK(same_bits(given.statistics, expected.statistics));
    if (exact) CHECK(relative_error(given.out, exact_reference(problem).out) < 1e-5);
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("requests_grow_over_page_borders") {
  const auto problem = growing<Space, float>();
  for (const std::int64_t size : small_pages)
    for (const Form form : {Form::several, Form::list})
      for (const bool listed : {false, true}) {
        CAPTURE(size);
        CAPTURE(listed);
        const PagedProblem paged(
            problem, size,
            {listed ? CacheLayout::head_major : CacheLayout::token_major, /*interleaved*/ form == Form::list});
        const auto all = to_host<float>(paged.storage());
        Kokkos::deep_copy(paged.storage(), quiet_nan);
        grow(problem.lengths, form == Form::several ? 7 : 40, [&](const auto& from, const auto& to) {
          const auto go = [&](const auto& table) {
            append_rows<Space, float>(form, problem,
                                      PagedCache{paged.writable_keys(), paged.writable_values(), table, paged.layout()},
                                      from, to);
          };
          if (listed)
            go(paged.list_of(to));
          else
            go(paged.table_of(to));
        });
        CHECK(same_bits(to_host<float>(paged.storage()), all));  // NaN where there was NaN
        check_same(problem, paged.by_table());
      }
}

SANTA_SPACE_TEST_CASE("a_token_of_each_request_whatever_its_type_and_strides") {
  auto problem = growing<Space, bfloat16>();
  problem.set_lengths({96, 1, 50, 144}).upload();
  const PagedProblem paged(problem, 16);
  const auto all = to_host<bfloat16>(paged.storage());
  const auto keys = paged.writable_keys(), values = paged.writable_values();
  const PagedCache cache{keys, values, paged.table()};
  std::vector<std::pair<std::int64_t, std::int64_t>> newest;
  for (std::int64_t b = 0; b < 4; ++b) newest.emplace_back(b, problem.lengths[at(b)] - 1);
  const Tokens<Space, float> wide(problem, newest);
  const auto check = [&](const auto& new_keys, const auto& new_values) {
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, keys);
    for (std::int64_t b = 0; b < 4; ++b)  // away with the newest keys
      for (std::size_t kv = 0; kv < 2; ++kv)
        for (std::size_t d = 0; d < 64; ++d)
          host(at(paged.entries[at(paged.first(b) + newest[at(b)].second / 16)]), at(newest[at(b)].second % 16), kv,
               d) = bfloat16(7.F);
    Kokkos::deep_copy(keys, host);
    CHECK_FALSE(same_bits(to_host<bfloat16>(paged.storage()), all));
    append(Space{}, cache, new_keys, new_values);
    CHECK(same_bits(to_host<bfloat16>(paged.storage()), all));
  };
  check(wide.keys, wide.values);  // rounded
  const Tokens<Space, bfloat16> same(problem, newest);
  check(same.keys, same.values);
  // Rows that begin anywhere, keys and values side by side.
  using Fused = Kokkos::View<bfloat16***, Kokkos::LayoutRight, typename Space::memory_space>;
  const Fused fused("test::fused", 4, 4, 67);
  const auto half = [&](std::size_t from) {
    return Kokkos::subview(fused, Kokkos::ALL, std::pair(from, from + 2), std::pair(std::size_t{1}, std::size_t{65}));
  };
  Kokkos::deep_copy(half(0), same.keys);
  Kokkos::deep_copy(half(2), same.values);
  check(half(0), half(2));
}

SANTA_SPACE_TEST_CASE("a_contiguous_cache_grows_likewise") {
  const auto problem = growing<Space, float>();
  using Rows = Kokkos::View<float****, Kokkos::LayoutRight, typename Space::memory_space>;
  for (const Form form : {Form::several, Form::list}) {
    const Rows keys("keys", 4, 2, 144, 64), values("values", 4, 2, 144, 64);
    Kokkos::deep_copy(keys, quiet_nan);
    Kokkos::deep_copy(values, quiet_nan);
    const auto cache_of = [&](const std::vector<std::int64_t>& lengths) {
      return ContiguousCache{keys, values, to_space<Space>(lengths, "lengths"), CacheLayout::head_major};
    };
    grow(problem.lengths, form == Form::several ? 7 : 40,
         [&](const auto& from, const auto& to) { append_rows<Space, float>(form, problem, cache_of(to), from, to); });
    check_same(problem, cache_of(problem.lengths));
  }
  // Lengths that can not be: nothing is written, and nothing beyond the storage.
  const Rows storage("storage", 2, 2, 8, 64),
      rows = Kokkos::subview(storage, std::pair(0, 1), Kokkos::ALL, Kokkos::ALL, Kokkos::ALL);
  const Tokens<Space, float> token(problem, {{3, 0}});
  for (const std::int64_t length : {-1, 0, 9, 17}) {
    append(Space{},
           ContiguousCache{rows, rows, to_space<Space>(std::vector<std::int64_t>{length}, "lengths"),
                           CacheLayout::head_major},
           token.keys, token.values);
    const auto all = to_host<float>(Kokkos::View<float*, typename Space::memory_space>(storage.data(), storage.size()));
    CHECK(std::all_of(all.begin(), all.end(), [](float x) { return x == 0.F; }));
  }
  // Nor of a request that has fewer keys than new tokens: which of these are its keys is not said.
  const Kokkos::View<float****, Kokkos::LayoutRight, typename Space::memory_space> four("four", 1, 4, 2, 64);
  Kokkos::deep_copy(four, 1.F);
  for (const std::int64_t length : {1, 3, 4}) {
    append(Space{},
           ContiguousCache{rows, rows, to_space<Space>(std::vector<std::int64_t>{length}, "lengths"),
                           CacheLayout::head_major},
           four, four);
    const auto all = to_host<float>(Kokkos::View<float*, typename Space::memory_space>(storage.data(), storage.size()));
    CHECK(std::count(all.begin(), all.end(), 1.F) == (length < 4 ? 0 : 4 * 2 * 64));
  }
}

SANTA_SPACE_TEST_CASE("what_has_no_slot_is_not_written") {
  const auto problem = growing<Space, float>();
  PagedProblem paged(problem, 16);
  const auto before = to_host<float>(paged.storage());
  const Tokens<Space, float> tokens(problem, {{3, 0}, {3, 1}, {3, 2}, {3, 3}});
  /// How many elements of the pools one token of each request changes, the table being as it is.
  const auto changes = [&](const auto& table, const auto&... numbers) {
    append(Space{}, PagedCache{paged.writable_keys(), paged.writable_values(), table}, tokens.keys, tokens.values,
           numbers...);
    const auto after = to_host<float>(paged.storage());
    std::ptrdiff_t changed = 0;
    for (std::size_t i = 0; i < after.size(); ++i) changed += same_bits<float>({after[i]}, {before[i]}) ? 0 : 1;
    Kokkos::deep_copy(paged.storage(), to_space<Space>(before, "before"));
    return changed;
  };
  constexpr std::ptrdiff_t token = 2 * 2 * 64;  // elements of a key and a value
  using Lengths = std::vector<std::int64_t>;
  CHECK(changes(paged.table_of({5, 0, 7, 9})) == 3 * token);
  CHECK(changes(paged.table_of({5, -1, 145, 9})) == 2 * token);
  CHECK(changes(paged.table_of(Lengths(4, std::int64_t{1} << 40))) == 0);
  CHECK(changes(paged.table_of({1, -(std::int64_t{1} << 40), 1, 1})) == 3 * token);
  using Ints = std::vector<std::int32_t>;
  const auto listed = [&](const Ints& indptr) {
    return changes(paged.table_of({40, 40, 40, 40}), to_space<Space>(indptr, "indptr"));
  };
  CHECK(listed({0, 2, 2, 3, 4}) == 4 * token);
  CHECK(listed({0, 2, 2, 3, 3}) == 3 * token);
  CHECK(listed({1, 2, 2, 3, 3}) == 2 * token);
  listed({0, 1 << 30, -(1 << 30), 1 << 30, 2});
  listed({-(1 << 30), -5, 1 << 30, 2, -1});
  CHECK(listed({0, 0, 0, 0, 1 << 30}) == 0);  // of more tokens than the request has rows
  // Nor are the last of these, for which there would be rows.
  const auto all_in_first = to_space<Space>(Ints{0, 4, 4, 4, 4}, "indptr");
  CHECK(changes(paged.table_of({4, 40, 40, 40}), all_in_first) == 4 * token);
  CHECK(changes(paged.table_of({3, 40, 40, 40}), all_in_first) == 0);
  const auto list = paged.list_of({5, 0, 7, 9});
  for (const Ints& indptr : std::vector<Ints>{{0, 1, 1, 2, 1 << 30}, {-(1 << 30), 1, 2, 3, 9}, {1 << 30, 0, 1, 0, 1}})
    changes(PageList{to_space<Space>(indptr, "indptr"), list.indices(), list.last_page_length(), 144});
  // Four tokens of a request whose pages begin before the list.
  const PageList before_list{to_space<Space>(Ints{-1, 1, 1, 2, 3}, "indptr"), list.indices(),
                             to_space<Space>(Ints{1, 0, 7, 9}, "last"), 144};
  CHECK(changes(before_list, to_space<Space>(Ints{0, 4, 4, 4, 4}, "indptr")) == 0);
  for (const std::int32_t bad : {static_cast<std::int32_t>(paged.pages), -1, 1 << 30, -(1 << 30)}) {
    paged.entries[0] = bad;
    paged.upload();
    CHECK(changes(paged.table_of({5, 0, 7, 9})) == 2 * token);
    CHECK(changes(paged.list_of({5, 0, 7, 9})) == 2 * token);
    CHECK(changes(paged.table_of({20, 0, 7, 9})) == 3 * token);  // another page of the same request
  }
}

SANTA_SPACE_TEST_CASE("what_can_not_be_appended_is_named_before_anything_is_written") {
  const auto problem = growing<Space, float>();
  const PagedProblem paged(problem, 16);
  const auto before = to_host<float>(paged.storage());
  const PagedCache cache{paged.writable_keys(), paged.writable_values(), paged.table()};
  using Memory = typename Space::memory_space;
  using One = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;
  using Several = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
  using Ints = Kokkos::View<std::int32_t*, Memory>;
  const auto message = [&](const auto& keys, const auto& values, const auto&... numbers) {
    return message_of([&] { append(Space{}, cache, keys, values, numbers...); });
  };
  const One one("one", 4, 2, 64);
  const Several several("several", 4, 3, 2, 64);
  CHECK(message(One("k", 3, 2, 64), one) == "santa: new keys.extent(0) is 3; accepted: the batch of the cache (4)");
  CHECK(message(One("k", 4, 3, 64), one) == "santa: new keys.extent(1) is 3; accepted: kv_heads of the cache (2)");
  CHECK(message(One("k", 4, 2, 72), one) == "santa: new keys.extent(2) is 72; accepted: dim of the cache (64)");
  CHECK(message(one, One("v", 4, 2, 56)) == "santa: new values.extent(2) is 56; accepted: dim of the cache (64)");
  CHECK(message(several, Several("v", 4, 2, 2, 64)) ==
        "santa: new values.extent(1) is 2; accepted: the same as new keys (3)");
  CHECK(message(one, One(nullptr, 4, 2, 64)) == "santa: new values.data() is null; accepted: a view with data");
  const Kokkos::View<float***, Kokkos::LayoutStride, Memory> apart(several.data(),
                                                                   Kokkos::LayoutStride(4, 256, 2, 128, 64, 2));
  CHECK(message(apart, one) ==
        "santa: new keys.stride(2) is 2; accepted: 1: the head dimension is contiguous, as in Kokkos::LayoutRight (the "
        "default of a GPU is LayoutLeft)");
  CHECK(message(several, several, Ints("numbers", 5)) ==
        "santa: numbers of new tokens.extent(0) is 5; accepted: the batch of the cache (4)");
  CHECK(message(one, one, Ints("indptr", 4)) ==
        "santa: indptr of new tokens.extent(0) is 4; accepted: one more than the batch of the cache (5)");
  CHECK(message(one, one, Ints(nullptr, 5)) ==
        "santa: indptr of new tokens.data() is null; accepted: a view with data");
  CHECK(message(Several("none", 4, 0, 2, 64), Several("none", 4, 0, 2, 64)).empty());
  const Several storage("storage", 4, 8, 2, 64);
  CHECK(message_of([&] {
          append(Space{}, ContiguousCache{storage, storage}, one, one);
        }) == "santa: lengths is none; accepted: a cache with lengths");
  CHECK(same_bits(to_host<float>(paged.storage()), before));
  const Several nothing("nothing", 0, 8, 2, 64);
  append(Space{}, ContiguousCache{nothing, nothing, Ints()}, One("none", 0, 2, 64), One("none", 0, 2, 64));
}
