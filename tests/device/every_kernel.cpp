// Every kernel once, on shapes small enough for tools that watch each access to memory.
#include "device/instances.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"

#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

template <class T>
void check_all_methods(const Shape& shape, Arrangement arrangement, std::vector<std::int64_t> lengths) {
  Problem<Device, T, float> problem(shape, arrangement);
  problem.fill(3).set_lengths(std::move(lengths)).upload();
  const Reference reference = exact_reference(problem);
  const std::vector<float> center(static_cast<std::size_t>(shape.batch * shape.kv_heads * shape.dim), 0.25F);
  std::vector<std::uint32_t> requests;
  for (std::int64_t b = 0; b < shape.batch; ++b) requests.push_back(static_cast<std::uint32_t>(50 + b));
  for (const AnyMethod& method : exact_and_samplers(60)) {
    CAPTURE(method.index());
    Runner<Device, T, float> runner(problem, method, {.keys_per_split = 256});
    const auto state = runner.state();
    for (std::uint32_t step = 0; step < 2; ++step) {
      const Result& result = runner.run({.step = step, .requests = requests, .center = center, .state = state});
      const double error = relative_error(result.out, reference.out);
      CHECK(error < (method.index() == 0 ? 1e-5 : 0.6));
      for (std::size_t i = 0; i < reference.lse.size(); ++i)
        if (reference.lse[i] > -HUGE_VAL)
          CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(reference.lse[i]).epsilon(1e-5));
    }
  }
}

}  // namespace

TEST_CASE("every_kernel_of_tensor_cores") {
  check_all_methods<bfloat16>({.batch = 4, .heads = 3, .kv_heads = 1, .length = 300, .dim = 40},
                              Arrangement::token_major, {300, 0, 33, 1});
  check_all_methods<bfloat16>({.batch = 2, .heads = 14, .kv_heads = 2, .length = 300, .dim = 128},
                              Arrangement::head_major, {300, 257});
  check_all_methods<bfloat16>({.batch = 1, .heads = 16, .kv_heads = 1, .length = 270, .dim = 96},
                              Arrangement::token_major, {270});
  check_all_methods<bfloat16>({.batch = 1, .heads = 18, .kv_heads = 1, .length = 290, .dim = 200},
                              Arrangement::token_major, {290});
}

TEST_CASE("every_kernel_of_rows_that_are_not_aligned") {
  check_all_methods<bfloat16>({.batch = 2, .heads = 6, .kv_heads = 2, .length = 290, .dim = 72}, Arrangement::fused,
                              {290, 31});
}

TEST_CASE("every_kernel_of_float_rows") {
  check_all_methods<float>({.batch = 4, .heads = 3, .kv_heads = 1, .length = 300, .dim = 40}, Arrangement::token_major,
                           {300, 0, 33, 1});
  check_all_methods<float>({.batch = 2, .heads = 14, .kv_heads = 2, .length = 300, .dim = 128}, Arrangement::fused,
                           {300, 257});
  check_all_methods<float>({.batch = 1, .heads = 16, .kv_heads = 1, .length = 270, .dim = 96}, Arrangement::token_major,
                           {270});
  check_all_methods<float>({.batch = 1, .heads = 18, .kv_heads = 1, .length = 290, .dim = 200}, Arrangement::head_major,
                           {290});
}
