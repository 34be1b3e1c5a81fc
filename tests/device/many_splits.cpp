// What a kernel of its own merges, of many splits, is what the last unit merges of few.
#include "device/instances.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// The largest difference, over the largest number; where both are no numbers there is none.
float difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float most = 0.F, largest = 1e-30F;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    const float apart = std::fabs(a[i] - b[i]);
    most = std::fmax(most, std::isnan(apart) ? 1e30F : apart);
    largest = std::fmax(largest, std::fabs(a[i]));
  }
  return most / largest;
}

void check(const Shape& shape, bool center, bool sinks) {
  CAPTURE(shape.length);
  CAPTURE(center);
  CAPTURE(sinks);
  Problem<Device, bfloat16, float> problem(shape);
  problem.fill(5).upload();
  const auto size = static_cast<std::size_t>(shape.batch * shape.kv_heads * shape.dim);
  Settings<Device> settings{.seed = 3, .step = 1};
  if (center) settings.center.assign(size, 0.25F);
  if (sinks) settings.sinks.assign(static_cast<std::size_t>(shape.heads), 2.F);
  const std::int64_t few = (shape.length / 4 + 255) / 256 * 256;
  for (const AnyMethod& method : {AnyMethod{Exact{}}, AnyMethod{MassUnit{.rows = 300}}}) {
    CAPTURE(method.index());
    Runner<Device, bfloat16, float> many(problem, method), merged(problem, method, {.keys_per_split = few});
    const Result got = many.run(settings), expected = merged.run(settings);
    CHECK(difference(got.out, expected.out) < 1e-5F);
    CHECK(difference(got.lse, expected.lse) < 1e-6F);
    CHECK(difference(got.error, expected.error) < 1e-3F);
    for (std::size_t i = 0; i < got.statistics.size(); ++i) {
      CHECK(got.statistics[i].rows_read == expected.statistics[i].rows_read);
      CHECK(got.statistics[i].samples == expected.statistics[i].samples);
    }
  }
}

}  // namespace

TEST_CASE("many splits give what few give") {
  for (const bool center : {false, true})
    for (const bool sinks : {false, true}) {
      check({.batch = 1, .heads = 8, .kv_heads = 2, .length = 8192, .dim = 128}, center, sinks);
      check({.batch = 1, .heads = 3, .kv_heads = 1, .length = 20001, .dim = 72}, center, sinks);  // more than 32 a head
    }
}
