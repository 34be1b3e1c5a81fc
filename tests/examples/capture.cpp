// Captures: what is read, and what is refused.
#include "decode/capture.hpp"

#include "files.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

namespace {

using Tensors = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

Capture read_written(const Tensors& tensors, const Metadata& metadata = {}, std::optional<int> layer = std::nullopt) {
  const Folder folder;
  write_safetensors(folder / "file", tensors, metadata);
  return read_capture(folder / "file", layer);
}

std::string complaint(const std::function<void(Tensors&)>& spoil, const Metadata& metadata = {}) {
  Tensors tensors = small_capture({0, 5});
  spoil(tensors);
  return sentence_of([&] { read_written(tensors, metadata); });
}

}  // namespace

TEST_CASE("a_capture_reads_with_its_shape_scale_and_layers") {
  const Capture capture = read_written(small_capture({0, 5, 12}), {{"scale", "0.25"}, {"model", "tiny"}});
  CHECK(capture.shape == santa::Shape{2, 4, 2, 3, 8});
  CHECK(capture.scale == 0.25F);
  CHECK(capture.model == "tiny");
  REQUIRE(capture.layers.size() == 3);
  CHECK(capture.layers[2].index == 12);
  CHECK(capture.layers[1].positions == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("one_layer_of_a_capture_can_be_chosen") {
  const Capture capture = read_written(small_capture({0, 5}), {}, 5);
  REQUIRE(capture.layers.size() == 1);
  CHECK(capture.layers[0].index == 5);
  CHECK(contains(sentence_of([] {
                   read_written(small_capture({0, 5}), {}, 1);
                 }),
                 "layer 1 is not captured; there are 0, 5"));
}

TEST_CASE("a_capture_without_a_scale_takes_one_over_the_root_of_dim") {
  CHECK(read_written(small_capture()).scale == doctest::Approx(1. / std::sqrt(8.)));
}

TEST_CASE("a_broken_capture_gets_a_sentence") {
  struct Case {
    std::function<void(Tensors&)> spoil;
    std::string expected;
  };
  const auto tensor = [](const std::string& name, const std::string& dtype, const std::vector<std::int64_t>& shape) {
    return [=](Tensors& tensors) { tensors[name] = make_tensor(dtype, shape); };
  };
  const auto position = [](std::int64_t p) {
    return [=](Tensors& tensors) { tensors["layers.5.position"].as<std::int64_t>()[1] = p; };
  };
  const std::vector<Case> cases = {
      {[](Tensors& tensors) { tensors.clear(); }, "no captured layer"},
      {[](Tensors& tensors) { tensors.erase("layers.5.value"); }, "'layers.5.value' is missing"},
      {[](Tensors& tensors) { tensors.erase("layers.0.position"); }, "'layers.0.position' is missing"},
      {tensor("layers.0.query", "F64", {2, 4, 8}), "'layers.0.query' is F64 [2, 4, 8]; accepted: BF16, F16 or F32"},
      {tensor("layers.0.query", "F32", {2, 32}), "accepted: BF16, F16 or F32 [positions, heads, dim]"},
      {tensor("layers.0.query", "F32", {0, 4, 8}), "none of them 0"},
      {tensor("layers.0.key", "F32", {0, 2, 8}), "none of them 0"},
      {tensor("layers.0.value", "F32", {4, 2, 8}), "accepted: the type and shape of the keys"},
      {tensor("layers.0.value", "F16", {3, 2, 8}), "accepted: the type and shape of the keys"},
      {tensor("layers.0.position", "I32", {2}), "accepted: I64 [2]"},
      {tensor("layers.0.position", "I64", {3}), "accepted: I64 [2]"},
      {tensor("layers.0.query", "F32", {2, 4, 16}), "the dim of the keys, 8"},
      {tensor("layers.0.query", "F32", {2, 3, 8}), "a multiple of the kv heads (2)"},
      {tensor("layers.5.query", "F32", {2, 6, 8}), "the same as layer 0"},
      {tensor("layers.5.query", "BF16", {2, 4, 8}), "the same as layer 0"},
      {position(-1), "'layers.5.position' holds -1; accepted: 0 to 2"},
      {position(3), "'layers.5.position' holds 3; accepted: 0 to 2"},
      {[](Tensors& tensors) { tensors["layers.0.key"].as<float>()[7] = std::numeric_limits<float>::quiet_NaN(); },
       "'layers.0.key' holds a number that is not finite"},
      {[](Tensors& tensors) {
         for (const char* const part : {"query", "key", "value"})
           for (const char* const layer : {"layers.0.", "layers.5."})
             tensors[std::string(layer) + part] = make_tensor("F32", {2, 2, 12});
       },
       "a multiple of 8 from 8 to 256"},
  };
  for (const Case& c : cases) {
    const std::string sentence = complaint(c.spoil);
    CAPTURE(sentence);
    CAPTURE(c.expected);
    CHECK(contains(sentence, c.expected));
    CHECK(contains(sentence, "file: "));  // the file is named
    CHECK(!contains(sentence, "\n"));
  }
  for (const std::string scale : {"", "big", "0", "-1", "nan", "inf", "0.1x", "1e999"})
    CHECK(contains(complaint([](Tensors&) {}, {{"scale", scale}}), "the scale in its __metadata__"));
}

TEST_CASE("a_file_cut_anywhere_is_refused") {
  const Folder folder;
  write_safetensors(folder / "whole", small_capture());
  const auto bytes = std::filesystem::file_size(folder / "whole");
  for (std::uintmax_t kept = 0; kept < bytes; kept += 37) {
    std::filesystem::copy_file(folder / "whole", folder / "cut", std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(folder / "cut", kept);
    CAPTURE(kept);
    CHECK(sentence_of([&] { read_capture(folder / "cut"); }) != "");
  }
}

TEST_CASE("the_capture_that_comes_with_the_examples_loads") {
  const std::filesystem::path path = SANTA_DATA_DIR "/smollm2_135m.safetensors";
  if (!std::filesystem::exists(path)) return;
  const Capture capture = read_capture(path);
  CHECK(capture.shape == santa::Shape{32, 9, 3, 8192, 64});
  CHECK(capture.scale == 0.125F);
  CHECK(capture.layers.size() == 2);
}
