// The lane group that every device of Kokkos' has, member by member, in kernels of several teams. On a host with 32
// threads.
#include <santa/lanes/team_group.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

using namespace santa;

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Group = lanes::TeamGroup<Space, 4>;
constexpr int teams = 5;
constexpr int size = Group::size;
constexpr int capacity = 80;

template <class T>
using PerLane = Kokkos::View<T[teams][size], Kokkos::LayoutRight, Space::memory_space>;
template <class T>
using PerTeam = Kokkos::View<T[teams], Space::memory_space>;

/// Everything that a group makes of a float and a mask a lane.
struct Members {
  PerLane<float> given = PerLane<float>("test::given");
  PerLane<float> sum = PerLane<float>("test::sum"), largest = PerLane<float>("test::largest");
  PerLane<std::uint64_t> wide_sum = PerLane<std::uint64_t>("test::wide_sum");
  PerLane<std::uint32_t> bits = PerLane<std::uint32_t>("test::bits"), scan = PerLane<std::uint32_t>("test::scan");
  PerLane<std::uint32_t> scans = PerLane<std::uint32_t>("test::scans");
  PerLane<int> any = PerLane<int>("test::any"), of_bits = PerLane<int>("test::of_bits");
  PerLane<float> previous = PerLane<float>("test::previous"), last = PerLane<float>("test::last");
  PerLane<double> ninth = PerLane<double>("test::ninth");
  PerLane<float> loaded = PerLane<float>("test::loaded"), stored = PerLane<float>("test::stored");
  Kokkos::View<float[teams][capacity], Kokkos::LayoutRight, Space::memory_space> ring{"test::ring"};
  Kokkos::View<int[teams][100], Kokkos::LayoutRight, Space::memory_space> visits{"test::visits"};
  PerTeam<int> singles = PerTeam<int>("test::singles"), lasts = PerTeam<int>("test::lasts");
  Kokkos::View<std::int32_t, Space::memory_space> arrived{"test::arrived"};

  KOKKOS_FUNCTION static bool mask_of(float x) { return x > 0.5F; }
  KOKKOS_FUNCTION static std::uint32_t number_of(float x) { return static_cast<std::uint32_t>((x + 4.F) * 1e6F); }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Group group(member);
    const int team = member.league_rank();
    const int lane = group.lane();
    const float x = group.load(&given(team, 0));
    const std::uint32_t number = number_of(x);
    sum(team, lane) = group.sum(x);
    largest(team, lane) = group.max(x);
    wide_sum(team, lane) = group.sum(std::uint64_t{number} << 32);
    bits(team, lane) = group.ballot(mask_of(x));
    any(team, lane) = (group.any(mask_of(x)) ? 1 : 0) + (group.any(x > 1000.F) ? 2 : 0);
    of_bits(team, lane) = group.lanes_of(bits(team, lane)) ? 1 : 0;
    scan(team, lane) = group.inclusive_scan(number);
    std::uint32_t values[3] = {number, number, number};
    group.for_all_scans(2, values, [](int head) { return head == 1; });
    scans(team, lane) = values[0] == number && values[2] == number ? values[1] : 0;
    previous(team, lane) = group.previous(x, -9.F);
    last(team, lane) = group.last(x);
    ninth(team, lane) = group.value_of(static_cast<double>(x), 9);
    loaded(team, lane) = group.load(&given(team, 0), 20, -3.F);
    group.store(x, &stored(team, 0), 7);
    group.compact(bits(team, lane), x, &ring(team, 0), capacity - 3, capacity);
    group.for_each(100, [&](int i) { visits(team, i) += i; });
    group.single([&] { ++singles(team); });
    if (group.last_of(arrived(), teams)) group.single([&] { lasts(team) += 1; });
  }
};

template <class View>
auto on_host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}

}  // namespace

TEST_CASE("members_of_a_team_give_what_those_of_one_thread_do") {
  if (Space().concurrency() < size) {
    MESSAGE("not run: needs 32 threads");
    return;
  }
  const Members members;
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  const auto given = Kokkos::create_mirror_view(members.given);
  for (int team = 0; team < teams; ++team)
    for (int i = 0; i < size; ++i) given(team, i) = std::clamp(normal(random), -3.5F, 3.5F);
  Kokkos::deep_copy(members.given, given);
  Kokkos::deep_copy(members.ring, -7.F);
  const auto bytes = static_cast<int>(Group::exchange_bytes);
  for (int run = 0; run < 2; ++run)
    Kokkos::parallel_for(
        "test::members",
        Kokkos::TeamPolicy<Space>(teams, size, 1).set_scratch_size(Group::scratch_level, Kokkos::PerTeam(bytes)),
        members);
  Kokkos::fence();

  const auto sum = on_host(members.sum), largest = on_host(members.largest), previous = on_host(members.previous),
             last = on_host(members.last), loaded = on_host(members.loaded), stored = on_host(members.stored);
  const auto wide_sum = on_host(members.wide_sum);
  const auto bits = on_host(members.bits), scan = on_host(members.scan), scans = on_host(members.scans);
  const auto any = on_host(members.any), of_bits = on_host(members.of_bits);
  const auto ninth = on_host(members.ninth);
  const auto ring = on_host(members.ring);
  const auto visits = on_host(members.visits);
  const auto singles = on_host(members.singles), lasts = on_host(members.lasts);
  int wrong = 0;
  for (int team = 0; team < teams; ++team) {
    std::vector<float> x(size), kept;
    for (int i = 0; i < size; ++i) x[static_cast<std::size_t>(i)] = given(team, i);
    std::vector<float> halves = x;
    for (std::size_t width = size / 2; width > 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) halves[i] += halves[i + width];
    std::uint32_t mask = 0;
    std::uint64_t wide = 0;
    for (int i = 0; i < size; ++i) {
      wide += std::uint64_t{Members::number_of(given(team, i))} << 32;
      if (!Members::mask_of(given(team, i))) continue;
      mask |= std::uint32_t{1} << i;
      kept.push_back(given(team, i));
    }
    REQUIRE(kept.size() > 3);
    std::uint32_t below = 0;
    for (int i = 0; i < size; ++i) {
      below += Members::number_of(given(team, i));
      wrong += sum(team, i) != halves[0];
      wrong += largest(team, i) != *std::max_element(x.begin(), x.end());
      wrong += wide_sum(team, i) != wide;
      wrong += bits(team, i) != mask;
      wrong += any(team, i) != 1;
      wrong += of_bits(team, i) != static_cast<int>(mask >> i & 1U);
      wrong += scan(team, i) != below || scans(team, i) != below;
      wrong += previous(team, i) != (i == 0 ? -9.F : given(team, i - 1));
      wrong += last(team, i) != given(team, size - 1);
      wrong += ninth(team, i) != static_cast<double>(given(team, 9));
      wrong += loaded(team, i) != (i < 20 ? given(team, i) : -3.F);
      wrong += stored(team, i) != (i < 7 ? given(team, i) : 0.F);
    }
    for (int i = 0; i < capacity; ++i) {
      const int place = (i + 3) % capacity;
      const bool filled = place < static_cast<int>(kept.size());
      wrong += ring(team, i) != (filled ? kept[static_cast<std::size_t>(place)] : -7.F);
    }
    for (int i = 0; i < 100; ++i) wrong += visits(team, i) != 2 * i;
    wrong += singles(team) != 2;
  }
  CHECK(wrong == 0);
  // One team of each run came last, and left the counter as it was.
  CHECK(lasts(0) + lasts(1) + lasts(2) + lasts(3) + lasts(4) == 2);
  CHECK(on_host(members.arrived)() == 0);
}
