// Simd against plain loops over its lanes.
#include "support/data.hpp"
#include <santa/lanes/simd.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <memory>
#include <random>

using namespace santa;
using lanes::Simd;
using santa::test::quiet_nan;

namespace {

/// Lanes that differ in sign, magnitude and fraction.
template <class T, int N>
std::vector<T> numbers(int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::uniform_real_distribution<double> uniform(-100., 100.);
  std::vector<T> result;
  for (int i = 0; i < N; ++i)
    result.push_back(static_cast<T>(std::is_unsigned_v<T> ? std::fabs(uniform(random)) : uniform(random)));
  return result;
}

template <class Vector, class F>
int wrong_lanes(const Vector& given, int count, F&& expected) {
  int wrong = 0;
  for (int i = 0; i < count; ++i) wrong += !(given[i] == expected(static_cast<std::size_t>(i)));
  return wrong;
}

template <class T, int N>
void check_arithmetic() {
  const std::vector<T> x = numbers<T, N>(1);
  std::vector<T> y = numbers<T, N>(2);
  y[3] = x[3];
  const auto a = Simd<T, N>::load(x.data());
  const auto b = Simd<T, N>::load(y.data());
  CHECK(wrong_lanes(a + b, N, [&](auto i) { return static_cast<T>(x[i] + y[i]); }) == 0);
  CHECK(wrong_lanes(a - b, N, [&](auto i) { return static_cast<T>(x[i] - y[i]); }) == 0);
  CHECK(wrong_lanes(a * b, N, [&](auto i) { return static_cast<T>(x[i] * y[i]); }) == 0);
  CHECK(wrong_lanes(a < b, N, [&](auto i) { return x[i] < y[i] ? -1 : 0; }) == 0);
  CHECK(wrong_lanes(a > b, N, [&](auto i) { return x[i] > y[i] ? -1 : 0; }) == 0);
  CHECK(wrong_lanes(a >= b, N, [&](auto i) { return x[i] >= y[i] ? -1 : 0; }) == 0);
  CHECK(wrong_lanes(a != b, N, [&](auto i) { return x[i] != y[i] ? -1 : 0; }) == 0);
  CHECK(wrong_lanes(lanes::select(a < b, a, b), N, [&](auto i) { return x[i] < y[i] ? x[i] : y[i]; }) == 0);
  CHECK(wrong_lanes(Simd<T, N>(T(3)) + a, N, [&](auto i) { return static_cast<T>(T(3) + x[i]); }) == 0);
  auto c = a;
  c += b;
  CHECK(wrong_lanes(c, N, [&](auto i) { return static_cast<T>(x[i] + y[i]); }) == 0);
  std::vector<T> stored(static_cast<std::size_t>(N) + 1, T(7));
  a.store(stored.data());
  CHECK(std::equal(x.begin(), x.end(), stored.begin()));
  CHECK(stored.back() == T(7));
}

}  // namespace

TEST_CASE("operators_work_lane_by_lane") {
  check_arithmetic<float, 16>();
  check_arithmetic<float, 32>();
  check_arithmetic<double, 32>();
  check_arithmetic<std::int32_t, 32>();
  check_arithmetic<std::uint32_t, 32>();
  check_arithmetic<std::uint64_t, 32>();
}

TEST_CASE("division_and_shifts_work_lane_by_lane") {
  const std::vector<float> x = numbers<float, 32>(1);
  const std::vector<float> y = numbers<float, 32>(2);
  const auto quotient = Simd<float, 32>::load(x.data()) / Simd<float, 32>::load(y.data());
  CHECK(wrong_lanes(quotient, 32, [&](auto i) { return x[i] / y[i]; }) == 0);
  std::vector<std::uint32_t> u = numbers<std::uint32_t, 32>(3);
  for (auto& word : u) word *= 0x9E3779B9U;
  const auto v = Simd<std::uint32_t, 32>::load(u.data());
  CHECK(wrong_lanes(v << 5, 32, [&](auto i) { return u[i] << 5; }) == 0);
  CHECK(wrong_lanes(v >> 26, 32, [&](auto i) { return u[i] >> 26; }) == 0);
  CHECK(wrong_lanes(v & Simd<std::uint32_t, 32>(0xff00ffU), 32, [&](auto i) { return u[i] & 0xff00ffU; }) == 0);
  CHECK(wrong_lanes(v | Simd<std::uint32_t, 32>(0xff00ffU), 32, [&](auto i) { return u[i] | 0xff00ffU; }) == 0);
}

TEST_CASE("conversions_work_as_static_cast") {
  std::vector<float> x = numbers<float, 32>(1);
  const auto a = Simd<float, 32>::load(x.data());
  CHECK(wrong_lanes(lanes::convert<std::int32_t>(a), 32, [&](auto i) { return static_cast<std::int32_t>(x[i]); }) == 0);
  CHECK(wrong_lanes(lanes::convert<double>(a), 32, [&](auto i) { return static_cast<double>(x[i]); }) == 0);
  for (float& value : x) value = std::fabs(value) * 0x1p33F;
  const auto large = Simd<float, 32>::load(x.data());
  CHECK(wrong_lanes(lanes::convert<std::uint64_t>(large), 32,
                    [&](auto i) { return static_cast<std::uint64_t>(x[i]); }) == 0);
  std::vector<std::uint64_t> wide;
  for (const float value : x) wide.push_back(static_cast<std::uint64_t>(value) * 1023U + 1U);
  const auto w = Simd<std::uint64_t, 32>::load(wide.data());
  CHECK(wrong_lanes(lanes::convert<double>(w), 32, [&](auto i) { return static_cast<double>(wide[i]); }) == 0);
  std::vector<double> z = numbers<double, 32>(5);
  const auto d = Simd<double, 32>::load(z.data());
  CHECK(wrong_lanes(lanes::convert<std::int32_t>(d), 32, [&](auto i) { return static_cast<std::int32_t>(z[i]); }) == 0);
  CHECK(wrong_lanes(lanes::bit_cast<std::uint32_t>(a), 32,
                    [&](auto i) { return std::bit_cast<std::uint32_t>(a[static_cast<int>(i)]); }) == 0);
}

TEST_CASE("fma_rounds_once") {
  // (1 + e)(1 - e) - 1 = -e^2, which a rounded product loses.
  const float e = 0x1p-13F;
  const Simd<float, 32> result = lanes::fma(Simd<float, 32>(1.F + e), Simd<float, 32>(1.F - e), Simd<float, 32>(-1.F));
  const Simd<double, 32> wide =
      lanes::fma(Simd<double, 32>(1. + 0x1p-30), Simd<double, 32>(1. - 0x1p-30), Simd<double, 32>(-1.));
  for (int i = 0; i < 32; ++i) {
    CHECK(result[i] == -e * e);
    CHECK(wide[i] == -0x1p-60);
  }
  CHECK(lanes::fma(1.F + e, 1.F - e, -1.F) == -e * e);
  CHECK(lanes::fma(1. + 0x1p-30, 1. - 0x1p-30, -1.) == -0x1p-60);
}

TEST_CASE("fma_of_vectors_has_the_bits_of_fma_of_lanes") {
  // Few bits and exponents next to each other, so that many sums lie halfway between floats or a little beside that;
  // then any bits at all: subnormal, infinite and NaN too.
  std::mt19937 random(5);
  const auto bits = [&] { return static_cast<std::uint32_t>(random()); };
  const auto near = [&] {
    const std::uint32_t fraction = bits() & (0x7fffffU << (bits() % 23)) & 0x7fffffU;
    return std::bit_cast<float>((bits() & 0x80000000U) | ((117U + bits() % 20) << 23) | fraction);
  };
  const auto any = [&] { return std::bit_cast<float>(bits()); };
  const auto small = [&] { return std::bit_cast<float>(bits() & 0x9fffffffU); };
  int wrong = 0;
  for (int turn = 0; turn < 30000; ++turn) {
    float a[16], b[16], c[16], given[16];
    for (int i = 0; i < 16; ++i) {
      a[i] = turn % 3 == 0 ? near() : turn % 3 == 1 ? any() : small();
      b[i] = turn % 3 == 0 ? near() : turn % 3 == 1 ? any() : small();
      c[i] = turn % 3 == 0 ? near() : turn % 3 == 1 ? any() : std::ldexp(small(), -60);
    }
    using Floats = Simd<float, 16>;
    lanes::fma(Floats::load(a), Floats::load(b), Floats::load(c)).store(given);
    for (int i = 0; i < 16; ++i) {
      const float expected = std::fma(a[i], b[i], c[i]);
      const bool same = std::bit_cast<std::uint32_t>(given[i]) == std::bit_cast<std::uint32_t>(expected);
      if (!same && !(std::isnan(given[i]) && std::isnan(expected))) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("partial_loads_fill_with_zero_and_read_nothing_beyond") {
  for (int count = 0; count <= 16; ++count) {
    const auto exact = std::make_unique<float[]>(static_cast<std::size_t>(count));  // its end is the allocation's end
    for (int i = 0; i < count; ++i) exact[static_cast<std::size_t>(i)] = static_cast<float>(i) + 0.5F;
    const auto given = Simd<float, 16>::load_bytes(exact.get(), count);
    for (int i = 0; i < 16; ++i) CHECK(given[i] == (i < count ? static_cast<float>(i) + 0.5F : 0.F));
  }
}

TEST_CASE("loads_and_stores_take_any_address") {
  std::vector<float> x(64);
  for (std::size_t i = 0; i < 64; ++i) x[i] = static_cast<float>(i);
  for (std::size_t offset = 0; offset < 16; ++offset) {
    const auto a = Simd<float, 32>::load(x.data() + offset);
    CHECK(a[0] == static_cast<float>(offset));
    CHECK(a[31] == static_cast<float>(offset + 31));
    std::vector<float> y(64, -1.F);
    a.store(y.data() + offset);
    CHECK(y[offset] == x[offset]);
    CHECK(y[offset + 31] == x[offset + 31]);
    CHECK(y[offset + 32] == -1.F);
  }
}

TEST_CASE("sums_halve_the_lanes_whatever_the_register_width") {
  std::vector<float> x = numbers<float, 32>(4);
  x[7] = 1e7F;  // so that the order shows
  x[20] = -1e7F;
  std::vector<float> y = x;
  for (std::size_t width = 16; width > 0; width /= 2)
    for (std::size_t i = 0; i < width; ++i) y[i] += y[i + width];
  CHECK(lanes::sum(Simd<float, 32>::load(x.data())) == y[0]);
}

namespace {

/// Sums of several vectors at once, by whichever form there is.
template <class Vectors>
std::vector<float> sums_at_once(const Vectors& v) {
  std::vector<float> sums(16);
  if constexpr (requires { sum_each(v); })
    sum_each(v).store(sums.data());
  else
    for (std::size_t k = 0; k < 16; k += 4) sum4(v[k], v[k + 1], v[k + 2], v[k + 3], sums.data() + k);
  return sums;
}

}  // namespace

TEST_CASE("sums_taken_at_once_have_the_bits_of_single_sums") {
  using Float = Simd<float, 16>;
  for (int seed = 0; seed < 200; ++seed) {
    Float v[16];
    for (int k = 0; k < 16; ++k) v[k] = Float::load(numbers<float, 16>(16 * seed + k).data());
    const std::vector<float> sums = sums_at_once(v);
    for (int k = 0; k < 16; ++k) CHECK(sums[static_cast<std::size_t>(k)] == lanes::sum(v[k]));
  }
}

TEST_CASE("sums_of_integers_taken_at_once_are_exact") {
  std::mt19937 random(5);
  Simd<std::int32_t, 16> v[16];
  std::int32_t expected[16] = {};
  for (int k = 0; k < 16; ++k) {
    std::int32_t lane[16];
    for (std::int32_t& x : lane) expected[k] += x = static_cast<std::int32_t>(random() % 200000001U) - 100000000;
    v[k] = Simd<std::int32_t, 16>::load(lane);
  }
  const auto sums = lanes::sum_each(v);
  for (int k = 0; k < 16; ++k) CHECK(sums[k] == expected[k]);
}

TEST_CASE("products_of_16_bit_pairs_are_added_up_in_32_bits") {
  std::int16_t a[32], b[32];
  std::int32_t c[16];
  for (int i = 0; i < 32; ++i) {
    a[i] = static_cast<std::int16_t>(i % 3 == 0 ? 32767 : -1000 * i);
    b[i] = static_cast<std::int16_t>(i % 5 == 0 ? -127 : 7 * i);
  }
  for (int i = 0; i < 16; ++i) c[i] = 1000 - i;
  const auto sums = lanes::add_products(Simd<std::int16_t, 32>::load(a), Simd<std::int16_t, 32>::load(b),
                                        Simd<std::int32_t, 16>::load(c));
  for (int i = 0; i < 16; ++i) CHECK(sums[i] == c[i] + a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1]);
}
