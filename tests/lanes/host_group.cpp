// The lane group's operations against loops over 32 lanes.
#include "support/data.hpp"
#include <santa/lanes/host_group.hpp>

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace santa;
using lanes::HostGroup;
using santa::test::quiet_nan;
using Float = HostGroup::Vector<float>;
using Int = HostGroup::Vector<std::int32_t>;

namespace {

const std::vector<std::uint32_t> patterns = {0U,          1U,          0x80000000U, 0xffffffffU, 0x0000ffffU,
                                             0xffff0000U, 0xaaaaaaaaU, 0x12345678U, 0x00010000U, 0x7fffffffU};

struct NoTeam {};

}  // namespace

TEST_CASE("lane_numbers_count_from_zero") {
  const auto lane = HostGroup::lane();
  for (int i = 0; i < 32; ++i) CHECK(lane[i] == i);
}

TEST_CASE("ballot_and_lanes_of_are_inverse") {
  for (const std::uint32_t bits : patterns) {
    const auto mask = HostGroup::lanes_of(bits);
    for (int i = 0; i < 32; ++i) CHECK(mask[i] == ((bits >> i) & 1U ? -1 : 0));
    CHECK(HostGroup::ballot(mask) == bits);
    CHECK(HostGroup::any(mask) == (bits != 0));
  }
}

TEST_CASE("lanes_between_includes_its_begin_and_excludes_its_end") {
  for (int begin = -3; begin <= 34; ++begin)
    for (int end = -3; end <= 34; ++end) {
      std::uint32_t expected = 0;
      for (int i = 0; i < 32; ++i)
        if (i >= begin && i < end) expected |= 1U << i;
      CHECK(HostGroup::ballot(HostGroup::lanes_between(begin, end)) == expected);
    }
}

TEST_CASE("inclusive_scan_sums_over_the_lanes_before") {
  std::mt19937 random(1);
  std::vector<std::uint32_t> narrow(32);
  std::vector<std::uint64_t> wide(32);
  for (std::size_t i = 0; i < 32; ++i) {
    narrow[i] = static_cast<std::uint32_t>(random());  // wraps
    wide[i] = (static_cast<std::uint64_t>(random()) << 20) + random();
  }
  const auto narrow_scan = HostGroup::inclusive_scan(HostGroup::Vector<std::uint32_t>::load(narrow.data()));
  const auto wide_scan = HostGroup::inclusive_scan(HostGroup::Vector<std::uint64_t>::load(wide.data()));
  std::uint32_t narrow_sum = 0;
  std::uint64_t wide_sum = 0;
  for (int i = 0; i < 32; ++i) {
    narrow_sum += narrow[static_cast<std::size_t>(i)];
    wide_sum += wide[static_cast<std::size_t>(i)];
    CHECK(narrow_scan[i] == narrow_sum);
    CHECK(wide_scan[i] == wide_sum);
  }
  CHECK(HostGroup::last(wide_scan) == wide_sum);
}

TEST_CASE("largest_lane_is_found_wherever_it_is") {
  for (int at = 0; at < 32; ++at) {
    std::vector<float> x(32, -5.F);
    x[static_cast<std::size_t>(at)] = -4.F;
    CHECK(HostGroup::max(Float::load(x.data())) == -4.F);
    CHECK(HostGroup::sum(Float::load(x.data())) == -159.F);
  }
}

TEST_CASE("compact_writes_chosen_lanes_in_order") {
  std::vector<float> x(32);
  for (std::size_t i = 0; i < 32; ++i) x[i] = static_cast<float>(i);
  for (const std::uint32_t bits : patterns) {
    std::vector<float> expected;
    for (std::size_t i = 0; i < 32; ++i)
      if ((bits >> i) & 1U) expected.push_back(x[i]);
    for (const int at : {0, 8, 9, 30, 39}) {
      constexpr int capacity = 40;
      std::vector<float> to(capacity + 1, -1.F);
      HostGroup::compact(bits, Float::load(x.data()), to.data(), at, capacity);
      for (std::size_t i = 0; i < capacity; ++i) {
        const float found = to[(static_cast<std::size_t>(at) + i) % capacity];
        CHECK(found == (i < expected.size() ? expected[i] : -1.F));
      }
      CHECK(to[capacity] == -1.F);
    }
  }
}

TEST_CASE("loops_of_a_group_visit_each_index_once") {
  std::vector<int> seen(100, 0);
  HostGroup::for_each(100, [&](int i) { ++seen[static_cast<std::size_t>(i)]; });
  CHECK(seen == std::vector<int>(100, 1));
  int calls = 0;
  HostGroup::single([&] { ++calls; });
  CHECK(calls == 1);
}

TEST_CASE("the_last_to_arrive_is_told_and_the_counter_starts_over") {
  std::int32_t arrived = 0;
  for (int round = 0; round < 3; ++round) {
    CHECK_FALSE(HostGroup::last_of(arrived, 3));
    CHECK_FALSE(HostGroup::last_of(arrived, 3));
    CHECK(HostGroup::last_of(arrived, 3));
    CHECK(arrived == 0);
  }
  CHECK(HostGroup::last_of(arrived, 1));
  CHECK(HostGroup(NoTeam{}).rank() == 0);
}
