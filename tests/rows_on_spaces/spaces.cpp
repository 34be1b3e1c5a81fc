// The stages by themselves on every execution space: the same draws, sums and merged states as in double.
#include "rows/drawing.hpp"
#include "support/statistics.hpp"
#include <santa/rows/gather_add.hpp>
#include <santa/rows/merge_states.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class View>
auto on_host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}
template <class Space, class View>
auto on_space(const View& view) {
  return Kokkos::create_mirror_view_and_copy(typename Space::memory_space{}, view);
}
template <class Memory>
Drawn on_host(const DrawnRows<Memory>& drawn) {
  Drawn result;
  result.rows = on_host(drawn.rows);
  result.weights = on_host(drawn.weights);
  result.spreads = on_host(drawn.spreads);
  result.count = on_host(drawn.count);
  return result;
}

template <class T>
auto random_rows(std::size_t batch, std::size_t count, std::size_t dim) {
  Kokkos::View<T***, Kokkos::LayoutRight, HostMemory> rows("test::rows", batch, count, dim);
  std::mt19937 random(3);
  std::normal_distribution<float> normal(1.F, 1.F);
  for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = T(normal(random));
  return rows;
}

}  // namespace

namespace {

/// Log-weights that are the same everywhere: multiples of 2^-20 from a generator of integers, times `slope` a row more.
Weights dyadic_log_weights(std::size_t batch, std::size_t rows, std::uint32_t seed, float slope = 0.F) {
  Weights result("test::log_weights", batch, rows);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto random = Philox4x32::generate({{static_cast<std::uint32_t>(i), 0, 0, 0}}, {{seed, 3}});
    const auto sum = (random.word[0] >> 10) + (random.word[1] >> 10) + (random.word[2] >> 10);  // nearly normal
    result.data()[i] = std::ldexp(static_cast<float>(sum), -20) + slope * static_cast<float>(i % rows);
  }
  return result;
}

/// How many rows, and a hash (FNV-1a) of which.
std::string digest(const Drawn& drawn) {
  std::string result;
  for (std::size_t b = 0; b < drawn.count.extent(0); ++b) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (std::size_t i = 0; i < static_cast<std::size_t>(drawn.count(b)); ++i)
      hash = (hash ^ static_cast<std::uint64_t>(drawn.rows(b, i))) * 0x100000001b3U;
    char text[64];
    std::snprintf(text, sizeof text, "%s%ld:%08lx", b > 0 ? " " : "", static_cast<long>(drawn.count(b)),
                  static_cast<unsigned long>(hash >> 32));
    result += text;
  }
  return result;
}

/// Weights whose sums are those of the vector: of all rows, and of the even ones, as near as their spreads say.
template <class LogWeights>
void check_weights(const Drawn& drawn, const LogWeights& log_weights, double most_bars) {
  for (std::size_t b = 0; b < drawn.count.extent(0); ++b) {
    double log_sum = 0.;
    const auto p = probabilities(log_weights, b, log_sum);
    double expected = 0.;
    for (std::size_t i = 0; i < p.size(); i += 2) expected += p[i];
    double sum = 0.;
    double variance = 0.;
    for (std::size_t i = 0; i < static_cast<std::size_t>(drawn.count(b)); ++i) {
      if (drawn.rows(b, i) % 2 != 0) continue;
      sum += static_cast<double>(drawn.weights(b, i));
      variance += static_cast<double>(drawn.spreads(b, i));
    }
    CHECK(std::abs(sum - expected) <= most_bars * std::sqrt(variance) + 1e-5);
  }
}

// From a build for hosts; all spaces draw these, until a method is meant to draw others.
const std::map<std::string, std::string> drawn_on_hosts = {
    {"Exact", "5000:7405579c 5000:7405579c 5000:7405579c"},
    {"MassUnit, joint_l2", "285:ba54a021 283:63ec8e57 309:b7a29183"},
    {"MassUnit", "285:ba54a021 283:63ec8e57 309:b7a29183"},
    {"MassUnit, separate", "285:ba54a021 283:63ec8e57 309:b7a29183"},
    {"Systematic", "282:d3cc41e0 281:3f174d4e 283:869cd071"},
    {"Stratified", "272:6f84cd88 274:b9dfe8e4 272:0f9053f0"},
    {"Multinomial", "238:17f0a761 230:b67e77eb 230:b0d07f34"},
    {"FixedTileBudget", "293:dcddc041 295:a9753ef1 297:009ae138"},
    {"ProportionalTileBudget", "273:4ae37eaf 283:62fd5230 281:729c080b"},
    {"MassUnit, growing", "1740:73acab28"},
    {"Systematic, growing", "1696:799104ee"},
    {"FixedTileBudget, growing", "2000:dbee9610"},
};

}  // namespace

SANTA_SPACE_TEST_CASE("every_space_draws_the_same_rows") {
  using Memory = typename Space::memory_space;
  const auto check = [](const auto& method, const std::string& name, const Weights& log_weights) {
    CAPTURE(name);
    const std::size_t batch = log_weights.extent(0);
    const std::size_t rows = log_weights.extent(1);
    const DrawnRows<Memory> drawn(Space{}, batch, rows);
    const Kokkos::View<float*, Memory> log_sum("test::log_sum", batch);
    draw_rows(Space{}, method, on_space<Space>(log_weights), drawn, {.seed = 11, .log_sum = log_sum});
    const Drawn given = on_host(drawn);
    const auto sums = on_host(log_sum);
    for (std::size_t b = 0; b < batch; ++b) {
      double expected = 0.;
      probabilities(log_weights, b, expected);
      CHECK(static_cast<double>(sums(b)) == doctest::Approx(expected).epsilon(1e-6));
    }
    check_weights(given, log_weights, 5.);
    REQUIRE(drawn_on_hosts.count(name) == 1);
    CHECK(digest(given) == drawn_on_hosts.at(name));
  };
  const Weights several = dyadic_log_weights(3, 5000, 21);
  const auto check_several = [&](const auto& method, const std::string& name) { check(method, name, several); };
  check_several(Exact{}, "Exact");
  check_several(MassUnitOf<Draws::joint_l2>{.rows = 300.}, "MassUnit, joint_l2");
  for_each_method(300, check_several);
  // Many units; references that rise within them.
  const Weights growing = dyadic_log_weights(1, 300000, 23, 0x1p-13F);
  check(MassUnit{.rows = 2000.}, "MassUnit, growing", growing);
  check(Systematic{.samples = 2000}, "Systematic, growing", growing);
  check(FixedTileBudget{.samples = 2000, .tile = 256}, "FixedTileBudget, growing", growing);
}

SANTA_SPACE_TEST_CASE("every_space_takes_the_largest_of_doubles_off_in_double") {
  using Memory = typename Space::memory_space;
  constexpr std::size_t batch = 2, rows = 9000;
  const Kokkos::View<double**, Kokkos::LayoutRight, HostMemory> log_weights("test::log_weights", batch, rows);
  const double offset[batch] = {-1e6, 1e12};
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t i = 0; i < rows; ++i)
      log_weights(b, i) = offset[b] + 2. * std::sin(static_cast<double>(i + 1000 * b));
  const Kokkos::View<double**, Kokkos::LayoutLeft, Memory> columns("test::columns", batch, rows);
  Kokkos::deep_copy(columns, on_space<Space>(log_weights));
  const auto check = [&](const auto& method, double most_bars) {
    const DrawnRows<Memory> drawn(Space{}, batch, rows);
    const Kokkos::View<double*, Memory> log_sum("test::log_sum", batch);
    for (const bool strided : {false, true}) {
      if (strided)
        draw_rows(Space{}, method, columns, drawn, {.seed = 11, .log_sum = log_sum});
      else
        draw_rows(Space{}, method, on_space<Space>(log_weights), drawn, {.seed = 11, .log_sum = log_sum});
      check_weights(on_host(drawn), log_weights, most_bars);
      const auto sums = on_host(log_sum);
      for (std::size_t b = 0; b < batch; ++b) {
        double expected = 0.;
        probabilities(log_weights, b, expected);
        CHECK(std::fabs(sums(b) - expected) <= 1e-6 + 4e-16 * std::fabs(expected));
      }
    }
  };
  check(Exact{}, 0.);
  check(MassUnit{.rows = 900.}, 5.);
  check(Systematic{.samples = 900}, 5.);
}

SANTA_SPACE_TEST_CASE("a_space_adds_rows_up_as_double_does") {
  using Memory = typename Space::memory_space;
  const auto check = [](auto element, std::size_t batch, std::size_t dim, std::size_t listed) {
    using T = decltype(element);
    constexpr std::size_t count = 3000;
    CAPTURE(dim);
    CAPTURE(listed);
    const auto rows = random_rows<T>(batch, count, dim);
    Drawn list(HostSpace{}, batch, listed);
    for (std::size_t b = 0; b < batch; ++b) {
      list.count(b) = static_cast<std::int64_t>(listed);
      for (std::size_t i = 0; i < listed; ++i) {
        list.rows(b, i) = static_cast<std::int64_t>((i * 7919 + b) % (count + 5)) - 2;  // some lie outside
        list.weights(b, i) = (0.5F + 0.001F * static_cast<float>(i % 100)) / static_cast<float>(listed);
        list.spreads(b, i) = list.weights(b, i) * list.weights(b, i);
      }
    }
    const Kokkos::View<float**, Kokkos::LayoutRight, HostMemory> center("test::center", batch, dim);
    for (std::size_t i = 0; i < center.size(); ++i) center.data()[i] = 0.01F * static_cast<float>(i % 50);
    DrawnRows<Memory> drawn;
    drawn.rows = on_space<Space>(list.rows);
    drawn.weights = on_space<Space>(list.weights);
    drawn.spreads = on_space<Space>(list.spreads);
    drawn.count = on_space<Space>(list.count);
    const auto there = on_space<Space>(rows);
    const auto center_there = on_space<Space>(center);
    using Vectors = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
    const Vectors sum("test::sum", batch, dim), centered("test::sum", batch, dim), error("test::error", batch, dim),
        again("test::again", batch, dim);
    gather_add(Space{}, drawn, there, sum);
    gather_add(Space{}, drawn, there, centered, {.center = center_there, .error = error});
    gather_add(Space{}, drawn, there, again);
    Space{}.fence();
    const auto sums = on_host(sum), with_center = on_host(centered), errors = on_host(error), repeated = on_host(again);
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t d = 0; d < dim; ++d) {
        double expected = 0., used = 0., squares = 0.;
        const auto c = static_cast<double>(center(b, d));
        for (std::size_t i = 0; i < listed; ++i) {
          if (list.rows(b, i) < 0 || list.rows(b, i) >= static_cast<std::int64_t>(count)) continue;
          const auto value =
              static_cast<double>(static_cast<float>(rows(b, static_cast<std::size_t>(list.rows(b, i)), d)));
          const auto weight = static_cast<double>(list.weights(b, i));
          expected += weight * value;
          used += weight;
          squares += weight * weight * (value - c) * (value - c);
        }
        REQUIRE(static_cast<double>(sums(b, d)) == doctest::Approx(expected).epsilon(1e-5).scale(1.));
        REQUIRE(static_cast<double>(with_center(b, d)) ==
                doctest::Approx(expected + (1. - used) * c).epsilon(1e-5).scale(1.));
        REQUIRE(static_cast<double>(errors(b, d)) == doctest::Approx(std::sqrt(squares)).epsilon(1e-4));
        REQUIRE(repeated(b, d) == sums(b, d));
      }
  };
  for (const std::size_t dim : {1, 12, 64, 65, 128, 300}) {
    check(bfloat16{}, 2, dim, 1500);
    check(float{}, 1, dim, 2500);
  }
  check(santa::half{}, 1, 40, 1);  // CUDA has a half of its own
  check(float{}, 3, 12, 65);
  check(float{}, 1, 8, 0);
}

SANTA_SPACE_TEST_CASE("a_space_merges_parts_as_double_does") {
  using Memory = typename Space::memory_space;
  for (const std::size_t dim : {1, 33, 200}) {
    constexpr std::size_t parts = 5, items = 7;
    const Kokkos::View<float***, Kokkos::LayoutRight, HostMemory> out("test::out", parts, items, dim);
    const Kokkos::View<float**, Kokkos::LayoutRight, HostMemory> log_sum("test::log_sum", parts, items);
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.F, 3.F);
    for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = normal(random);
    for (std::size_t i = 0; i < log_sum.size(); ++i) log_sum.data()[i] = normal(random);
    log_sum(2, 1) = -HUGE_VALF;  // an empty part: not looked at
    for (std::size_t d = 0; d < dim; ++d) out(2, 1, d) = std::nanf("");
    for (std::size_t p = 0; p < parts; ++p) log_sum(p, 3) = -HUGE_VALF;  // nothing at all
    const Kokkos::View<float**, Kokkos::LayoutRight, Memory> merged("test::merged", items, dim);
    const Kokkos::View<float*, Memory> merged_sum("test::merged_sum", items);
    merge(Space{}, PartialStates{on_space<Space>(out), on_space<Space>(log_sum)}, merged, merged_sum);
    const auto given = on_host(merged);
    const auto sums = on_host(merged_sum);
    const Kokkos::View<double**, Kokkos::LayoutRight, HostMemory> far("test::far", parts, items);
    for (std::size_t i = 0; i < far.size(); ++i) far.data()[i] = static_cast<double>(log_sum.data()[i]) - 1e6;
    const Kokkos::View<float**, Kokkos::LayoutRight, Memory> merged_far("test::merged", items, dim);
    const Kokkos::View<double*, Memory> far_sum("test::far_sum", items);
    merge(Space{}, PartialStates{on_space<Space>(out), on_space<Space>(far)}, merged_far, far_sum);
    Space{}.fence();
    const auto of_far = on_host(merged_far);
    const auto far_sums = on_host(far_sum);
    for (std::size_t item = 0; item < items; ++item) {
      if (item == 3) {
        CHECK(sums(item) == -HUGE_VALF);
        CHECK(given(item, 0) == 0.F);
        continue;
      }
      double total = 0.;
      std::vector<double> mean(dim, 0.);
      for (std::size_t p = 0; p < parts; ++p) {
        const double weight = std::exp(static_cast<double>(log_sum(p, item)));
        total += weight;
        for (std::size_t d = 0; d < dim; ++d)
          if (weight > 0.) mean[d] += weight * static_cast<double>(out(p, item, d));
      }
      CHECK(static_cast<double>(sums(item)) == doctest::Approx(std::log(total)).epsilon(1e-5).scale(1.));
      CHECK(std::fabs(far_sums(item) + 1e6 - std::log(total)) < 1e-5);
      for (std::size_t d = 0; d < dim; ++d)
        for (const auto& merged_out : {given, of_far})
          CHECK(static_cast<double>(merged_out(item, d)) == doctest::Approx(mean[d] / total).epsilon(1e-4).scale(1.));
    }
  }
}

namespace {

/// A kernel of one's own that adds up a vector's drawn rows, then merges it with itself.
template <class Space>
struct GatherAndMerge {
  using Memory = typename Space::memory_space;
  using Member = typename Kokkos::TeamPolicy<Space>::member_type;

  DrawnRows<Memory> drawn;
  Kokkos::View<float**, Kokkos::LayoutRight, Memory> rows, sum, merged;
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> out;
  Kokkos::View<float**, Kokkos::LayoutRight, Memory> log_sum;
  Kokkos::View<float*, Memory> merged_sum;

  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const auto b = static_cast<std::size_t>(member.league_rank());
    gather_add(member, drawn.list(b), rows, Kokkos::subview(sum, b, Kokkos::ALL));
    merge(member, PartialStates{out, log_sum}, b, Kokkos::subview(merged, b, Kokkos::ALL), merged_sum(b));
  }
};

}  // namespace

SANTA_SPACE_TEST_CASE("a_team_on_a_space_gathers_and_merges_as_the_calls_do") {
  constexpr std::size_t batch = 3, count = 700, dim = 90, parts = 4;
  using Memory = typename Space::memory_space;
  using Vectors = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
  const auto log_weights = on_space<Space>(random_log_weights(batch, count, 5));
  const auto sums = on_space<Space>(random_log_weights(parts, batch, 6));
  const auto rows = on_space<Space>(random_log_weights(count, dim, 7));
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("test::out", parts, batch, dim);
  Kokkos::deep_copy(out, on_host(out));
  auto filled = on_host(out);
  for (std::size_t i = 0; i < filled.size(); ++i) filled.data()[i] = std::sin(static_cast<float>(i));
  Kokkos::deep_copy(out, filled);
  const DrawnRows<Memory> drawn(Space{}, batch, count);
  draw_rows(Space{}, MassUnit{.rows = 400.}, log_weights, drawn);
  const Vectors sum("test::sum", batch, dim), expected_sum("test::sum", batch, dim);
  const Vectors merged("test::merged", batch, dim), expected_merged("test::merged", batch, dim);
  const Kokkos::View<float*, Memory> merged_sum("test::merged_sum", batch), expected("test::merged_sum", batch);
  gather_add(Space{}, drawn, rows, expected_sum);
  merge(Space{}, PartialStates{out, sums}, expected_merged, expected);
  const GatherAndMerge<Space> kernel{drawn, rows, sum, merged, out, sums, merged_sum};
  const Kokkos::TeamPolicy<Space> one(Space{}, static_cast<int>(batch), 1);
  const int most = one.team_size_max(kernel, Kokkos::ParallelForTag{});
  for (const int team : {1, most < 48 ? most : 48}) {
    Kokkos::deep_copy(sum, 0.F);
    Kokkos::deep_copy(merged, 0.F);
    Kokkos::deep_copy(merged_sum, 0.F);
    Kokkos::parallel_for("test::team", Kokkos::TeamPolicy<Space>(Space{}, static_cast<int>(batch), team), kernel);
    Space{}.fence();
    const auto a = on_host(sum), b = on_host(expected_sum), c = on_host(merged), d = on_host(expected_merged);
    const auto e = on_host(merged_sum), f = on_host(expected);
    CHECK(a(0, 0) != 0.F);
    CHECK(c(0, 0) != 0.F);
    for (std::size_t i = 0; i < a.size(); ++i) {
      CHECK(a.data()[i] == b.data()[i]);
      CHECK(c.data()[i] == d.data()[i]);
    }
    for (std::size_t i = 0; i < batch; ++i) CHECK(e(i) == f(i));
  }
}
