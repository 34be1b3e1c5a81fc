// Calls from an OpenMP parallel region, where Kokkos' OpenMP would abort: an error that says so.
#include "limits/message.hpp"
#include <santa/santa.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#if defined(KOKKOS_ENABLE_OPENMP) && !defined(KOKKOS_ENABLE_CUDA)

#include <omp.h>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::OpenMP;
using Memory = Space::memory_space;
using Rows = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
using Cache = ContiguousCache<Rows>;
using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;

constexpr Shape shape{.batch = 1, .heads = 1, .kv_heads = 1, .length = 40, .dim = 8};

/// All calls that launch or allocate.
struct Calls {
  Space space;
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> query{"test::query", 1, 1, 8}, out{"test::out", 1, 1, 8};
  Rows rows{"test::rows", 1, 40, 1, 8};
  Cache cache{rows, rows};
  DecodePlan<Space, Exact, Cache> plan{space, Exact{}, query, cache};
  DecodeState<Memory> state{space, shape};
  NarrowKeys<std::int8_t, Memory> narrow{space, shape};
  LowRankKeys<float, Memory> low_rank{space, shape, 8};
  FeatureKeys<float, Memory> features{space, shape};
  Matrix log_weights{"test::log_weights", 1, 40}, matrix{"test::matrix", 40, 8}, sum{"test::sum", 1, 8};
  DrawPlan<Space, Exact> drawing{space, Exact{}, 1, 40};
  DrawnRows<Memory> drawn{space, 1, 40};
  TokenSampler<Space> sampler{space, {.batch = 1, .vocab = 40, .dim = 8}};
  Kokkos::View<std::int32_t*, Memory> tokens{"test::tokens", 1};

  [[nodiscard]] std::vector<std::function<void()>> all() const {
    return {[this] { DecodePlan(space, Exact{}, query, cache); },
            [this] { plan.run(space, query, cache, out); },
            [this] { decode(space, Exact{}, query, cache, out); },
            [this] { validate(space, cache); },
            [this] {
              choose_features(space, query, FeatureCache{cache, features, TopFeatures{.features = 4}}, out);
            },
            [this] { DecodeState<Memory>(space, shape); },
            [this] { state.reset(space); },
            [this] { state.reset(space, 0); },
            [this] { state.permute(space, tokens); },
            [this] { NarrowKeys<std::int8_t, Memory>(space, shape); },
            [this] { FeatureKeys<float, Memory>(space, shape); },
            [this] { LowRankKeys<float, Memory>(space, shape, 8); },
            [this] { SparseKeys<Memory>(space, shape, 8); },
            [this] { calibrate(space, cache, narrow); },
            [this] { calibrate(space, cache, low_rank); },
            [this] { encode_keys(space, cache, narrow); },
            [this] { encode_newest_keys(space, cache, narrow); },
            [this] {
              validate(space, NarrowCache{cache, narrow});
            },
            [this] { transpose_keys(space, cache, features); },
            [this] { append_keys(space, cache, features); },
            [this] {
              append(space, ContiguousCache{rows, rows, tokens}, out, out);
            },
            [this] {
              append(space, NarrowCache{ContiguousCache{rows, rows, tokens}, narrow}, out, out);
            },
            [this] { DrawPlan(space, Exact{}, 1, 40); },
            [this] { drawing.run(space, log_weights, drawn); },
            [this] { draw_rows(space, Exact{}, log_weights, drawn); },
            [this] { DrawnRows<Memory>(space, 1, 40); },
            [this] { gather_add(space, drawn, matrix, sum); },
            [this] {
              merge(space, PartialStates{out, Matrix(matrix.data(), 1, 1)}, sum, Kokkos::View<float*, Memory>());
            },
            [this] { TokenSampler<Space>(space, {.batch = 1, .vocab = 40, .dim = 8}); },
            [this] { sampler.run(space, sum, matrix, tokens); },
            [this] { sample_tokens(space, sum, matrix, tokens); },
            [this] {
              merge_tokens(
                  space,
                  TokenShards{Kokkos::View<std::int32_t**, Memory>(tokens.data(), 1, 1), Matrix(sum.data(), 1, 1)},
                  tokens);
            }};
  }
};

/// Messages of all calls, from a region of so many threads.
std::vector<std::string> messages_in_region(const Calls& calls, int threads) {
  std::vector<std::string> messages;
#pragma omp parallel num_threads(threads)
#pragma omp single
  for (const auto& call : calls.all()) messages.push_back(message_of(call));
  return messages;
}

}  // namespace

TEST_CASE("calls_from_a_parallel_region_say_so") {
  const Calls calls;
  for (const auto& call : calls.all()) CHECK(message_of(call) == "");
  Kokkos::fence();
  for (const int threads : {1, 2}) {
    for (const std::string& message : messages_in_region(calls, threads))
      CHECK(message ==
            "santa: called in an OpenMP parallel region (level 1), where Kokkos::OpenMP launches nothing; call from "
            "outside, or use Kokkos::Serial");
  }
  for (const auto& call : calls.all()) CHECK(message_of(call) == "");
}

TEST_CASE("regions_that_may_have_others_inside_are_no_error") {
  const Calls calls;
  const int before = omp_get_max_active_levels();
  omp_set_max_active_levels(2);
  for (const std::string& message : messages_in_region(calls, 1)) CHECK(message == "");
  omp_set_max_active_levels(before);
}

#if defined(KOKKOS_ENABLE_SERIAL)
TEST_CASE("another_space_runs_in_a_parallel_region") {
  std::string message = "not called";
  const Matrix log_weights("test::log_weights", 1, 40);
  const DrawnRows<Memory> drawn(Space(), 1, 40);
#pragma omp parallel num_threads(2)
#pragma omp single
  message = message_of([&] { draw_rows(Kokkos::Serial(), Exact{}, log_weights, drawn); });
  CHECK(message == "");
  CHECK(drawn.count(0) == 40);
}
#endif

#endif
