// Choosing a number of draws by the rows that they read.
#include "decode/calibrate.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

using namespace santa::example;

TEST_CASE("the_number_of_draws_reads_about_the_rows_wanted") {
  // Rows that grow with a power of the draws, from nearly all of them to few.
  for (const double power : {1., 0.7, 0.4}) {
    int tries = 0;
    const auto rows_read = [&](std::int64_t samples) {
      ++tries;
      return 0.5 * std::pow(static_cast<double>(samples) / 8192., power);
    };
    const std::int64_t samples = samples_for(0.1, 8192, rows_read);
    CAPTURE(power);
    CHECK(tries <= 8);
    CHECK(rows_read(samples) == doctest::Approx(0.1).epsilon(0.05));
  }
}

TEST_CASE("all_rows_take_as_many_draws_as_rows_and_fewer_never_do") {
  const auto rows_read = [](std::int64_t samples) { return samples >= 100 ? 1. : 0.01; };
  CHECK(samples_for(1., 100, rows_read) == 100);
  CHECK(samples_for(0.5, 100, rows_read) < 100);
  CHECK(samples_for(0.5, 1, rows_read) == 1);
}

TEST_CASE("no_number_below_the_fewest_is_tried") {
  const auto rows_read = [](std::int64_t samples) {
    CHECK(samples >= 40);
    return static_cast<double>(samples) / 1000.;
  };
  CHECK(samples_for(0.1, 1000, rows_read, 40) == doctest::Approx(100).epsilon(0.05));
  CHECK(samples_for(0.01, 1000, rows_read, 40) == 40);
  CHECK(samples_for(0.5, 30, rows_read, 40) == 40);
}
