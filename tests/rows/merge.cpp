// Results over parts, merged.
#include "drawing.hpp"
#include "support/events.hpp"
#include <santa/rows/gather_add.hpp>
#include <santa/rows/merge_states.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Out = Kokkos::View<float**, Kokkos::LayoutRight, HostMemory>;
using Sums = Kokkos::View<float*, HostMemory>;

struct Parts {
  Kokkos::View<float***, Kokkos::LayoutRight, HostMemory> out;
  Kokkos::View<float**, Kokkos::LayoutRight, HostMemory> log_sum;

  Parts(std::size_t parts, std::size_t items, std::size_t dim)
      : out("test::out", parts, items, dim), log_sum("test::log_sum", parts, items) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.F, 3.F);
    for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = normal(random);
    for (std::size_t i = 0; i < log_sum.size(); ++i) log_sum.data()[i] = normal(random);
  }
  [[nodiscard]] auto states() const { return PartialStates{out, log_sum}; }
};

}  // namespace

TEST_CASE("merged_parts_are_those_of_the_reference") {
  const Parts parts(5, 3, 17);
  parts.log_sum(2, 1) = -HUGE_VALF;
  for (std::size_t d = 0; d < 17; ++d) parts.out(2, 1, d) = std::nanf("");  // empty: not looked at
  parts.log_sum(1, 2) = 5000.F;                                             // nothing overflows
  const Out out("test::merged", 3, 17);
  const Sums log_sum("test::sums", 3);
  merge(HostSpace{}, parts.states(), out, log_sum);
  HostSpace{}.fence();
  for (std::size_t item = 0; item < 3; ++item) {
    double most = -HUGE_VAL;
    for (std::size_t p = 0; p < 5; ++p) most = std::fmax(most, static_cast<double>(parts.log_sum(p, item)));
    double sum = 0.;
    std::vector<double> mean(17, 0.);
    for (std::size_t p = 0; p < 5; ++p) {
      const double weight = std::exp(static_cast<double>(parts.log_sum(p, item)) - most);
      sum += weight;
      for (std::size_t d = 0; d < 17; ++d)
        if (weight > 0.) mean[d] += weight * static_cast<double>(parts.out(p, item, d));
    }
    CHECK(static_cast<double>(log_sum(item)) == doctest::Approx(most + std::log(sum)).epsilon(1e-6));
    for (std::size_t d = 0; d < 17; ++d)
      CHECK(static_cast<double>(out(item, d)) == doctest::Approx(mean[d] / sum).epsilon(1e-3).scale(1.));
  }
}

TEST_CASE("shards_drawn_apart_and_merged_give_the_mean_of_the_whole") {
  constexpr std::size_t shards = 3, rows = 90, dim = 12;
  const Weights log_weights = random_log_weights(1, shards * rows, 3);
  const Kokkos::View<float**, Kokkos::LayoutRight, HostMemory> values("test::values", shards * rows, dim);
  for (std::size_t i = 0; i < values.size(); ++i) values.data()[i] = std::sin(static_cast<float>(i));
  const Parts parts(shards, 1, dim);
  const Drawn drawn(HostSpace{}, 1, shards * rows);
  for (std::size_t s = 0; s < shards; ++s) {
    const auto range = std::pair(s * rows, (s + 1) * rows);
    const Sums sum(&parts.log_sum(s, 0), 1);
    draw_rows(HostSpace{}, Exact{}, Kokkos::subview(log_weights, 0, range), drawn, {.log_sum = sum});
    gather_add(HostSpace{}, drawn, Kokkos::subview(values, range, Kokkos::ALL),
               Kokkos::subview(parts.out, s, 0, Kokkos::ALL));
  }
  const Out merged("test::merged", 1, dim), whole("test::whole", 1, dim);
  const Sums merged_sum("test::sum", 1), whole_sum("test::sum", 1);
  merge(HostSpace{}, parts.states(), merged, merged_sum);
  draw_rows(HostSpace{}, Exact{}, log_weights, drawn, {.log_sum = whole_sum});
  gather_add(HostSpace{}, drawn, values, whole);
  HostSpace{}.fence();
  CHECK(merged_sum(0) == doctest::Approx(whole_sum(0)));
  for (std::size_t d = 0; d < dim; ++d) CHECK(merged(0, d) == doctest::Approx(whole(0, d)).epsilon(1e-4));
}

TEST_CASE("no_part_and_empty_parts_give_zeros_and_minus_infinity") {
  for (const std::size_t count : {0, 2}) {
    const Parts parts(count, 2, 5);
    Kokkos::deep_copy(parts.log_sum, -HUGE_VALF);
    if (count > 0) parts.log_sum(0, 1) = HUGE_VALF;  // as others say it
    const Out out("test::merged", 2, 5);
    Kokkos::deep_copy(out, 3.F);
    const Sums log_sum("test::sums", 2);
    merge(HostSpace{}, parts.states(), out, log_sum);
    HostSpace{}.fence();
    for (std::size_t i = 0; i < 10; ++i) CHECK(out.data()[i] == 0.F);
    CHECK(log_sum(1) == -HUGE_VALF);
  }
  merge(HostSpace{}, Parts(2, 0, 5).states(), Out("test::merged", 0, 5), Sums());  // no items
}

TEST_CASE("a_log_sum_of_infinity_says_that_a_part_is_empty") {
  const Parts some(4, 2, 5), fewer(4, 2, 5);
  some.log_sum(1, 0) = HUGE_VALF;
  fewer.log_sum(1, 0) = -HUGE_VALF;
  for (std::size_t d = 0; d < 5; ++d) some.out(1, 0, d) = std::nanf("");
  const Out given("test::merged", 2, 5), expected("test::merged", 2, 5);
  const Sums given_sum("test::sums", 2), expected_sum("test::sums", 2);
  merge(HostSpace{}, some.states(), given, given_sum);
  merge(HostSpace{}, fewer.states(), expected, expected_sum);
  HostSpace{}.fence();
  for (std::size_t i = 0; i < 10; ++i) CHECK(given.data()[i] == expected.data()[i]);
  CHECK(given_sum(0) == expected_sum(0));
  const Kokkos::View<double**, Kokkos::LayoutRight, HostMemory> sums("test::log_sums", 2, 1);
  sums(0, 0) = HUGE_VAL;
  sums(1, 0) = 3.;
  const Parts parts(2, 1, 5);
  const Out out("test::merged", 1, 5);
  const Sums log_sum("test::sums", 1);
  merge(HostSpace{}, PartialStates{parts.out, sums}, out, log_sum);
  HostSpace{}.fence();
  CHECK(log_sum(0) == doctest::Approx(3.));
  for (std::size_t d = 0; d < 5; ++d) CHECK(out(0, d) == doctest::Approx(parts.out(1, 0, d)));
}

TEST_CASE("logarithms_of_any_size_weigh_parts_by_their_difference") {
  for (const float log_sum : {0.F, 1e6F, 1e9F, 1e10F, 1e12F, 1e30F, 3e38F, -1e9F, -1e12F, -3e38F}) {
    CAPTURE(log_sum);
    const Parts parts(3, 1, 2);
    parts.log_sum(0, 0) = parts.log_sum(1, 0) = log_sum;
    parts.log_sum(2, 0) = -HUGE_VALF;
    const Out out("test::merged", 1, 2);
    const Sums sums("test::sums", 1);
    merge(HostSpace{}, parts.states(), out, sums);
    HostSpace{}.fence();
    for (std::size_t d = 0; d < 2; ++d)
      CHECK(out(0, d) == doctest::Approx(0.5F * (parts.out(0, 0, d) + parts.out(1, 0, d))).epsilon(1e-6));
    CHECK(sums(0) == doctest::Approx(static_cast<double>(log_sum) + std::log(2.)).epsilon(1e-6));
  }
}

TEST_CASE("nan_in_a_part_shows_in_the_merged_result") {
  const Parts parts(3, 1, 4);
  parts.log_sum(1, 0) = std::nanf("");
  const Out out("test::merged", 1, 4);
  const Sums log_sum("test::sums", 1);
  merge(HostSpace{}, parts.states(), out, log_sum);
  HostSpace{}.fence();
  CHECK(std::isnan(log_sum(0)));
  CHECK(std::isnan(out(0, 0)));
}

TEST_CASE("a_team_of_ones_own_merges_alike_and_nothing_fences") {
  const Parts parts(4, 6, 33);
  const auto states = parts.states();
  const Out out("test::merged", 6, 33), inside("test::inside", 6, 33);
  const Sums log_sum("test::sums", 6), inside_sum("test::sums", 6);
  {
    const Events events;
    merge(HostSpace{}, states, out, log_sum);
  }
  CHECK(Events::fences.empty());
  CHECK(Events::allocations == 0);
  CHECK(Events::kernels == std::vector<std::string>{"santa::merge"});
  using Member = Kokkos::TeamPolicy<HostSpace>::member_type;
  Kokkos::parallel_for(
      "test::team", Kokkos::TeamPolicy<HostSpace>(6, 1), KOKKOS_LAMBDA(const Member& member) {
        const auto item = static_cast<std::size_t>(member.league_rank());
        merge(member, states, item, Kokkos::subview(inside, item, Kokkos::ALL), inside_sum(item));
      });
  HostSpace{}.fence();
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(out.data()[i] == inside.data()[i]);
  for (std::size_t i = 0; i < 6; ++i) CHECK(log_sum(i) == inside_sum(i));
}

TEST_CASE("extents_that_do_not_fit_are_named") {
  const Parts parts(3, 2, 4);
  const auto complaint = [&](const Out& out, const Sums& sums) -> std::string {
    try {
      merge(HostSpace{}, parts.states(), out, sums);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  CHECK(complaint(Out("o", 2, 4), Sums("s", 2)) == "");
  CHECK(complaint(Out("o", 2, 4), Sums()) == "");
  CHECK(complaint(Out("o", 3, 4), Sums("s", 3)) == "santa: states.out.extent(1) is 2; accepted: the items of out (3)");
  CHECK(complaint(Out("o", 2, 5), Sums("s", 2)) == "santa: states.out.extent(2) is 4; accepted: the dim of out (5)");
  CHECK(complaint(Out("o", 2, 4), Sums("s", 3)) == "santa: log_sum.extent(0) is 3; accepted: the items of out (2)");
}
