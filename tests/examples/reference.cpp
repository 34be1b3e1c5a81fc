// Exact attention in float64.
#include "decode/reference.hpp"

#include "files.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

namespace {

/// One head of dim 8: only the first features count.
std::vector<float> rows(const std::vector<std::vector<float>>& given) {
  std::vector<float> elements;
  for (std::vector<float> row : given) {
    row.resize(8, 0.F);
    elements.insert(elements.end(), row.begin(), row.end());
  }
  return elements;
}

}  // namespace

// Scores 0.5 * (2 * k): 0 and log 3. Weights 1/4 and 3/4. Output 1/4 (8, 0) + 3/4 (0, 4) = (2, 3).
// At position 0 only the first key is visible: output (8, 0).
TEST_CASE("two_keys_by_hand") {
  CapturedLayer layer;
  layer.query = tensor_of("F32", {2, 1, 8}, rows({{2.F}, {2.F}}));
  layer.key = tensor_of("F32", {2, 1, 8}, rows({{0.F}, {std::log(3.F)}}));
  layer.value = tensor_of("F32", {2, 1, 8}, rows({{8.F, 0.F}, {0.F, 4.F}}));
  layer.positions = {1, 0};
  const std::vector<double> out = reference_attention(layer, {2, 1, 1, 2, 8}, 0.5F);
  REQUIRE(out.size() == 16);
  CHECK(out[0] == doctest::Approx(2.).epsilon(1e-6));
  CHECK(out[1] == doctest::Approx(3.).epsilon(1e-6));
  CHECK(out[2] == 0.);
  CHECK(out[8] == 8.);
  CHECK(out[9] == 0.);
}

// Four heads on two kv heads: heads 0 and 1 read the first, 2 and 3 the second.
TEST_CASE("heads_share_kv_heads_in_order") {
  CapturedLayer layer;
  layer.query = make_tensor("BF16", {1, 4, 8});
  layer.key = make_tensor("F16", {1, 2, 8});
  std::vector<std::uint16_t> ones_and_twos(16, 0x3c00);
  for (std::size_t i = 8; i < 16; ++i) ones_and_twos[i] = 0x4000;
  layer.value = tensor_of("F16", {1, 2, 8}, ones_and_twos);
  layer.positions = {0};
  const std::vector<double> out = reference_attention(layer, {1, 4, 2, 1, 8}, 1.F);
  for (std::size_t head = 0; head < 4; ++head) CHECK(out[head * 8] == (head < 2 ? 1. : 2.));
}

TEST_CASE("large_scores_do_not_overflow") {
  CapturedLayer layer;
  layer.query = tensor_of("F32", {1, 1, 8}, rows({{1e4F}}));
  layer.key = tensor_of("F32", {2, 1, 8}, rows({{1e4F}, {1.F}}));
  layer.value = tensor_of("F32", {2, 1, 8}, rows({{5.F}, {7.F}}));
  layer.positions = {1};
  CHECK(reference_attention(layer, {1, 1, 1, 2, 8}, 1.F)[0] == 5.);
}
