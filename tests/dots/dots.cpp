// Scores by products of pairs of bfloat16, of builds with -DSANTA_BF16_DOTS for processors that have them: against
// double precision, and only where the queries are bfloat16.
#include <santa/core/query_rows.hpp>
#include <santa/lanes/host_tile.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

using namespace santa;

namespace {

struct Rows {
  const bfloat16* data;
  int dim;
  const bfloat16* operator[](std::int64_t i) const { return data + i * dim; }
};

/// The largest difference of a score from the product in double, beside the size of its terms.
double largest_error(int heads, int dim, const std::vector<float>& query, float factor, bool expected_in_pairs) {
  constexpr int count = 32;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<bfloat16> keys(static_cast<std::size_t>(count * dim));
  for (bfloat16& key : keys) key = bfloat16(normal(random));
  std::vector<float> scratch(lanes::HostTile<bfloat16>::scratch_floats(heads, dim));
  lanes::HostTile<bfloat16> tile({}, nullptr, scratch.data(), heads, dim);
  const detail::QueryRows given{{query.data(), ElementType::float32}, 0, dim};
  tile.begin(given, factor, [] {});
  lanes::HostQuery<bfloat16> arranged(scratch.data(), dim);
  arranged.begin(given, factor, heads);
  CHECK(arranged.in_pairs() == (expected_in_pairs && lanes::adds_pairs<bfloat16>));
  const Rows rows{keys.data(), dim};
  lanes::Simd<float, 32> scores[max_heads];
  tile.scores(
      rows, 0, 1, count, [&](std::int64_t) { return rows[0]; }, scores, 0);
  double worst = 0.;
  for (int h = 0; h < heads; ++h)
    for (int i = 0; i < count; ++i) {
      double product = 0., size = 0.;
      for (int d = 0; d < dim; ++d) {
        const double term = static_cast<double>(factor) *
                            static_cast<double>(query[static_cast<std::size_t>(h * dim + d)]) *
                            static_cast<double>(static_cast<float>(rows[i][d]));
        product += term;
        size += std::fabs(term);
      }
      worst = std::fmax(worst, std::fabs(static_cast<double>(scores[h][i]) - product) / size);
    }
  return worst;
}

std::vector<float> queries(int heads, int dim) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> query(static_cast<std::size_t>(heads * dim));
  for (float& x : query) x = static_cast<float>(bfloat16(normal(random)));
  return query;
}

}  // namespace

TEST_CASE("scores_of_bfloat16_queries_are_products_of_pairs") {
  if (!lanes::adds_pairs<bfloat16>) MESSAGE("this processor has no AVX512-BF16");
  for (const int heads : {1, 2, 3, 4, 7})
    for (const int dim : {8, 32, 72, 128, 256}) {
      CAPTURE(heads);
      CAPTURE(dim);
      CHECK(largest_error(heads, dim, queries(heads, dim), 0.127F, true) < 3e-7);
    }
}

TEST_CASE("one_number_that_is_no_bfloat16_makes_all_of_them_products_of_floats") {
  for (const std::size_t place : {std::size_t{0}, std::size_t{3 * 72 + 71}}) {
    std::vector<float> query = queries(4, 72);
    query[place] = 1.F + 0x1p-12F;
    CHECK(largest_error(4, 72, query, 0.127F, false) < 3e-7);
  }
}
