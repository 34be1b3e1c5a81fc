// Weights of kv heads: what an error of each does to the next token.
#include "generate/calibration.hpp"

#include "../examples/files.hpp"
#include "reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <sstream>

namespace santa::example::test {
namespace {

Passage some_passage() {
  Passage passage{"text", "a", 640, 0., {}, 600, 610};
  for (std::size_t i = 0; i < 640; ++i) passage.tokens.push_back(static_cast<std::int32_t>(i * i % 45));
  return passage;
}

/// What the heads of a kv head of the first layer add to the hidden state, times `factor`.
void scale_output(TinyModel& tiny, std::int64_t kv_head, float factor) {
  const TinySizes& s = tiny.sizes;
  const std::int64_t group = s.heads / s.kv_heads * s.dim;
  auto output = tiny.tensors.at("model.layers.0.self_attn.o_proj.weight").as<bfloat16>();
  for (std::int64_t row = 0; row < s.width; ++row)
    for (std::int64_t i = kv_head * group; i < (kv_head + 1) * group; ++i) {
      bfloat16& x = output[static_cast<std::size_t>(row * s.heads * s.dim + i)];
      x = bfloat16(static_cast<float>(x) * factor);
    }
}

std::vector<float> weights_of(const TinyModel& tiny, const Folder& folder) {
  tiny.write(folder / "model");
  const Model model(read_weights(folder / "model"), Texts::chunk);
  std::ofstream to(folder / "weights");
  calibrate(model, {some_passage()}, {.share = 0.05, .lanes = 3}, to);
  to.close();
  return read_weights_of_heads(folder / "weights", model.settings());
}

TEST_CASE("a_head_that_hardly_reaches_the_output_has_a_small_weight") {
  const Folder folder;
  TinyModel tiny;
  const std::vector<float> before = weights_of(tiny, folder);
  REQUIRE(before.size() == 4);
  double sum = 0.;
  for (const float weight : before) sum += std::log2(weight);
  CHECK(sum == doctest::Approx(0.).epsilon(0.01));
  scale_output(tiny, 1, 0.02F);
  const std::vector<float> after = weights_of(tiny, folder);
  CHECK(after[1] / after[0] < 0.25F * before[1] / before[0]);
}

TEST_CASE("heads_of_layers_with_a_window_are_not_weighed") {
  const Folder folder;
  const TinyModel tiny({.layers = 4, .gemma = true, .window = 30});  // the third layer sees all
  const std::vector<float> weights = weights_of(tiny, folder);
  REQUIRE(weights.size() == 8);
  for (const std::size_t head : {0, 1, 2, 3, 6, 7}) CHECK(weights[head] == 1.F);
  CHECK(weights[4] != 1.F);
  CHECK(weights[4] * weights[5] == doctest::Approx(1.F).epsilon(0.01));
  const TinyModel narrow({.layers = 2, .gemma = true, .window = 30});
  CHECK(sentence_of([&] { (void)weights_of(narrow, folder); }) ==
        "all layers of the model see a window; accepted: a model with others");
}

TEST_CASE("passages_are_sampled_from_where_they_are_scored") {
  const Folder folder;
  TinyModel().write(folder / "model");
  const Model model(read_weights(folder / "model"), Texts::chunk);
  Passage passage = some_passage();
  passage.decoded = 500;
  const auto refusal = [&](std::size_t scored) {
    passage.scored = scored;
    passage.tokens.resize(scored + 2);
    std::ostringstream to;
    const std::string sentence = sentence_of([&] { calibrate(model, {passage}, {.lanes = 3}, to); });
    CHECK(!contains(to.str(), "null"));
    return sentence;
  };
  CHECK(refusal(511) ==
        "passage 'a' is scored from token 511 on; accepted: from 512 on, as shorter texts are read whole");
  CHECK(refusal(512).empty());
}

TEST_CASE("weights_that_are_none_of_the_model_are_refused") {
  const Folder folder;
  Settings settings;
  settings.layers = 2;
  settings.kv_heads = 2;
  const auto refusal = [&](const std::string& text) {
    write_bytes(folder / "weights", text);
    return sentence_of([&] { (void)read_weights_of_heads(folder / "weights", settings); });
  };
  write_bytes(folder / "weights", R"({"weights": [[1, 2], [3, 4]]})");
  CHECK(read_weights_of_heads(folder / "weights", settings) == std::vector<float>{1.F, 2.F, 3.F, 4.F});
  const char* const shape = "not positive numbers of 2 layers by 2 kv heads";
  CHECK(contains(refusal(R"({"weights": [[1, 2]]})"), shape));
  CHECK(contains(refusal(R"({"weights": [[1, 2, 3], [4]]})"), shape));
  CHECK(contains(refusal(R"({"weights": [[1, 2], [3, 0]]})"), shape));
  CHECK(contains(refusal(R"({"weights": [[1, 2], [3, -4]]})"), shape));
  CHECK(contains(refusal(R"({"weights": [[1, 2], ["a", 4]]})"), "not a file of weights"));
  CHECK(contains(refusal("{}"), "not a file of weights"));
  CHECK(contains(sentence_of([&] { (void)read_weights_of_heads(folder / "none", settings); }), "can't be opened"));
}

}  // namespace
}  // namespace santa::example::test
