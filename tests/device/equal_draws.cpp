// The device draws the rows that the host draws: queries, keys and the scale are such that scores are exact, and so the
// same to the last bit, on both.
#include "decode/one_hot.hpp"
#include "device/instances.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <random>

using namespace santa;
using namespace santa::test;

namespace {

/// A scale by which a score in log2 units is exactly 1/16 of the product of query and key.
float exact_scale() {
  float scale = 0x1p-4F / lanes::log2_of_e;
  for (const float towards : {0.F, 1.F})
    for (int i = 0; i < 4 && scale * lanes::log2_of_e != 0x1p-4F; ++i) scale = std::nextafter(scale, towards);
  REQUIRE(scale * lanes::log2_of_e == 0x1p-4F);
  return scale;
}

/// Small whole numbers for queries and keys.
template <class Space, class T>
Problem<Space, T, float> exact_problem(const Shape& shape) {
  Problem<Space, T, float> problem(shape);
  problem.fill(12);
  std::mt19937 random(6);
  const auto whole = [&] { return static_cast<float>(random() % 5) - 2.F; };
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t h = 0; h < shape.heads; ++h)
      for (std::int64_t d = 0; d < shape.dim; ++d) problem.query(b, h, d) = whole();
    for (std::int64_t i = 0; i < shape.length; ++i)
      for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
        for (std::int64_t d = 0; d < shape.dim; ++d) problem.key(b, i, kv, d) = whole();
  }
  return problem;
}

/// Largest difference of two outputs of a head, relative to the head's norm.
double largest_difference(const Result& a, const Result& b, std::int64_t dim) {
  double largest = 0.;
  const auto width = static_cast<std::size_t>(dim);
  for (std::size_t begin = 0; begin < b.out.size(); begin += width) {
    const std::vector<float> x(a.out.begin() + static_cast<std::ptrdiff_t>(begin),
                               a.out.begin() + static_cast<std::ptrdiff_t>(begin + width));
    const std::vector<float> y(b.out.begin() + static_cast<std::ptrdiff_t>(begin),
                               b.out.begin() + static_cast<std::ptrdiff_t>(begin + width));
    largest = std::fmax(largest, relative_error(x, y));
  }
  return largest;
}

/// Six steps with what is carried between them, on both.
template <class T>
void check_equal_draws(const Problem<Device, T, float>& on_device, const Problem<Host, T, float>& on_host,
                       const AnyMethod& method, std::int64_t keys_per_split) {
  const PlanOptions options{.scale = exact_scale(), .keys_per_split = keys_per_split};
  Runner<Device, T, float> device(on_device, method, options);
  Runner<Host, T, float> host(on_host, method, options);
  const auto device_state = device.state();
  const auto host_state = host.state();
  const std::int64_t dim = on_host.shape.dim;
  for (std::uint32_t step = 0; step < 6; ++step) {
    CAPTURE(method.index());
    CAPTURE(step);
    const Result& a = device.run({.seed = 21, .step = step, .stream = 3, .state = device_state});
    const Result& b = host.run({.seed = 21, .step = step, .stream = 3, .state = host_state});
    for (std::size_t i = 0; i < b.statistics.size(); ++i) {
      CHECK(a.statistics[i].rows_read == b.statistics[i].rows_read);
      CHECK(a.statistics[i].samples == b.statistics[i].samples);
      CHECK(a.statistics[i].flags == b.statistics[i].flags);
      CHECK(a.statistics[i].effective_sample_size ==
            doctest::Approx(b.statistics[i].effective_sample_size).epsilon(1e-4));
    }
    // One row more, less or other would show: each is at least 1/2000 of an output.
    CHECK(largest_difference(a, b, dim) < 2e-5);
    for (std::size_t i = 0; i < b.error.size(); ++i) {
      CHECK(a.error[i] == doctest::Approx(b.error[i]).epsilon(1e-3));
      CHECK(a.lse[i] == doctest::Approx(b.lse[i]).epsilon(1e-6));
    }
  }
}

/// One-hot values of up to `dim` keys, where each drawn row shows by itself; then longer requests.
template <class T>
void check_rows_and_requests(std::int64_t heads, std::int64_t kv_heads, std::int64_t dim) {
  for (const std::int64_t length : {dim, std::int64_t{2900}}) {
    const Shape shape{.batch = 2, .heads = heads, .kv_heads = kv_heads, .length = length, .dim = dim};
    auto on_device = exact_problem<Device, T>(shape);
    auto on_host = exact_problem<Host, T>(shape);
    const std::vector<std::int64_t> lengths = {length, length / 2 + 3};
    if (length == dim) {
      on_device.fill_one_hot();
      on_host.fill_one_hot();
    }
    on_device.set_lengths(lengths).upload();
    on_host.set_lengths(lengths).upload();
    for (const AnyMethod& method : samplers(length == dim ? 24 : 240))
      for (const std::int64_t keys_per_split : {0, 512}) {
        check_equal_draws(on_device, on_host, method, keys_per_split);
        if (length == dim) {
          // To the row.
          const PlanOptions options{.scale = exact_scale(), .keys_per_split = keys_per_split};
          Runner<Device, T, float> device(on_device, method, options);
          Runner<Host, T, float> host(on_host, method, options);
          for (std::uint32_t step = 0; step < 6; ++step) {
            const Result& a = device.run({.seed = 4, .step = step});
            const Result& b = host.run({.seed = 4, .step = step});
            int wrong = 0;
            int drawn = 0;
            for (std::size_t i = 0; i < b.out.size(); ++i) {
              wrong += (a.out[i] != 0.F) != (b.out[i] != 0.F);
              drawn += b.out[i] != 0.F;
            }
            CHECK(wrong == 0);
            CHECK(drawn > 2 * heads);
            CHECK(static_cast<std::size_t>(drawn) < b.out.size() / 2);
          }
        }
      }
  }
}

}  // namespace

TEST_CASE("tensor_cores_draw_the_rows_that_a_host_draws") {
  check_rows_and_requests<bfloat16>(6, 2, 64);
  check_rows_and_requests<bfloat16>(14, 2, 128);
  check_rows_and_requests<bfloat16>(16, 1, 256);
}

TEST_CASE("plain_products_draw_the_rows_that_a_host_draws") {
  check_rows_and_requests<float>(6, 2, 64);
  check_rows_and_requests<float>(14, 2, 128);
  check_rows_and_requests<float>(16, 1, 256);
}
