// The problems that tests decode, and the references they compare with.
#include "support/data.hpp"

#include "support/events.hpp"
#include "support/reference.hpp"
#include "support/spaces.hpp"

#include <algorithm>
#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

/// The elements of a view of any memory and strides, all that lies between them included.
template <class T>
class OnHost {
 public:
  template <class View>
  explicit OnHost(const View& view) {
    for (std::size_t i = 0; i < 4; ++i) _stride[i] = view.stride(i);
    const Kokkos::View<const T*, typename View::memory_space> all(view.data(), view.span());
    _elements = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, all);
  }
  T operator()(std::size_t a, std::size_t b, std::size_t c, std::size_t d) const {
    return _elements(a * _stride[0] + b * _stride[1] + c * _stride[2] + d * _stride[3]);
  }

 private:
  std::size_t _stride[4];
  Kokkos::View<const T*, Kokkos::HostSpace> _elements;
};

}  // namespace

SANTA_SPACE_TEST_CASE("problems_have_the_wanted_spread_of_scores") {
  for (const float sigma : {1.F, 3.F}) {
    Problem<Space, float> problem({.batch = 1, .heads = 8, .kv_heads = 2, .length = 2000, .dim = 64});
    problem.fill(1, sigma);
    double sum = 0.;
    double squares = 0.;
    for (std::int64_t h = 0; h < 8; ++h)
      for (const double s : reference_scores(problem, 0, h)) sum += s, squares += s * s;
    CHECK(sum / 16000. == doctest::Approx(0.).epsilon(0.1 * sigma));
    CHECK(std::sqrt(squares / 16000.) == doctest::Approx(sigma).epsilon(0.15));
  }
}

SANTA_SPACE_TEST_CASE("arrangements_hold_the_same_rows_and_nan_elsewhere") {
  for (const auto arrangement : {Arrangement::token_major, Arrangement::head_major, Arrangement::fused}) {
    const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 5, .dim = 8};
    Problem<Space, santa::half, santa::half> problem(shape, arrangement);
    problem.fill(3).set_lengths({5, 2}).upload();
    CHECK(problem.cache().shape().kv_heads == 2);
    CHECK(problem.cache().shape().length == 5);
    const OnHost<santa::half> keys(problem.key_view());
    const OnHost<santa::half> values(problem.value_view());
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t kv = 0; kv < 2; ++kv)
          for (std::size_t d = 0; d < 8; ++d) {
            const bool swap = arrangement == Arrangement::head_major;
            const float key(swap ? keys(b, kv, i, d) : keys(b, i, kv, d));
            const float value(swap ? values(b, kv, i, d) : values(b, i, kv, d));
            const auto at = [](std::size_t x) { return static_cast<std::int64_t>(x); };
            if (b == 1 && i >= 2) {
              CHECK(std::isnan(key));
              CHECK(std::isnan(value));
            } else {
              CHECK(key == problem.key(at(b), at(i), at(kv), at(d)));
              CHECK(value == problem.value(at(b), at(i), at(kv), at(d)));
            }
          }
  }
}

TEST_CASE("reference_attention_of_two_keys_is_the_logistic_function") {
  // Scores 0 and log 3 give weights 1/4 and 3/4.
  Problem<Kokkos::DefaultExecutionSpace, float> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 2, .dim = 8});
  problem.fill_scores([](std::int64_t, std::int64_t i, std::int64_t) { return i == 0 ? 0.F : std::log(3.F); });
  problem.fill_one_hot();
  const Reference reference = exact_reference(problem);
  CHECK(reference.out[0] == doctest::Approx(0.25));
  CHECK(reference.out[1] == doctest::Approx(0.75));
  CHECK(reference.lse[0] == doctest::Approx(std::log(4.)));
  CHECK(exact_reference(problem, {.window = 1}).out[1] == doctest::Approx(1.));
  CHECK(exact_reference(problem, {.cap = 1e-3}).out[0] == doctest::Approx(0.5).epsilon(1e-3));
}

TEST_CASE("reference_counts_of_a_worked_example") {
  // S a = 1.5, 0.25, 2.25: cumulative 1.5, 1.75, 4.
  CHECK(reference_counts({0.375, 0.0625, 0.5625}, 4, 0.) == std::vector<std::int64_t>{1, 0, 3});
  CHECK(reference_counts({0.375, 0.0625, 0.5625}, 4, 0.25) == std::vector<std::int64_t>{1, 1, 2});
  CHECK(reference_counts({0.375, 0.0625, 0.5625}, 4, 0.5) == std::vector<std::int64_t>{2, 0, 2});
}

TEST_CASE("reference_sweep_of_a_worked_example") {
  // Probabilities 1/2, certain, 1/4, never, 1/2: cumulative 1/2, 3/4, 5/4 of 2^26 without the certain row.
  const std::vector<float> ratio = {-1.F, 0.5F, -2.F, -infinity, -1.F};
  const ReferenceSweep low(ratio, 0);
  CHECK(low.read == std::vector<bool>{false, true, false, false, true});
  const ReferenceSweep middle(ratio, 0x1400000);  // 5/16
  CHECK(middle.read == std::vector<bool>{false, true, true, false, false});
  const ReferenceSweep high(ratio, 0x3400000);  // 13/16
  CHECK(high.read == std::vector<bool>{true, true, false, false, true});
  CHECK(low.units == std::vector<std::uint64_t>{1U << 25, 1U << 26, 1U << 24, 0, 1U << 25});
}

SANTA_SPACE_TEST_CASE("events_counts_allocations_fences_and_kernels") {
  {
    const Events events;
    const Kokkos::View<float*, typename Space::memory_space> view("test::view", 3);
    Kokkos::parallel_for(
        "test::kernel", Kokkos::RangePolicy<Space>(0, 3), KOKKOS_LAMBDA(int i) { view(i) = 1.F; });
    Space{}.fence("test::fence");
  }
  CHECK(Events::allocations == 1);
  CHECK(std::find(Events::fences.begin(), Events::fences.end(), "test::fence") != Events::fences.end());
  CHECK(Events::kernels.back() == "test::kernel");
  const int before = Events::allocations;
  const Kokkos::View<float*, typename Space::memory_space> unseen("test::view", 3);
  CHECK(Events::allocations == before);
}
