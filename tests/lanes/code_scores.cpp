// Scores of rows of narrow codes against double precision, with rows that end where their allocation ends.
#include "support/data.hpp"
#include <santa/core/narrow.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/code_block.hpp>
#include <santa/lanes/host_tile.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

using namespace santa;
using lanes::HostTile;

namespace {

/// Codes of any bits that stand for a number, in allocations of their own.
template <class Code>
struct CodeRows {
  int dim;
  std::vector<std::unique_ptr<Code[]>> row;

  CodeRows(int count, int extent) : dim(extent) {
    std::mt19937 random(11);
    const auto elements = static_cast<std::size_t>(dim / detail::features_per_element<Code>);
    for (int i = 0; i < count; ++i) {
      row.push_back(std::make_unique<Code[]>(elements));
      for (std::size_t k = 0; k < elements; ++k) {
        auto bits = static_cast<std::uint8_t>(random());
        if (std::is_same_v<Code, float8> && (bits & 0x7fU) == 0x7fU) bits = 0;  // no number
        std::memcpy(&row.back()[k], &bits, 1);
      }
    }
  }
  const Code* operator[](std::int64_t i) const { return row[static_cast<std::size_t>(i)].get(); }

  [[nodiscard]] std::vector<float> decoded(int i) const {
    std::vector<float> numbers(static_cast<std::size_t>(dim));
    detail::read_features((*this)[i], 0, dim, numbers.data());
    return numbers;
  }
};

template <class Code>
struct Scores {
  lanes::Simd<float, 32> of[max_heads];

  Scores(const std::vector<float>& query, int heads, const CodeRows<Code>& rows, int count) {
    std::vector<float> scratch(HostTile<Code>::scratch_floats(heads, rows.dim), test::quiet_nan);
    HostTile<Code> tile({}, nullptr, scratch.data(), heads, rows.dim);
    tile.begin(detail::QueryRows{{query.data(), ElementType::float32}, 0, rows.dim}, 0.25F, [] {});
    tile.scores(
        rows, 0, 1, count, [&](std::int64_t) { return rows[0]; }, of, 0);
  }
};

std::vector<float> random_query(int heads, int dim) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> query(static_cast<std::size_t>(heads * dim));
  for (float& x : query) x = normal(random);
  return query;
}

template <class Code>
void check_scores(int heads, int dim, int count) {
  CAPTURE(heads);
  CAPTURE(dim);
  CAPTURE(count);
  const CodeRows<Code> rows(count, dim);
  const std::vector<float> query = random_query(heads, dim);
  const Scores<Code> scores(query, heads, rows, count);
  double worst = 0.;
  for (int h = 0; h < heads; ++h) {
    const float* q = query.data() + h * dim;
    double largest = 0.;
    for (int d = 0; d < dim; ++d) largest = std::fmax(largest, std::fabs(static_cast<double>(q[d])));
    for (int i = 0; i < count; ++i) {
      const std::vector<float> x = rows.decoded(i);
      double expected = 0., allowed = 1e-30;
      for (std::size_t d = 0; d < x.size(); ++d) {
        const double number = static_cast<double>(x[d]);
        expected += 0.25 * static_cast<double>(q[d]) * number;
        // Half a unit of a 16-bit query where codes are integers, and the rounding of floats.
        const double rounding = lanes::FeatureBlock<Code>::integers ? 0.5 / 32767. * largest : 0.;
        allowed += 0.25 * (rounding + 1e-6 * std::fabs(static_cast<double>(q[d]))) * (std::fabs(number) + 8.);
      }
      worst = std::fmax(worst, std::fabs(static_cast<double>(scores.of[h][i]) - expected) / allowed);
    }
  }
  CHECK(worst < 1.);
}

}  // namespace

TEST_CASE_TEMPLATE("scores_of_codes_match_double", Code, std::int8_t, int4x2, float8) {
  for (const int dim : {8, 16, 24, 32, 40, 64, 72, 80, 96, 128, 200, 256})
    for (const int heads : {1, 2, 3, 4, 7, 16}) check_scores<Code>(heads, dim, 1 + (heads * dim) % 32);
}

TEST_CASE_TEMPLATE("the_largest_codes_and_queries_do_not_overflow", Code, std::int8_t, int4x2) {
  CodeRows<Code> rows(1, 256);
  const Code largest = [] {
    if constexpr (std::is_same_v<Code, int4x2>)
      return int4x2(7, 7);
    else
      return static_cast<Code>(127);
  }();
  for (int k = 0; k < 256 / detail::features_per_element<Code>; ++k) rows.row[0][static_cast<std::size_t>(k)] = largest;
  const Scores<Code> scores(std::vector<float>(256, 2.F), 1, rows, 1);
  const double code = static_cast<double>(rows.decoded(0)[0]);
  CHECK(static_cast<double>(scores.of[0][0]) == doctest::Approx(0.25 * 2. * 256. * code).epsilon(1e-6));
}

TEST_CASE_TEMPLATE("queries_of_zero_tiny_or_no_numbers_are_told_apart", Code, std::int8_t, int4x2, float8) {
  const CodeRows<Code> rows(1, 64);
  CHECK(Scores<Code>(std::vector<float>(64, 0.F), 1, rows, 1).of[0][0] == 0.F);
  CHECK(std::fabs(Scores<Code>(std::vector<float>(64, 1e-40F), 1, rows, 1).of[0][0]) < 1e-34F);
  for (const float bad : {test::infinity, test::quiet_nan}) {
    std::vector<float> query(128, 1.F);
    query[70] = bad;  // the second head's
    const Scores<Code> scores(query, 2, rows, 1);
    CHECK(std::isfinite(scores.of[0][0]));
    CHECK_FALSE(std::isfinite(scores.of[1][0]));
  }
}
