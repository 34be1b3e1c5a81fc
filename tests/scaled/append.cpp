// Rows that are quantised as they are appended.
#include "scaled/scaled_problem.hpp"
#include "support/spaces.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::size_t batch = 2, length = 12, kv_heads = 3, dim = 24, value_dim = 40;

/// A cache of K and V whose rows are all 0, and new tokens of From for it.
template <class Space, class K, class V, class From>
struct Appended {
  using Memory = typename Space::memory_space;
  template <class T>
  using Rows = Kokkos::View<T****, Kokkos::LayoutRight, Memory>;
  template <class T>
  using NewRows = Kokkos::View<T***, Kokkos::LayoutRight, Memory>;

  Rows<K> keys{"keys", batch, length, kv_heads, dim};
  Rows<V> values{"values", batch, length, kv_heads, value_dim};
  NewRows<float> key_scales{"key_scales", batch, length, kv_heads},
      value_scales{"value_scales", batch, length, kv_heads};
  Kokkos::View<float*, Memory> head_scales{"head_scales", kv_heads};
  Kokkos::View<std::int64_t*, Memory> lengths = to_space<Space>(std::vector<std::int64_t>{5, 12}, "lengths");
  NewRows<From> new_keys{"new_keys", batch, kv_heads, dim}, new_values{"new_values", batch, kv_heads, value_dim};

  explicit Appended(unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](const auto& view) {
      const auto host = Kokkos::create_mirror_view(view);
      for (std::size_t i = 0; i < host.size(); ++i)
        host.data()[i] = From(normal(random) * std::exp2(3.F * normal(random)));
      Kokkos::deep_copy(view, host);
    };
    fill(new_keys);
    fill(new_values);
    Kokkos::deep_copy(head_scales, 0.03F);
  }

  /// What a view has at the new row of each request, as floats, row by row.
  template <class View>
  static std::vector<std::vector<float>> newest(const View& view) {
    using T = cache_storage_t<typename View::value_type>;
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
    std::vector<std::vector<float>> rows;
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t kv = 0; kv < kv_heads; ++kv) {
        rows.emplace_back();
        for (std::size_t d = 0; d < view.extent(3); ++d)
          rows.back().push_back(static_cast<float>(Kokkos::bit_cast<T>(host(b, b == 0 ? 4 : 11, kv, d))));
      }
    return rows;
  }
  template <class View>
  static std::vector<std::vector<float>> given(const View& view) {
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
    std::vector<std::vector<float>> rows;
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t kv = 0; kv < kv_heads; ++kv) {
        rows.emplace_back();
        for (std::size_t d = 0; d < view.extent(2); ++d) rows.back().push_back(static_cast<float>(host(b, kv, d)));
      }
    return rows;
  }
  std::vector<float> newest_scales(const NewRows<float>& view) const {
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
    std::vector<float> scales;
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t kv = 0; kv < kv_heads; ++kv) scales.push_back(host(b, b == 0 ? 4 : 11, kv));
    return scales;
  }
};

/// Elements are the nearest to the number over the scale, saturated.
template <class T>
void check_elements(const std::vector<std::vector<float>>& elements, const std::vector<std::vector<float>>& numbers,
                    const std::vector<float>& scales) {
  for (std::size_t row = 0; row < numbers.size(); ++row)
    for (std::size_t d = 0; d < numbers[row].size(); ++d)
      CHECK(elements[row][d] == static_cast<float>(cache_storage_t<T>(numbers[row][d] / scales[row])));
}
template <class T>
void check_scales(const std::vector<std::vector<float>>& numbers, const std::vector<float>& scales, float most) {
  for (std::size_t row = 0; row < numbers.size(); ++row) {
    float largest = 0.F;
    for (const float x : numbers[row]) largest = std::fmax(largest, std::fabs(x));
    CHECK(scales[row] == largest / most);
  }
}

/// Of a row by itself what is written and its scale.
template <class Space, class T>
std::pair<std::vector<float>, float> appended_row(const std::vector<float>& row) {
  Appended<Space, T, T, float> a(1);
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, a.new_keys);
  for (std::size_t d = 0; d < dim; ++d) host(1, 2, d) = d < row.size() ? row[d] : 0.F;
  Kokkos::deep_copy(a.new_keys, host);
  append(Space{},
         ContiguousCache{Scaled{a.keys, TokenScales{a.key_scales}}, Scaled{a.values, TokenScales{a.value_scales}},
                         a.lengths},
         a.new_keys, a.new_values);
  Space{}.fence();
  std::vector<float> written = a.newest(a.keys).back();
  written.resize(row.size());
  return {written, a.newest_scales(a.key_scales).back()};
}

}  // namespace

SANTA_SPACE_TEST_CASE("appended_rows_get_scales_by_their_largest_number") {
  Appended<Space, e4m3, std::int8_t, float> a(3);
  const ContiguousCache cache{Scaled{a.keys, TokenScales{a.key_scales}}, Scaled{a.values, TokenScales{a.value_scales}},
                              a.lengths};
  append(Space{}, cache, a.new_keys, a.new_values);
  Space{}.fence();
  check_scales<e4m3>(a.given(a.new_keys), a.newest_scales(a.key_scales), 448.F);
  check_scales<std::int8_t>(a.given(a.new_values), a.newest_scales(a.value_scales), 127.F);
  check_elements<e4m3>(a.newest(a.keys), a.given(a.new_keys), a.newest_scales(a.key_scales));
  check_elements<std::int8_t>(a.newest(a.values), a.given(a.new_values), a.newest_scales(a.value_scales));
  // Nothing else was written.
  const auto scales = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, a.key_scales);
  for (std::size_t i = 0; i < length; ++i)
    if (i != 4) CHECK(scales(0, i, 1) == 0.F);
}

SANTA_SPACE_TEST_CASE("appended_rows_are_divided_by_scales_that_are_given") {
  Appended<Space, std::int8_t, e4m3, bfloat16> a(4);
  const ContiguousCache cache{Scaled{a.keys, TensorScale{0.05F}}, Scaled{a.values, HeadScales{a.head_scales}},
                              a.lengths};
  append(Space{}, cache, a.new_keys, a.new_values);
  Space{}.fence();
  check_elements<std::int8_t>(a.newest(a.keys), a.given(a.new_keys), std::vector<float>(batch * kv_heads, 0.05F));
  check_elements<e4m3>(a.newest(a.values), a.given(a.new_values), std::vector<float>(batch * kv_heads, 0.03F));
}

SANTA_SPACE_TEST_CASE("appended_rows_without_scales_are_rounded_to_the_elements") {
  Appended<Space, e4m3, santa::half, float> a(5);
  append(Space{}, ContiguousCache{a.keys, a.values, a.lengths}, a.new_keys, a.new_values);
  Space{}.fence();
  const std::vector<float> ones(batch * kv_heads, 1.F);
  check_elements<e4m3>(a.newest(a.keys), a.given(a.new_keys), ones);
  check_elements<santa::half>(a.newest(a.values), a.given(a.new_values), ones);
}

SANTA_SPACE_TEST_CASE("appended_rows_of_odd_numbers") {
  constexpr float nan = quiet_nan;
  SUBCASE("zeros have a scale of 1") {
    const auto [row, scale] = appended_row<Space, e4m3>({0.F, -0.F});
    CHECK(scale == 1.F);
    CHECK(row == std::vector<float>{0.F, 0.F});
  }
  SUBCASE("the smallest numbers have a normal scale") {
    const auto [row, scale] = appended_row<Space, std::int8_t>({1e-45F});
    CHECK(scale == 0x1p-126F);
  }
  SUBCASE("infinity saturates") {
    const auto [row, scale] = appended_row<Space, e4m3>({infinity, -infinity, 2.F});
    CHECK(scale == 2.F / 448.F);
    CHECK(row == std::vector<float>{448.F, -448.F, 448.F});
    CHECK(appended_row<Space, std::int8_t>({-infinity, 2.F}).first == std::vector<float>{-127.F, 127.F});
  }
  SUBCASE("NaN stays NaN") {
    const auto [row, scale] = appended_row<Space, e4m3>({nan, 3.F});
    CHECK(scale == 3.F / 448.F);
    CHECK(std::isnan(row[0]));
    CHECK(row[1] == 448.F);
    CHECK(std::isnan(appended_row<Space, std::int8_t>({1.F, nan}).second));
  }
}

SANTA_SPACE_TEST_CASE("appended_pages_give_the_rows_back") {
  using Memory = typename Space::memory_space;
  Appended<Space, e4m3, e4m3, float> a(6);
  // The same memory in pages of 4 slots: three of each request.
  const Kokkos::View<e4m3****, Kokkos::LayoutRight, Memory> keys(a.keys.data(), 6, 4, kv_heads, dim),
      values(a.values.data(), 6, 4, kv_heads, value_dim);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> key_scales(a.key_scales.data(), 6, 4, kv_heads),
      value_scales(a.value_scales.data(), 6, 4, kv_heads);
  const auto entries = to_space<Space>(std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}, "table");
  const Kokkos::View<const std::int32_t**, Kokkos::LayoutRight, Memory> table(entries.data(), 2, 3);
  const PagedCache cache{Scaled{keys, TokenScales{key_scales}}, Scaled{values, TokenScales{value_scales}},
                         PageTable{table, a.lengths}};
  append(Space{}, cache, a.new_keys, a.new_values);
  Space{}.fence();
  check_elements<e4m3>(a.newest(a.keys), a.given(a.new_keys), a.newest_scales(a.key_scales));
  check_scales<e4m3>(a.given(a.new_values), a.newest_scales(a.value_scales), 448.F);
}
