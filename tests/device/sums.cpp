// Sums of a warp's 64-bit integers, which go piece by piece: carries between pieces, and all of each number.
#include "device/instances.hpp"
#include <santa/lanes/warp_lanes.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr int lanes_of_warp = 32;
using Numbers = Kokkos::View<std::uint64_t* [lanes_of_warp], Kokkos::LayoutRight, Device::memory_space>;

template <class Order>
struct SumUp {
  Numbers given, sums;
  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    KOKKOS_IF_ON_DEVICE((const int row = member.league_rank(); const int thread = lanes::WarpLanes<Order>::thread();
                         sums(row, thread) = lanes::WarpLanes<Order>::sum(given(row, thread));))
    KOKKOS_IF_ON_HOST((static_cast<void>(member);))
  }
};

/// Numbers that are full in one piece of bits or another, and any.
std::vector<std::array<std::uint64_t, lanes_of_warp>> some_numbers() {
  std::mt19937_64 random(5);
  std::vector<std::array<std::uint64_t, lanes_of_warp>> rows;
  const auto add = [&](auto&& number) {
    rows.emplace_back();
    for (std::uint64_t& x : rows.back()) x = number();
  };
  for (int bit = 0; bit < 64; ++bit) {
    add([&] { return std::uint64_t{1} << bit; });
    add([&] { return ~std::uint64_t{0} >> bit; });
  }
  for (int i = 0; i < 200; ++i) {
    const auto shift = static_cast<int>(random() % 64);
    add([&] { return random() >> shift; });
  }
  return rows;
}

template <class Order>
void check_sums() {
  const auto rows = some_numbers();
  const Numbers given("test::given", rows.size()), sums("test::sums", rows.size());
  const auto host = Kokkos::create_mirror_view(given);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (int lane = 0; lane < lanes_of_warp; ++lane) host(i, lane) = rows[i][static_cast<std::size_t>(lane)];
  Kokkos::deep_copy(given, host);
  Kokkos::parallel_for("test::sums", Kokkos::TeamPolicy<Device>(static_cast<int>(rows.size()), 1, lanes_of_warp),
                       SumUp<Order>{given, sums});
  const auto result = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, sums);
  int wrong = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::uint64_t expected = 0;  // modulo 2^64
    for (const std::uint64_t x : rows[i]) expected += x;
    for (int lane = 0; lane < lanes_of_warp; ++lane) wrong += result(i, lane) != expected;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("a_warp's_sums_of_64_bit_integers_are_those_of_all_bits") {
  check_sums<lanes::PlainOrder>();
  check_sums<lanes::ProductOrder>();
}
