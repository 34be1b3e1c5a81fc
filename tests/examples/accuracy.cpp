// Errors of outputs.
#include "decode/accuracy.hpp"

#include "files.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

TEST_CASE("errors_by_hand") {
  // (3, 4) against (3, 4): none. (3, 4) against (0, 4): 3/4, cosine 4/5.
  const std::vector<Tensor> out = {tensor_of("F32", {2, 1, 2}, std::vector<float>{3.F, 4.F, 3.F, 4.F})};
  const Accuracy accuracy = compare(out, {{3., 4., 0., 4.}}, 2);
  CHECK(accuracy.mean == doctest::Approx(0.375));
  CHECK(accuracy.percentile95 == doctest::Approx(0.75));
  CHECK(accuracy.cosine == doctest::Approx(0.9));
}

TEST_CASE("the_95th_percentile_leaves_5_of_100_above") {
  std::vector<float> out;
  for (int i = 1; i <= 100; ++i) out.push_back(1.F + static_cast<float>(i));
  const Accuracy accuracy = compare({tensor_of("F32", {100, 1, 1}, out)}, {std::vector<double>(100, 1.)}, 1);
  CHECK(accuracy.percentile95 == 95.);
}

TEST_CASE("a_reference_of_zero_is_met_or_missed_infinitely") {
  const Tensor zero = make_tensor("F32", {1, 1, 1});
  CHECK(compare({zero}, {{0.}}, 1).mean == 0.);
  CHECK(std::isinf(compare({tensor_of("F32", {1, 1, 1}, std::vector<float>{1.F})}, {{0.}}, 1).mean));
}

TEST_CASE("outputs_that_are_no_numbers_count_as_the_farthest") {
  std::vector<float> out;
  for (int i = 0; i < 100; ++i) out.push_back(i % 25 == 1 ? NAN : 101.F - static_cast<float>(i));
  const Accuracy accuracy = compare({tensor_of("F32", {100, 1, 1}, out)}, {std::vector<double>(100, 1.)}, 1);
  CHECK(std::isnan(accuracy.mean));
  CHECK(accuracy.percentile95 == 98.);  // of 96 numbers, the largest of which are 100 and 98
}
