// Units of requests of any lengths: every visible key once, by rules that know no other request.
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

using namespace santa;

namespace {

using Host = Kokkos::DefaultHostExecutionSpace;
using Lengths = std::vector<std::int64_t>;

constexpr std::int64_t storage = 9000;
const Lengths some_lengths = {1000, 0, 9000, 31, 32, 33, 256, 4097, -5, 1, 50000, 9000, 257};

/// A balance on the host.
class Balanced {
 public:
  Balanced(const detail::Cut& cut, const Lengths& lengths)
      : requests(lengths.size() + 1),
        order(lengths.size() * static_cast<std::size_t>(cut.most(storage))),
        apart(lengths.size()) {
    detail::fill_balance(Host{}, {cut,
                                  {lengths.data(), true},
                                  storage,
                                  static_cast<std::int32_t>(lengths.size()),
                                  {requests.data(), order.data(), apart.data()}});
    Host{}.fence();
  }
  [[nodiscard]] detail::Balance data() { return {requests.data(), order.data(), apart.data()}; }

  std::vector<detail::RequestSplits> requests;
  std::vector<detail::SplitOfRequest> order;
  std::vector<std::int32_t> apart;
};

detail::Arguments arguments_for(const Lengths& lengths, std::int64_t window) {
  detail::Arguments a;
  a.batch = static_cast<std::int32_t>(lengths.size());
  a.heads = 51;
  a.kv_heads = 3;
  a.slices = 2;  // 17 heads a group, in slices of 9
  a.slice_heads = 9;
  a.storage = storage;
  a.window = window;
  a.lengths = {lengths.data(), true};
  return a;
}

std::int64_t clamped(std::int64_t length) { return std::clamp(length, std::int64_t{0}, storage); }

/// Checks keys, heads and states of all units of a step.
void check_units(const detail::Arguments& a, const Lengths& lengths) {
  std::map<std::tuple<int, int, int>, std::vector<int>> seen;  // by request, kv head and slice: times of each key
  std::map<std::pair<int, int>, std::int32_t> arrivals;
  std::set<std::int64_t> states;
  const std::int64_t units = detail::all_units(a);
  for (std::int64_t rank = 0; rank < units; ++rank) {
    const detail::Unit unit = detail::unit_of(a, rank);
    auto& keys = seen[{unit.batch, unit.kv_head, unit.slice}];
    keys.resize(static_cast<std::size_t>(storage));
    for (std::int64_t key = std::max(unit.begin, unit.start); key < unit.end; ++key)
      ++keys[static_cast<std::size_t>(key)];
    CHECK(unit.begin % detail::tile_keys == 0);
    CHECK(unit.heads == (unit.slice == 0 ? 9 : 8));
    CHECK(unit.first_head == 17 * unit.kv_head + 9 * unit.slice);
    const auto [first, count] = detail::states_of_slice(a, unit);
    const std::int64_t state = detail::state_of_unit(a, unit);
    CHECK(state - first == unit.split);
    CHECK(unit.split < count);
    CHECK(state < units);
    CHECK(states.insert(state).second);
    if (++arrivals[{unit.batch, unit.kv_head}] == detail::units_of_kv_head(a, unit))
      arrivals.erase({unit.batch, unit.kv_head});  // all have arrived
    const detail::Unit hint = detail::unit_after(a, unit);
    if (a.balanced) CHECK(hint.batch == unit.batch);
    CHECK(hint.split < count);
  }
  CHECK(arrivals.empty());
  CHECK(seen.size() == lengths.size() * 6);
  int wrong = 0;
  for (const auto& [slice, keys] : seen)
    for (std::int64_t key = 0; key < storage; ++key) {
      const std::int64_t length = clamped(lengths[static_cast<std::size_t>(std::get<0>(slice))]);
      const bool visible = key < length && length - key <= a.window;
      wrong += keys[static_cast<std::size_t>(key)] != (visible ? 1 : 0);
    }
  CHECK(wrong == 0);
}

std::vector<detail::Cut> some_cuts() {
  std::vector<detail::Cut> cuts;
  for (const std::int64_t window : {every_key, std::int64_t{0}, std::int64_t{1}, std::int64_t{100}, std::int64_t{2000}})
    for (const std::int32_t parts : {1, 7, 1024})
      for (const detail::LeastKeys least : {detail::LeastKeys{1}, {4}, {1, 8}, {2, 3}})
        for (const std::int64_t keys_per_split : {0, 512})
          cuts.push_back({.keys_per_split = keys_per_split, .parts = parts, .least = least, .window = window});
  return cuts;
}

}  // namespace

TEST_CASE("balanced_units_have_every_visible_key_once") {
  for (const detail::Cut& cut : some_cuts()) {
    Balanced balanced(cut, some_lengths);
    detail::Arguments a = arguments_for(some_lengths, cut.window);
    a.balance = balanced.data();
    a.balanced = true;
    check_units(a, some_lengths);
  }
}

TEST_CASE("balanced_units_of_lengths_that_have_changed_have_every_visible_key_once") {
  Lengths changed = some_lengths;
  std::rotate(changed.begin(), changed.begin() + 3, changed.end());
  for (const detail::Cut& cut : some_cuts()) {
    Balanced balanced(cut, some_lengths);
    for (const Lengths& now : {changed, Lengths(some_lengths.size(), 0), Lengths(some_lengths.size(), storage)}) {
      detail::Arguments a = arguments_for(now, cut.window);
      a.balance = balanced.data();
      a.balanced = true;
      check_units(a, now);
    }
  }
}

TEST_CASE("a_few_requests_without_a_schedule_are_cut_as_by_one") {
  for (const detail::Cut& cut : some_cuts()) {
    if (cut.keys_per_split > 0) continue;  // counted from the first key, and not from the window's
    Balanced balanced(cut, some_lengths);
    detail::Arguments by_schedule = arguments_for(some_lengths, cut.window);
    by_schedule.most_splits = static_cast<std::int32_t>(cut.most(storage));
    detail::Arguments evenly = by_schedule;
    const auto requests = static_cast<std::int64_t>(some_lengths.size());
    detail::note_balance(evenly, cut, requests);
    detail::Arguments alone = by_schedule;  // a run of the first request of a plan for all
    alone.batch = 1;
    detail::note_balance(alone, cut, requests);
    CHECK(!evenly.balanced);
    check_units(evenly, some_lengths);
    by_schedule.balance = balanced.data();
    detail::note_balance(by_schedule, cut, requests);
    CHECK(by_schedule.balanced);
    for (std::int64_t rank = 0; rank < detail::all_units(by_schedule); ++rank) {
      const detail::Unit unit = detail::unit_of(by_schedule, rank);
      const detail::Unit same = detail::unit_at(evenly, detail::place_of(unit));
      CHECK(same.begin == unit.begin);
      CHECK(same.end == unit.end);
      if (unit.batch > 0) continue;
      const detail::Unit of_one = detail::unit_at(alone, detail::place_of(unit));
      CHECK(of_one.begin == unit.begin);
      CHECK(of_one.end == unit.end);
    }
  }
}

TEST_CASE("splits_are_whole_steps_as_few_and_as_long_as_the_cut_says") {
  std::mt19937 random(3);
  for (const detail::Cut& cut : some_cuts())
    for (int i = 0; i < 200; ++i) {
      const auto length = std::uniform_int_distribution<std::int64_t>(0, storage)(random);
      const detail::RequestSplits splits = cut.of(length);
      const std::int64_t keys = std::int64_t{splits.steps} * detail::split_keys;
      const std::int64_t start = length > cut.window ? length - cut.window : 0;
      const std::int64_t origin = std::int64_t{splits.origin} * detail::split_keys;
      CHECK(origin <= start);
      CHECK(start - origin < (cut.keys_per_split > 0 ? cut.keys_per_split : detail::split_keys));
      CHECK(splits.count >= 1);
      CHECK(splits.count <= cut.most(length));
      CHECK(cut.most(length) <= cut.most(storage));
      CHECK(origin + splits.count * keys >= length);
      if (length > origin) CHECK(origin + (splits.count - 1) * keys < length);
      if (cut.keys_per_split > 0) {
        CHECK(keys == cut.keys_per_split);
      } else {
        CHECK(splits.count <= cut.parts);
        const std::int32_t least = cut.least.of(length - origin);
        CHECK(keys >= least);
        if (keys > least) CHECK((keys - detail::split_keys) * cut.parts < length - origin);
      }
    }
}

TEST_CASE("a_long_request_has_twice_as_many_keys_a_split") {
  const detail::Cut cut{.parts = 100, .least = {2, 10}};
  const std::pair<std::int64_t, std::int64_t> keys_of[] = {
      {0, 512}, {511, 512}, {2560, 512}, {2561, 1024}, {9000, 1024}};
  for (const auto& [length, keys] : keys_of) {
    CAPTURE(length);
    CHECK(std::int64_t{cut.of(length).steps} * detail::split_keys == keys);
  }
  CHECK(cut.most(2560) == 5);
  CHECK(cut.most(2561) == 5);  // which is cut into 3, but one of 2560 into 5
  CHECK(cut.most(9000) == 9);
}

TEST_CASE("units_are_long_where_there_are_many_of_them") {
  const auto steps = [](std::int64_t teams, std::int64_t rows, std::int64_t batch) {
    return lanes::shares_of(teams, rows, batch).least.steps;
  };
  CHECK(steps(396, 8, 1) == 1);
  CHECK(steps(396, 8, 3) == 3);
  CHECK(steps(396, 8, 16) == 4);  // cut into few, 16 short requests would leave teams without work
  CHECK(steps(396, 8, 64) == 4);
  CHECK(steps(396, 8, 256) == 10);
  CHECK(steps(396, 8, 4096) == 12);
  CHECK(steps(8, 8, 2) == 4);
  CHECK(steps(0, 0, 0) == 1);
  CHECK(lanes::shares_of(396, 8, 256).parts == 49);
  CHECK(lanes::shares_of(3, 8, 256).parts == 1);
}

TEST_CASE("requests_of_a_plan_of_one_are_cut_as_among_others") {
  for (const detail::Cut& cut : some_cuts()) {
    if (cut.keys_per_split > 0) continue;
    CAPTURE(cut.window);
    CAPTURE(cut.parts);
    CAPTURE(cut.least.steps);
    CAPTURE(cut.least.doubled_from);
    for (const std::int64_t longest : {600, 2600, 9000})
      for (std::int64_t length = 1; length <= longest; length += 97) {
        CAPTURE(longest);
        CAPTURE(length);
        const Lengths lengths{length};
        detail::Arguments a = arguments_for(lengths, cut.window);
        detail::cut_evenly(a, cut, cut.most(longest));
        const detail::RequestSplits splits = cut.of(length);
        const std::int64_t keys = std::int64_t{splits.steps} * detail::split_keys;
        const std::int64_t origin = std::int64_t{splits.origin} * detail::split_keys;
        int wrong = 0;
        for (std::int32_t split = 0; split < static_cast<std::int32_t>(a.splits); ++split) {
          const detail::Unit unit = detail::unit_of(a, std::int64_t{split} * 6);
          const std::int64_t end = std::min(origin + (split + 1) * keys, length);
          const bool empty = split >= splits.count || cut.window == 0;
          wrong += empty ? unit.begin < unit.end : unit.end != end;
        }
        CHECK(wrong == 0);
      }
  }
}

TEST_CASE("heads_of_requests_with_many_splits_are_merged_apart_each_by_one_team") {
  const detail::Cut cut{.parts = 9, .most_merged = 2};
  Balanced balanced(cut, some_lengths);
  detail::Arguments a = arguments_for(some_lengths, cut.window);
  a.most_merged = cut.most_merged;
  for (const bool is_balanced : {true, false}) {
    a.balance = balanced.data();
    a.balanced = is_balanced;
    a.splits = 5;
    std::map<std::pair<int, int>, int> seen;  // by request and query head
    const std::int64_t teams = is_balanced ? 7 : detail::all_heads(a);
    for (std::int64_t team = 0; team < teams; ++team)
      detail::for_each_head_apart(a, team, teams, [&](const detail::Unit& unit, int head) {
        CHECK(detail::are_merged_apart(a, unit));
        ++seen[{unit.batch, unit.first_head + head}];
      });
    std::size_t apart = 0;
    for (const std::int64_t length : some_lengths) apart += !is_balanced || clamped(length) > 512 ? 1 : 0;
    CHECK(seen.size() == apart * 51);
    CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& one) { return one.second == 1; }));
  }
}

SANTA_SPACE_TEST_CASE("the_longest_splits_come_first_in_an_order_that_is_always_the_same") {
  std::mt19937 random(5);
  for (const std::size_t batch : {1, 3, 40, 700}) {
    Lengths lengths(batch);
    for (std::int64_t& length : lengths) length = std::uniform_int_distribution<std::int64_t>(0, storage)(random);
    const detail::Cut cut{.parts = 3, .most_merged = 2};
    const Balanced expected(cut, lengths);
    for (std::size_t i = 0; i < batch; ++i) {
      const detail::RequestSplits own = cut.of(lengths[i]);
      CHECK(expected.requests[i + 1].before == expected.requests[i].before + own.count);
      CHECK(expected.requests[i].steps == own.steps);
    }
    const auto splits = static_cast<std::size_t>(expected.requests[batch].before);
    std::set<std::pair<int, int>> seen;
    for (std::size_t i = 0; i < splits; ++i) {
      const auto [request, split] = expected.order[i];
      CHECK(seen.insert({request, split}).second);
      if (i == 0) continue;
      const auto steps = [&](std::size_t at) {
        return expected.requests[static_cast<std::size_t>(expected.order[at].request)].steps;
      };
      CHECK(4 * steps(i) < 5 * steps(i - 1));  // classes of a quarter of an octave
      if (steps(i) == steps(i - 1)) CHECK(request >= expected.order[i - 1].request);
    }

    using Memory = typename Space::memory_space;
    const Kokkos::View<std::int64_t*, Memory> given("lengths", batch);
    Kokkos::deep_copy(given, Kokkos::View<const std::int64_t*, Kokkos::HostSpace>(lengths.data(), batch));
    const Kokkos::View<detail::RequestSplits*, Memory> requests("requests", batch + 1);
    const Kokkos::View<detail::SplitOfRequest*, Memory> order("order", expected.order.size());
    const Kokkos::View<std::int32_t*, Memory> apart("apart", batch);
    for (int repeat = 0; repeat < 3; ++repeat) {
      detail::fill_balance(Space{}, {cut,
                                     {given.data(), true},
                                     storage,
                                     static_cast<std::int32_t>(batch),
                                     {requests.data(), order.data(), apart.data()}});
      Space{}.fence();
      const auto found_requests = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, requests);
      const auto found = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, order);
      int different = 0;
      const auto found_apart = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, apart);
      for (std::size_t i = 0; i <= batch; ++i)
        different += found_requests(i).before != expected.requests[i].before ||
                     found_requests(i).count != expected.requests[i].count;
      for (std::size_t i = 0; i < static_cast<std::size_t>(expected.requests[batch].count); ++i)
        different += found_apart(i) != expected.apart[i];
      for (std::size_t i = 0; i < splits; ++i)
        different += found(i).request != expected.order[i].request || found(i).split != expected.order[i].split;
      CHECK(different == 0);
    }
  }
}
