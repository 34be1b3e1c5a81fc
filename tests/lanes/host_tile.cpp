// The two tile products against double precision, with rows that end where their allocation ends.
#include "support/data.hpp"
#include <santa/core/query_rows.hpp>
#include <santa/lanes/host_tile.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <random>
#include <vector>

using namespace santa;
using lanes::HostTile;

namespace {

/// Rows in allocations of their own, so that a read beyond a row is a read beyond an allocation.
template <class T>
struct SeparateRows {
  std::vector<std::unique_ptr<T[]>> row;

  SeparateRows(int count, int dim, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int i = 0; i < count; ++i) {
      row.push_back(std::make_unique<T[]>(static_cast<std::size_t>(dim)));
      for (int d = 0; d < dim; ++d) row.back()[static_cast<std::size_t>(d)] = T(normal(random));
    }
  }
  // Rows that don't exist have an address that can be asked for, but not read.
  const T* operator[](std::int64_t i) const {
    return i >= 0 && i < static_cast<std::int64_t>(row.size()) ? row[static_cast<std::size_t>(i)].get() : nullptr;
  }
};

template <class T>
struct Fixture {
  int heads, dim;
  std::vector<float> query, scratch;
  HostTile<T> tile;

  Fixture(int head_count, int extent)
      : heads(head_count),
        dim(extent),
        query(static_cast<std::size_t>(heads * (dim + 5))),
        scratch(HostTile<T>::scratch_floats(heads, dim), test::quiet_nan),
        tile({}, nullptr, scratch.data(), heads, dim) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (float& x : query) x = normal(random);
    tile.begin(santa::detail::QueryRows{{query.data() + 2, ElementType::float32}, -2, dim + 5}, 0.25F, [] {});
    tile.clear();
  }
  [[nodiscard]] double q(int head, int d) const {
    return static_cast<double>(query[static_cast<std::size_t>(head * (dim + 5) + d)]);
  }
};

/// Scores of `count` rows and no more rows than these.
template <class T, class Rows>
void take_scores(const HostTile<T>& tile, const Rows& rows, std::int64_t first, std::int64_t step, int count,
                 lanes::Simd<float, 32>* scores) {
  tile.scores(
      rows, first, step, count, [&](std::int64_t) { return rows[first]; }, scores, 0);
}

template <class T>
void check_scores(int heads, int dim, int count, std::int64_t first, std::int64_t step) {
  CAPTURE(heads);
  CAPTURE(dim);
  CAPTURE(count);
  const Fixture<T> f(heads, dim);
  const SeparateRows<T> rows(static_cast<int>(first + step * (count - 1) + 1), dim, 3);
  lanes::Simd<float, 32> scores[max_heads];
  take_scores(f.tile, rows, first, step, count, scores);
  double worst = 0.;
  for (int h = 0; h < heads; ++h)
    for (int i = 0; i < count; ++i) {
      double expected = 0.;
      double size = 0.;
      for (int d = 0; d < dim; ++d) {
        const double product = 0.25 * f.q(h, d) * static_cast<double>(static_cast<float>(rows[first + step * i][d]));
        expected += product;
        size += std::fabs(product);
      }
      worst = std::fmax(worst, std::fabs(static_cast<double>(scores[h][i]) - expected) / size);
    }
  CHECK(worst < 1e-6);
}

template <class T>
void check_sums(int heads, int dim, int count) {
  CAPTURE(heads);
  CAPTURE(dim);
  CAPTURE(count);
  Fixture<T> f(heads, dim);
  const SeparateRows<T> rows(50, dim, 5);
  std::mt19937 random(9);
  std::vector<std::int32_t> index;
  std::vector<float> weight;
  for (int i = 0; i < count; ++i) index.push_back(static_cast<std::int32_t>(random() % 40));
  const int stride = count + 3;
  for (int i = 0; i < heads * stride; ++i) weight.push_back(static_cast<float>(random() % 1000) / 100.F);
  weight.resize(static_cast<std::size_t>((heads - 1) * stride + count));  // no more is there
  f.tile.add_rows(
      rows, 10, index.data(), count, [&](int) { return rows[10]; }, weight.data(), stride);
  f.tile.rescale(heads - 1, 0.5F);
  f.tile.add_rows(
      rows, 10, index.data(), count, [&](int) { return rows[10]; }, weight.data(), stride);
  double worst = 0.;
  for (int h = 0; h < heads; ++h) {
    std::vector<float> sum(static_cast<std::size_t>(dim) + 1, 42.F);
    f.tile.store_sum(h, sum.data());
    for (int d = 0; d < dim; ++d) {
      double expected = 0.;
      double size = 1e-30;
      for (int i = 0; i < count; ++i) {
        const double product =
            static_cast<double>(weight[static_cast<std::size_t>(h * stride + i)]) *
            static_cast<double>(static_cast<float>(rows[10 + index[static_cast<std::size_t>(i)]][d]));
        expected += product;
        size += std::fabs(product);
      }
      const double factor = h == heads - 1 ? 1.5 : 2.;
      worst =
          std::fmax(worst, std::fabs(static_cast<double>(sum[static_cast<std::size_t>(d)]) - factor * expected) / size);
    }
    CHECK(sum.back() == 42.F);
  }
  CHECK(worst < 1e-5);
}

template <class T>
void check_type() {
  for (const int dim : {8, 16, 24, 32, 40, 64, 72, 80, 96, 128, 200, 256})
    for (const int heads : {1, 2, 3, 4, 7, 16}) {
      check_scores<T>(heads, dim, 32, 0, 1);
      check_scores<T>(heads, dim, 1 + (heads * dim) % 32, 3, 1);
      check_sums<T>(heads, dim, 16);
    }
  for (int heads = 1; heads <= 16; ++heads) {
    for (const int count : {1, 2, 3, 5, 31, 32}) check_scores<T>(heads, 72, count, 2, 7);
    for (const int count : {0, 1, 2, 15, 16}) check_sums<T>(heads, 40, count);
  }
}

}  // namespace

TEST_CASE("tile_products_of_float_rows_match_double") { check_type<float>(); }
TEST_CASE("tile_products_of_half_rows_match_double") { check_type<santa::half>(); }
TEST_CASE("tile_products_of_bfloat16_rows_match_double") { check_type<bfloat16>(); }

TEST_CASE_TEMPLATE("scores_have_the_same_bits_wherever_a_row_stands", T, float, santa::half, bfloat16) {
  for (const int dim : {64, 80}) {
    const SeparateRows<T> rows(32, dim, 3);
    for (int heads = 1; heads <= 8; ++heads) {
      const Fixture<T> f(heads, dim);
      lanes::Simd<float, 32> together[max_heads];
      take_scores(f.tile, rows, 0, 1, 32, together);
      for (int i = 0; i < 32; ++i) {
        lanes::Simd<float, 32> alone[max_heads];
        take_scores(f.tile, rows, i, 1, 1, alone);
        for (int h = 0; h < heads; ++h) CHECK(alone[h][0] == together[h][i]);
      }
    }
  }
}

TEST_CASE_TEMPLATE("specialised_dimensions_give_the_bits_of_others", T, float, santa::half, bfloat16) {
  // Eight zeros at the end of a row change no sum, but make its dimension one that nothing is specialised for.
  for (const int dim : {64, 80, 96, 128})
    for (const int heads : {1, 2, 3, 4, 8}) {
      CAPTURE(dim);
      CAPTURE(heads);
      Fixture<T> f(heads, dim);
      Fixture<T> longer(heads, dim + 8);
      std::vector<float> query(static_cast<std::size_t>(heads * (dim + 8)));
      for (int h = 0; h < heads; ++h)
        for (int d = 0; d < dim; ++d)
          query[static_cast<std::size_t>(h * (dim + 8) + d)] = static_cast<float>(f.q(h, d));
      longer.tile.begin(santa::detail::QueryRows{{query.data(), ElementType::float32}, 0, dim + 8}, 0.25F, [] {});
      const SeparateRows<T> rows(32, dim, 3);
      SeparateRows<T> longer_rows(32, dim + 8, 3);
      for (int i = 0; i < 32; ++i)
        for (int d = 0; d < dim + 8; ++d)
          longer_rows.row[static_cast<std::size_t>(i)][d] = d < dim ? rows[i][d] : T(0.F);

      lanes::Simd<float, 32> scores[max_heads];
      lanes::Simd<float, 32> longer_scores[max_heads];
      take_scores(f.tile, rows, 0, 1, 32, scores);
      take_scores(longer.tile, longer_rows, 0, 1, 32, longer_scores);
      const std::vector<std::int32_t> index{3, 1, 4, 1, 5, 9, 2, 6};
      std::vector<float> weight;
      for (int i = 0; i < heads * 8; ++i) weight.push_back(1.F / static_cast<float>(i + 3));
      f.tile.add_rows(
          rows, 0, index.data(), 8, [&](int) { return rows[0]; }, weight.data(), 8);
      longer.tile.add_rows(
          longer_rows, 0, index.data(), 8, [&](int) { return longer_rows[0]; }, weight.data(), 8);
      for (int h = 0; h < heads; ++h) {
        for (int i = 0; i < 32; ++i) CHECK(scores[h][i] == longer_scores[h][i]);
        std::vector<float> sum(static_cast<std::size_t>(dim));
        std::vector<float> longer_sum(static_cast<std::size_t>(dim) + 8);
        f.tile.store_sum(h, sum.data());
        longer.tile.store_sum(h, longer_sum.data());
        longer_sum.resize(static_cast<std::size_t>(dim));
        CHECK(sum == longer_sum);
      }
    }
}

TEST_CASE("half_rows_widen_subnormal_infinite_and_nan_elements") {
  for (const float special : {0x1p-24F, -0x1.8p-15F, 65504.F, test::infinity, test::quiet_nan}) {
    Fixture<santa::half> f(1, 40);
    SeparateRows<santa::half> rows(1, 40, 1);
    rows.row[0][37] = santa::half(special);
    const std::int32_t index = 0;
    const std::vector<float> weight(32, 1.F);
    f.tile.add_rows(
        rows, 0, &index, 1, [&](int) { return rows[0]; }, weight.data(), 1);
    std::vector<float> sum(40);
    f.tile.store_sum(0, sum.data());
    CHECK((std::isnan(special) ? std::isnan(sum[37]) : sum[37] == special));
    CHECK(sum[36] == static_cast<float>(rows[0][36]));
  }
}

TEST_CASE("distances_are_taken_to_the_center_or_to_zero") {
  const Fixture<float> f(1, 8);
  const float row[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const float center[8] = {1, 2, 3, 4, 5, 6, 7, 10};
  CHECK(f.tile.squared_distance(row, center) == 4.F);
  CHECK(f.tile.squared_distance(row, nullptr) == 204.F);
}
