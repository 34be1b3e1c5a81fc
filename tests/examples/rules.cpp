// What the theory says of the rules' errors holds on the captured language model.
#include "decode/capture.hpp"
#include "decode/measure.hpp"
#include "decode/methods.hpp"
#include "decode/progress.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <vector>

using namespace santa::example;

TEST_CASE("stratified_draws_err_less_than_independent_ones_on_the_capture") {
  const std::filesystem::path path = SANTA_DATA_DIR "/smollm2_135m.safetensors";
  if (!std::filesystem::exists(path)) return;
  const Capture capture = read_capture(path);
  const std::vector<const MethodEntry*> methods = {&find_method("exact"), &find_method("multinomial"),
                                                   &find_method("stratified"), &find_method("systematic")};
  std::vector<double> error(methods.size(), 0.);
  Progress progress;
  for (const std::uint64_t seed : {1, 2}) {
    MeasureOptions options;
    options.budget.samples = 1024;
    options.repeat = 0;
    options.seed = seed;
    const Measurements measured = measure(capture, methods, options, progress);
    for (std::size_t m = 0; m < methods.size(); ++m)
      for (std::size_t layer = 0; layer < capture.layers.size(); ++layer) {
        const Tensor& exact = measured.methods[0].out[layer];
        const Tensor& out = measured.methods[m].out[layer];
        for (std::size_t i = 0; i < exact.data.size() / sizeof(float); ++i) {
          const double difference = static_cast<double>(out.as<float>()[i]) - static_cast<double>(exact.as<float>()[i]);
          error[m] += difference * difference;
        }
      }
  }
  CHECK(error[1] > 0.);
  CHECK(error[2] <= error[1]);
  CHECK(error[3] <= error[2]);
}
