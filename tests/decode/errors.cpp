// Every wrong argument of a plan or a run: the error names it, what was given and what is accepted, and no output is
// touched.
#include "support/data.hpp"
#include "support/events.hpp"
#include "support/spaces.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
using Cache = typename Problem<Space, float>::Cache;

constexpr Shape good{.batch = 2, .heads = 4, .kv_heads = 2, .length = 64, .dim = 32};

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

bool starts(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

/// The message of a plan that can't be made. No lambda: nvcc's front end breaks down over its default argument.
template <class Space, class M>
std::string plan_error(const Shape& shape, const M& method, const PlanOptions& options = {}) {
  return message_of([&] { DecodePlan(Space{}, method, shape, cache_of<Cache<Space>>, options); });
}

}  // namespace

SANTA_SPACE_TEST_CASE("plans_reject_bad_shapes_methods_and_options") {
  CHECK(plan_error<Space>(good, Exact{}) == "");
  for (const std::int64_t dim : {0, 12, 264}) {
    Shape shape = good;
    shape.dim = dim;
    CHECK(plan_error<Space>(shape, Exact{}) ==
          "santa: dim is " + std::to_string(dim) + "; accepted: a multiple of 8 from 8 to 256");
  }
  Shape shape = good;
  shape.heads = 5;
  CHECK(plan_error<Space>(shape, MassUnit{}) == "santa: heads is 5; accepted: a multiple of kv_heads (2)");
  CHECK(plan_error<Space>(good, Systematic{.samples = 0}) == "santa: Systematic.samples is 0; accepted: 1 to 2^30");
  CHECK(plan_error<Space>(good, FixedTileBudget{.samples = 1, .tile = 32}) ==
        "santa: FixedTileBudget.samples is 1; accepted: at least one for each of the 2 tiles of the plan's length");
  CHECK(plan_error<Space>(good, FixedTileBudget{.samples = 1, .tile = 64}) == "");
  CHECK(plan_error<Space>(good, ProportionalTileBudget{.samples = 1, .tile = 32}) == "");
  CHECK(starts(plan_error<Space>(good, MassUnit{.rows = -1}), "santa: MassUnit.rows is -1"));
  CHECK(starts(plan_error<Space>(good, MassUnit{.rows = std::nan("")}), "santa: MassUnit.rows is "));
  const auto check_rows = [](auto method) {
    method.rows = 0.1;
    CHECK(plan_error<Space>(good, method) ==
          "santa: MassUnit.rows is 0.1; accepted: 1 to 2^63 rows, or a share of the visible ones above 0 and up to 1, "
          "as santa::share(0.1)");
    method.rows = share(10);
    CHECK(starts(plan_error<Space>(good, method), "santa: MassUnit.rows is share(10); accepted: "));
  };
  check_rows(MassUnit{});
  check_rows(MassUnitOf<Draws::joint_l2>{});
  check_rows(MassUnitOf<Draws::separate>{});
  CHECK(plan_error<Space>(good, Exact{}, {.keys_per_split = 100}) ==
        "santa: keys_per_split is 100; accepted: a multiple of 256 below 2^31, or 0");
  CHECK(plan_error<Space>(good, Exact{}, {.keys_per_split = -256}) ==
        "santa: keys_per_split is -256; accepted: a multiple of 256 below 2^31, or 0");
  for (const float scale : {quiet_nan, infinity})
    CHECK(starts(plan_error<Space>(good, Exact{}, {.scale = scale}), "santa: scale is "));
  CHECK(message_of([&] { DecodePlan(Space{}, Exact{}, good, cache_of<Cache<Space>>, {}, Window{-2}); }) ==
        "santa: Window.size is -2; accepted: 0 or more");
}

namespace {

/// A run whose arguments can be made wrong one at a time.
template <class Space>
struct Call {
  using Memory = typename Space::memory_space;
  template <class T>
  using View3 = Kokkos::View<T***, Kokkos::LayoutStride, Memory>;
  using View4 = Kokkos::View<float****, Kokkos::LayoutStride, Memory>;

  Kokkos::View<float*, Memory> memory{"test::memory", 100000};
  View3<float> query = view3(memory.data(), 2, 4, 32), out = view3(memory.data() + 50000, 2, 4, 32);
  View4 keys = view4(memory.data(), 2, 64, 2, 32), values = view4(memory.data(), 2, 64, 2, 32);
  using Lengths = Kokkos::View<std::int64_t*, Kokkos::LayoutStride, Memory>;
  Kokkos::View<std::int64_t*, Memory> all_lengths{"test::lengths", 4};
  Lengths lengths = list(all_lengths.data(), 2);
  RunOptions<Memory> options;

  static View3<float> view3(float* data, std::size_t a, std::size_t b, std::size_t c, std::size_t inner = 1) {
    return View3<float>(data, Kokkos::LayoutStride(a, b * c * inner, b, c * inner, c, inner));
  }
  static View4 view4(float* data, std::size_t a, std::size_t b, std::size_t c, std::size_t d, std::size_t inner = 1) {
    return View4(data, Kokkos::LayoutStride(a, b * c * d * inner, b, c * d * inner, c, d * inner, d, inner));
  }
  static Lengths list(std::int64_t* data, std::size_t n, std::size_t inner = 1) {
    return Lengths(data, Kokkos::LayoutStride(n, inner));
  }
  using View2 = Kokkos::View<float**, Kokkos::LayoutStride, Memory>;
  static View2 matrix(float* data, std::size_t a, std::size_t b) {
    return View2(data, Kokkos::LayoutStride(a, b, b, 1));
  }

  /// The message; checks that nothing was launched or written.
  std::string run() {
    Kokkos::deep_copy(memory, 0.5F);
    Kokkos::deep_copy(all_lengths, 64);
    const DecodePlan plan(Space{}, MassUnit{}, good, cache_of<Cache<Space>>);
    const std::string message = message_of([&] {
      const Events events;
      plan.run(Space{}, query, ContiguousCache{keys, values, lengths}, out, options);
    });
    Space{}.fence();
    if (!message.empty()) {
      CHECK(Events::kernels.empty());
      int touched = 0;
      for (const float x : to_host<float>(memory)) touched += x != 0.5F;
      CHECK(touched == 0);
    }
    return message;
  }
};

SANTA_SPACE_TEST_CASE("runs_reject_null_data") {
  using Bad = Call<Space>;
  const auto check = [](const std::function<void(Bad&)>& spoil, const std::string& message) {
    Bad call;
    spoil(call);
    CHECK(call.run() == message);
  };
  check([](Bad& c) { c.query = Bad::view3(nullptr, 2, 4, 32); },
        "santa: query.data() is null; accepted: a view with data");
  check([](Bad& c) { c.out = Bad::view3(nullptr, 2, 4, 32); }, "santa: out.data() is null; accepted: a view with data");
  check([](Bad& c) { c.keys = Bad::view4(nullptr, 2, 64, 2, 32); },
        "santa: keys.data() is null; accepted: a view with data");
  check([](Bad& c) { c.values = Bad::view4(nullptr, 2, 64, 2, 32); },
        "santa: values.data() is null; accepted: a view with data");
}

}  // namespace

SANTA_SPACE_TEST_CASE("runs_reject_extents_that_do_not_match") {
  using Bad = Call<Space>;
  const auto check = [](const std::function<void(Bad&)>& spoil, const std::string& message) {
    Bad call;
    spoil(call);
    CHECK(call.run() == message);
  };
  check([](Bad&) {}, "");
  check([](Bad& c) { c.query = Bad::view3(c.memory.data(), 3, 4, 32); },
        "santa: query.extent(0) is 3; accepted: the batch of keys (2)");
  check([](Bad& c) { c.query = Bad::view3(c.memory.data(), 2, 6, 32); },
        "santa: query.extent(1) is 6; accepted: the plan's heads (4)");
  check([](Bad& c) { c.query = Bad::view3(c.memory.data(), 2, 4, 40); },
        "santa: query.extent(2) is 40; accepted: the plan's dim (32)");
  check([](Bad& c) { c.out = Bad::view3(c.out.data(), 1, 4, 32); },
        "santa: out.extent(0) is 1; accepted: the batch of keys (2)");
  check([](Bad& c) { c.out = Bad::view3(c.out.data(), 2, 2, 32); },
        "santa: out.extent(1) is 2; accepted: the plan's heads (4)");
  check([](Bad& c) { c.out = Bad::view3(c.out.data(), 2, 4, 24); },
        "santa: out.extent(2) is 24; accepted: the plan's dim (32)");
  check([](Bad& c) { c.values = Bad::view4(c.memory.data(), 2, 64, 2, 31); },
        "santa: value_dim is 31; accepted: the plan's 32");
  for (int i = 0; i < 3; ++i)
    check(
        [i](Bad& c) {
          std::size_t extent[4] = {2, 64, 2, 32};
          --extent[i];
          c.values = Bad::view4(c.memory.data(), extent[0], extent[1], extent[2], extent[3]);
        },
        "santa: values.extent(" + std::to_string(i) + ") is " +
            std::to_string(std::vector<int>{1, 63, 1}[static_cast<std::size_t>(i)]) + "; accepted: the same as keys (" +
            std::to_string(std::vector<int>{2, 64, 2}[static_cast<std::size_t>(i)]) + ")");
  check([](Bad& c) { c.lengths = Kokkos::View<std::int64_t*, typename Space::memory_space>("test::lengths", 3); },
        "santa: lengths.extent(0) is 3; accepted: the batch of keys (2)");
}

SANTA_SPACE_TEST_CASE("lengths_lie_without_gaps") {
  using Memory = typename Space::memory_space;
  const Call<Space> call;
  const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory> table("test::lengths", 2, 3);
  const Kokkos::View<std::int32_t*, Kokkos::LayoutStride, Memory> column = Kokkos::subview(table, Kokkos::ALL, 1);
  CHECK(message_of([&] {
          static_cast<void>(ContiguousCache{call.keys, call.values, column}.shape());
        }) == "santa: lengths.stride(0) is 3; accepted: 1: elements lie without gaps");
}

SANTA_SPACE_TEST_CASE("runs_reject_shapes_that_their_plan_was_not_made_for") {
  using Bad = Call<Space>;
  const auto both = [](std::size_t a, std::size_t b, std::size_t c, std::size_t d, const std::string& message,
                       bool more = false) {
    Bad call;
    call.keys = call.values = Bad::view4(call.memory.data(), a, b, c, d);
    if (more) {
      call.query = Bad::view3(call.memory.data(), a, 4, d);
      call.out = Bad::view3(call.out.data(), a, 4, d);
      call.lengths = Kokkos::View<std::int64_t*, typename Space::memory_space>("test::lengths", a);
    }
    CHECK(call.run() == message);
  };
  both(3, 64, 2, 32, "santa: batch is 3; accepted: at most the plan's 2", true);
  both(2, 65, 2, 32, "santa: length is 65; accepted: at most the plan's 64");
  both(2, 64, 1, 32, "santa: kv_heads is 1; accepted: the plan's 2");
  both(2, 64, 2, 40, "santa: dim is 40; accepted: the plan's 32");
  both(1, 10, 2, 32, "", true);
}

SANTA_SPACE_TEST_CASE("runs_reject_rows_with_a_stride") {
  using Bad = Call<Space>;
  const auto check = [](const std::function<void(Bad&)>& spoil, const std::string& message) {
    Bad call;
    spoil(call);
    CHECK(call.run() == message);
  };
  check([](Bad& c) { c.query = Bad::view3(c.memory.data(), 2, 4, 32, 2); },
        "santa: query.stride(2) is 2; accepted: 1: the head dimension is contiguous, as in Kokkos::LayoutRight (the "
        "default of a GPU is LayoutLeft)");
  check([](Bad& c) { c.out = Bad::view3(c.out.data(), 2, 4, 32, 3); },
        "santa: out.stride(2) is 3; accepted: 1: the head dimension is contiguous, as in Kokkos::LayoutRight (the "
        "default "
        "of a GPU is LayoutLeft)");
  check([](Bad& c) { c.keys = Bad::view4(c.memory.data(), 2, 64, 2, 32, 2); },
        "santa: keys.stride(3) is 2; accepted: 1: the head dimension is contiguous, as in Kokkos::LayoutRight (the "
        "default of a GPU is LayoutLeft)");
  check([](Bad& c) { c.values = Bad::view4(c.memory.data(), 2, 64, 2, 32, 2); },
        "santa: values.stride(3) is 2; accepted: 1: the head dimension is contiguous, as in Kokkos::LayoutRight (the "
        "default of a GPU is LayoutLeft)");
  check([](Bad& c) { c.lengths = Bad::list(c.all_lengths.data(), 2, 2); },
        "santa: lengths.stride(0) is 2; accepted: 1: elements lie without gaps");
}

SANTA_SPACE_TEST_CASE("runs_reject_optional_views_of_the_wrong_extents") {
  using Bad = Call<Space>;
  using Memory = typename Space::memory_space;
  const auto check = [](const std::function<void(Bad&)>& spoil, const std::string& message) {
    Bad call;
    spoil(call);
    CHECK(call.run() == message);
  };
  const std::string batch = "; accepted: the batch (2) or more";
  check([](Bad& c) { c.options.lse = Bad::matrix(c.memory.data(), 1, 4); }, "santa: lse.extent(0) is 1" + batch);
  check([](Bad& c) { c.options.lse = Bad::matrix(c.memory.data(), 2, 3); },
        "santa: lse.extent(1) is 3; accepted: the plan's heads (4)");
  check([](Bad& c) { c.options.error = Bad::matrix(c.memory.data(), 1, 4); }, "santa: error.extent(0) is 1" + batch);
  check([](Bad& c) { c.options.error = Bad::matrix(c.memory.data(), 2, 5); },
        "santa: error.extent(1) is 5; accepted: the plan's heads (4)");
  check(
      [](Bad& c) {
        c.options.statistics = Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory>("test::statistics", 2, 4);
      },
      "santa: statistics.extent(1) is 4; accepted: 2");
  check(
      [](Bad& c) {
        c.options.statistics = Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory>("test::statistics", 1, 2);
      },
      "santa: statistics.extent(0) is 1" + batch);
  check([](Bad& c) { c.options.requests = Kokkos::View<std::uint32_t*, Memory>("test::requests", 1); },
        "santa: requests.extent(0) is 1" + batch);
  check([](Bad& c) { c.options.center = Bad::view3(c.memory.data(), 1, 2, 32); },
        "santa: center.extent(0) is 1" + batch);
  check([](Bad& c) { c.options.center = Bad::view3(c.memory.data(), 2, 4, 32); },
        "santa: center.extent(1) is 4; accepted: 2");
  check([](Bad& c) { c.options.center = Bad::view3(c.memory.data(), 2, 2, 24); },
        "santa: center.extent(2) is 24; accepted: dim (32)");
  check([](Bad& c) { c.options.center = Bad::view3(c.memory.data(), 2, 2, 32, 2); },
        "santa: center.stride(2) is 2; accepted: 1");
  Shape wide = good;
  wide.heads = 6;
  check([&](Bad& c) { c.options.state = DecodeState<Memory>(Space{}, wide); },
        "santa: state.extent(1) is 6; accepted: 4");
  Shape small = good;
  small.batch = 1;
  check([&](Bad& c) { c.options.state = DecodeState<Memory>(Space{}, small); }, "santa: state.extent(0) is 1" + batch);
}
