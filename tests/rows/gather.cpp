// Drawn rows added up, and draw and gather together.
#include "drawing.hpp"
#include "support/data.hpp"
#include "support/events.hpp"
#include "support/statistics.hpp"
#include <santa/rows/gather_add.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Vectors = Kokkos::View<float**, Kokkos::LayoutRight, HostMemory>;

/// A batch of matrices whose rows lie further apart than they are long.
template <class T>
struct Matrices {
  Kokkos::View<T***, Kokkos::LayoutRight, HostMemory> storage;
  Kokkos::View<T***, Kokkos::LayoutStride, HostMemory> rows;

  Matrices(std::size_t batch, std::size_t count, std::size_t dim, unsigned seed)
      : storage("test::matrices", batch, count, dim + 5),
        rows(Kokkos::subview(storage, Kokkos::ALL, Kokkos::ALL, std::pair<std::size_t, std::size_t>(3, 3 + dim))) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(1.F, 1.F);
    for (std::size_t i = 0; i < storage.size(); ++i) storage.data()[i] = T(normal(random));
  }
};

Drawn drawn_list(std::size_t batch, std::size_t rows, unsigned seed) {
  const Drawn drawn(HostSpace{}, batch, rows);
  draw_rows(HostSpace{}, MassUnit{.rows = share(0.3)}, random_log_weights(batch, rows, seed), drawn, {.seed = seed});
  return drawn;
}

/// sum, or the square of the error, of one feature in double.
template <class Rows>
double reference(const DrawnList& list, const Rows& rows, std::size_t b, std::size_t d, double center, bool error) {
  double sum = 0.;
  double used = 0.;
  double squares = 0.;
  for (std::int64_t i = 0; i < list.count; ++i) {
    const double v = static_cast<double>(static_cast<float>(rows(b, static_cast<std::size_t>(list.rows[i]), d)));
    sum += static_cast<double>(list.weights[i]) * v;
    used += static_cast<double>(list.weights[i]);
    squares += static_cast<double>(list.spreads[i]) * (v - center) * (v - center);
  }
  return error ? std::sqrt(squares) : sum + (1. - used) * center;
}

template <class T>
void check_against_reference(std::size_t dim) {
  constexpr std::size_t batch = 2;
  constexpr std::size_t count = 200;
  const Matrices<T> matrices(batch, count, dim, 1);
  const Drawn drawn = drawn_list(batch, count, 2);
  const Vectors sum("test::sum", batch, dim), center("test::center", batch, dim), error("test::error", batch, dim);
  Kokkos::deep_copy(center, 0.75F);
  for (const bool with_center : {false, true}) {
    GatherOptions<HostMemory> options{.error = error};
    if (with_center) options.center = center;
    gather_add(HostSpace{}, drawn, matrices.rows, sum, options);
    HostSpace{}.fence();
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t d = 0; d < dim; ++d) {
        const double c = with_center ? 0.75 : 0.;
        REQUIRE(static_cast<double>(sum(b, d)) ==
                doctest::Approx(reference(drawn.list(b), matrices.rows, b, d, c, false)).epsilon(1e-4));
        REQUIRE(static_cast<double>(error(b, d)) ==
                doctest::Approx(reference(drawn.list(b), matrices.rows, b, d, c, true)).epsilon(1e-4));
      }
  }
}

}  // namespace

TEST_CASE("sums_and_errors_are_those_of_the_reference_for_any_dim_and_type") {
  for (const std::size_t dim : {1, 7, 8, 33, 64, 255, 256, 257, 300, 1000}) {
    CAPTURE(dim);
    check_against_reference<float>(dim);
    check_against_reference<santa::half>(dim);
    check_against_reference<bfloat16>(dim);
  }
}

TEST_CASE("one_matrix_serves_a_batch_and_one_vector_needs_no_batch") {
  constexpr std::size_t dim = 20;
  const Matrices<float> matrices(1, 100, dim, 3);
  const auto shared = Kokkos::subview(matrices.rows, 0, Kokkos::ALL, Kokkos::ALL);
  const Drawn drawn = drawn_list(2, 100, 4);
  const Vectors sum("test::sum", 2, dim);
  gather_add(HostSpace{}, drawn, shared, sum);
  const Kokkos::View<float*, HostMemory> single("test::single", dim);
  gather_add(HostSpace{}, drawn, shared, single);
  HostSpace{}.fence();
  for (std::size_t d = 0; d < dim; ++d) {
    for (std::size_t b = 0; b < 2; ++b)
      CHECK(static_cast<double>(sum(b, d)) ==
            doctest::Approx(reference(drawn.list(b), matrices.rows, 0, d, 0., false)).epsilon(1e-4).scale(1.));
    CHECK(single(d) == sum(0, d));
  }
}

TEST_CASE("a_list_of_every_row_gives_the_weighted_mean_and_no_error") {
  constexpr std::size_t count = 500, dim = 40;
  const Weights log_weights = random_log_weights(1, count, 5);
  const Matrices<bfloat16> matrices(1, count, dim, 6);
  double log_sum = 0.;
  const auto p = probabilities(log_weights, 0, log_sum);
  const auto check = [&](const auto& method) {
    const Drawn drawn(HostSpace{}, 1, count);
    const Vectors sum("test::sum", 1, dim), error("test::error", 1, dim);
    draw_rows(HostSpace{}, method, log_weights, drawn);
    gather_add(HostSpace{}, drawn, matrices.rows, sum, {.error = error});
    HostSpace{}.fence();
    for (std::size_t d = 0; d < dim; ++d) {
      double mean = 0.;
      for (std::size_t i = 0; i < count; ++i)
        mean += p[i] * static_cast<double>(static_cast<float>(matrices.rows(0, i, d)));
      CHECK(static_cast<double>(sum(0, d)) == doctest::Approx(mean).epsilon(1e-4).scale(1.));
      CHECK(error(0, d) == 0.F);
    }
  };
  check(Exact{});
  check(MassUnit{.rows = count});
  check(Systematic{.samples = count});
}

TEST_CASE("draw_and_gather_are_unbiased_and_their_error_is_what_they_say") {
  constexpr std::size_t count = 400, dim = 10;
  const Weights log_weights = random_log_weights(1, count, 7);
  const Matrices<float> matrices(1, count, dim, 8);
  double log_sum = 0.;
  const auto p = probabilities(log_weights, 0, log_sum);
  std::vector<double> expected(dim, 0.);
  const Vectors center("test::center", 1, dim);
  for (std::size_t d = 0; d < dim; ++d)
    for (std::size_t i = 0; i < count; ++i) {
      expected[d] += p[i] * static_cast<double>(matrices.rows(0, i, d));
      center(0, d) += matrices.rows(0, i, d) / static_cast<float>(count);
    }
  const auto check = [&](const auto& method, double slack) {
    const DrawPlan plan(HostSpace{}, method, 1, count);
    const Drawn drawn(HostSpace{}, 1, count);
    const Vectors sum("test::sum", 1, dim), error("test::error", 1, dim);
    MeanTest test(expected);
    double told = 0.;
    double found = 0.;
    for (int t = 0; t < 3000; ++t) {
      plan.run(HostSpace{}, log_weights, drawn, {.seed = 11, .step = t});
      gather_add(HostSpace{}, drawn, matrices.rows, sum, {.center = center, .error = error});
      HostSpace{}.fence();
      test.add(std::vector<float>(sum.data(), sum.data() + dim));
      for (std::size_t d = 0; d < dim; ++d) {
        told += static_cast<double>(error(0, d)) * static_cast<double>(error(0, d));
        found += std::pow(static_cast<double>(sum(0, d)) - expected[d], 2);
      }
    }
    CAPTURE(test.largest_z());
    CHECK(test.passes());
    CAPTURE(told / found);
    CHECK(told > 0.85 * found);
    CHECK(told < slack * found);
  };
  check(MassUnit{.rows = 60}, 1.6);  // the sweep is better than independent draws, which the error takes it for
  check(Multinomial{.samples = 100}, 1.3);
}

TEST_CASE("a_team_of_ones_own_draws_and_gathers_in_one_kernel") {
  constexpr std::size_t count = 600, dim = 300;
  constexpr int batch = 4;
  using Member = Kokkos::TeamPolicy<HostSpace>::member_type;
  const Weights log_weights = random_log_weights(batch, count, 9);
  const Matrices<santa::half> matrices(1, count, dim, 10);
  const auto rows = Kokkos::subview(matrices.rows, 0, Kokkos::ALL, Kokkos::ALL);
  const DrawPlan plan(HostSpace{}, MassUnit{.rows = 80}, batch, count);
  const Drawn drawn(HostSpace{}, batch, count);
  const Vectors sum("test::sum", batch, dim), expected("test::expected", batch, dim);
  const auto draw = plan.on_team(log_weights, drawn, {.seed = 1});
  Kokkos::parallel_for(
      "test::team", Kokkos::TeamPolicy<HostSpace>(batch, 1), KOKKOS_LAMBDA(const Member& member) {
        const auto b = static_cast<std::size_t>(member.league_rank());
        draw_rows(member, draw, member.league_rank());
        gather_add(member, drawn.list(b), rows, Kokkos::subview(sum, b, Kokkos::ALL));
      });
  gather_add(HostSpace{}, drawn, rows, expected);
  HostSpace{}.fence();
  CHECK(sum(0, 0) != 0.F);
  for (std::size_t i = 0; i < sum.size(); ++i) CHECK(sum.data()[i] == expected.data()[i]);
}

TEST_CASE("empty_lists_give_zeros_or_the_center_and_rows_outside_are_left_out") {
  const Drawn drawn(HostSpace{}, 1, 4);
  const Matrices<float> matrices(1, 3, 9, 1);
  const Vectors sum("test::sum", 1, 9), center("test::center", 1, 9);
  Kokkos::deep_copy(sum, -7.F);
  Kokkos::deep_copy(center, 3.F);
  gather_add(HostSpace{}, drawn, matrices.rows, sum);
  for (std::size_t d = 0; d < 9; ++d) CHECK(sum(0, d) == 0.F);
  gather_add(HostSpace{}, drawn, matrices.rows, sum, {.center = center});
  for (std::size_t d = 0; d < 9; ++d) CHECK(sum(0, d) == 3.F);
  drawn.count(0) = 3;
  const std::int64_t wanted[3] = {-1, 1, 3};
  for (std::size_t i = 0; i < 3; ++i) {
    drawn.rows(0, i) = wanted[i];
    drawn.weights(0, i) = 0.5F;
  }
  gather_add(HostSpace{}, drawn, matrices.rows, sum);
  for (std::size_t d = 0; d < 9; ++d) CHECK(sum(0, d) == 0.5F * matrices.rows(0, 1, d));
}

TEST_CASE("a_gather_neither_allocates_nor_fences") {
  const Drawn drawn = drawn_list(1, 100, 1);
  const Matrices<float> matrices(1, 100, 64, 1);
  const Vectors sum("test::sum", 1, 64);
  gather_add(HostSpace{}, drawn, matrices.rows, sum);  // the first of a program may make the teams' scratch
  {
    const Events events;
    gather_add(HostSpace{}, drawn, matrices.rows, sum);
  }
  HostSpace{}.fence();
  CHECK(Events::allocations == 0);
  CHECK(Events::fences.empty());
  CHECK(Events::kernels == std::vector<std::string>{"santa::gather_add"});
}

TEST_CASE("a_gather_s_wrong_arguments_are_named") {
  const Drawn drawn = drawn_list(2, 100, 1);
  const Matrices<float> matrices(2, 100, 64, 1);
  const Vectors sum("test::sum", 2, 64);
  const auto complaint = [&](const auto& rows, const auto& to, const GatherOptions<HostMemory>& options = {},
                             const Drawn* list = nullptr) -> std::string {
    try {
      gather_add(HostSpace{}, list != nullptr ? *list : drawn, rows, to, options);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  CHECK(complaint(matrices.rows, sum) == "");
  CHECK(complaint(Matrices<float>(2, 100, 63, 1).rows, sum) ==
        "santa: rows.extent(2) is 63; accepted: the dim of sum (64)");
  CHECK(complaint(Matrices<float>(3, 100, 64, 1).rows, sum) ==
        "santa: rows.extent(0) is 3; accepted: the batch of sum (2)");
  CHECK(complaint(Matrices<float>(3, 100, 64, 1).rows, Vectors("test::sum", 3, 64)) ==
        "santa: drawn.count.extent(0) is 2; accepted: the batch of sum (3) or more");
  CHECK(complaint(matrices.rows, sum, {.center = Vectors("test::center", 2, 65)}) ==
        "santa: center.extent(1) is 65; accepted: the dim of sum (64)");
  Drawn plain = drawn;
  plain.spreads = {};
  CHECK(complaint(matrices.rows, sum, {.error = Vectors("test::error", 2, 64)}, &plain) ==
        "santa: drawn.spreads.data() is null; accepted: a view with data");
  plain.spreads = Vectors("test::spreads", 1, 100);
  CHECK(complaint(matrices.rows, sum, {.error = Vectors("test::error", 2, 64)}, &plain) ==
        "santa: drawn.spreads.extent(0) is 1; accepted: the batch of sum (2) or more");
  plain.spreads = Vectors("test::spreads", 2, 99);
  CHECK(complaint(matrices.rows, sum, {.error = Vectors("test::error", 2, 64)}, &plain) ==
        "santa: drawn.spreads.extent(1) is 99; accepted: that of drawn.rows (100)");
  CHECK(complaint(matrices.rows, sum, {}, &plain) == "");  // not looked at
  const Kokkos::View<float***, Kokkos::LayoutLeft, HostMemory> columns("test::columns", 2, 100, 64);
  CHECK(complaint(columns, sum) ==
        "santa: rows.stride(2) is 200; accepted: 1: the head dimension is contiguous, as in Kokkos::LayoutRight (the "
        "default of a GPU is LayoutLeft)");
}
