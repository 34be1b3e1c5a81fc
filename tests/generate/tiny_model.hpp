// A tiny random model of the Llama or the Gemma 3 architecture, and what a file of it holds.
#pragma once

#include "decode/safetensors.hpp"
#include <santa/core/element.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace santa::example::test {

/// Sizes that are no multiples of each other or of vectors, where the architecture leaves a choice.
struct TinySizes {
  std::int64_t layers = 2, width = 40, hidden = 56, heads = 6, kv_heads = 2, dim = 8, vocabulary = 45;
  double rope_theta = 1000., rope_scaling = 1.;
  bool tied = true, factors = false;
  bool gemma = false;
  std::int64_t window = 7, full_layer_every = 3;  // of Gemma
  double window_rope_theta = 50.;
};

struct TinyModel {
  TinySizes sizes;
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  explicit TinyModel(const TinySizes& given = {}, unsigned seed = 1) : sizes(given), _random(seed) {
    const TinySizes& s = sizes;
    add("model.embed_tokens.weight", {s.vocabulary, s.width}, 1.);
    add("model.norm.weight", {s.width}, 0.3, 1.);
    if (!s.tied) add("lm_head.weight", {s.vocabulary, s.width}, 1.);
    for (std::int64_t i = 0; i < s.layers; ++i) add_layer("model.layers." + std::to_string(i) + ".");
    if (s.factors) add_factors();
    add_vocabulary();
    metadata = {{"architecture", "llama"},
                {"layers", std::to_string(s.layers)},
                {"width", std::to_string(s.width)},
                {"hidden", std::to_string(s.hidden)},
                {"heads", std::to_string(s.heads)},
                {"kv_heads", std::to_string(s.kv_heads)},
                {"dim", std::to_string(s.dim)},
                {"context", "4096"},
                {"vocabulary", std::to_string(s.vocabulary)},
                {"rope_theta", std::to_string(s.rope_theta)},
                {"rope_scaling", std::to_string(s.rope_scaling)},
                {"rms_epsilon", "1e-5"}};
    if (!s.gemma) return;
    metadata["architecture"] = "gemma3";
    metadata["window"] = std::to_string(s.window);
    metadata["full_layer_every"] = std::to_string(s.full_layer_every);
    metadata["window_rope_theta"] = std::to_string(s.window_rope_theta);
  }

  void write(const std::filesystem::path& path) const { write_safetensors(path, tensors, metadata); }

  [[nodiscard]] std::vector<double> numbers(const std::string& name) const {
    std::vector<double> result;
    for (const bfloat16 x : tensors.at(name).as<bfloat16>()) result.push_back(static_cast<float>(x));
    return result;
  }
  [[nodiscard]] double factor(std::size_t pair) const {
    return sizes.factors ? static_cast<double>(tensors.at("rope.factors").as<float>()[pair]) : 1.;
  }

 private:
  void add(const std::string& name, const std::vector<std::int64_t>& shape, double spread, double mean = 0.) {
    Tensor tensor = make_tensor("BF16", shape);
    std::normal_distribution<double> normal(mean, spread);
    for (bfloat16& x : tensor.as<bfloat16>()) x = bfloat16(static_cast<float>(normal(_random)));
    tensors[name] = tensor;
  }

  void add_layer(const std::string& prefix) {
    const TinySizes& s = sizes;
    const auto matrix = [&](const char* name, std::int64_t outputs, std::int64_t inputs, double gain) {
      add(prefix + name + ".weight", {outputs, inputs}, gain / std::sqrt(static_cast<double>(inputs)));
    };
    add(prefix + "input_layernorm.weight", {s.width}, 0.3, 1.);
    add(prefix + "post_attention_layernorm.weight", {s.width}, 0.3, 1.);
    if (s.gemma) {
      for (const char* const name : {"pre_feedforward_layernorm", "post_feedforward_layernorm"})
        add(prefix + name + ".weight", {s.width}, 0.3, 1.);
      for (const char* const name : {"self_attn.q_norm", "self_attn.k_norm"})
        add(prefix + name + ".weight", {s.dim}, 0.3, 1.);
    }
    matrix("self_attn.q_proj", s.heads * s.dim, s.width, 1.5);
    matrix("self_attn.k_proj", s.kv_heads * s.dim, s.width, 1.5);
    matrix("self_attn.v_proj", s.kv_heads * s.dim, s.width, 1.);
    matrix("self_attn.o_proj", s.width, s.heads * s.dim, 1.);
    matrix("mlp.gate_proj", s.hidden, s.width, 1.);
    matrix("mlp.up_proj", s.hidden, s.width, 1.);
    matrix("mlp.down_proj", s.width, s.hidden, 1.);
  }

  void add_factors() {
    Tensor tensor = make_tensor("F32", {sizes.dim / 2});
    float factor = 1.F;
    for (float& x : tensor.as<float>()) x = factor += 1.5F;
    tensors["rope.factors"] = tensor;
  }

  /// Every token stands for a letter.
  void add_vocabulary() {
    tensors["vocabulary.bytes"] = make_tensor("U8", {sizes.vocabulary});
    for (std::uint8_t letter = '0'; std::uint8_t & x : tensors["vocabulary.bytes"].as<std::uint8_t>()) x = letter++;
    tensors["vocabulary.offsets"] = make_tensor("I64", {sizes.vocabulary + 1});
    for (std::int64_t at = 0; std::int64_t & x : tensors["vocabulary.offsets"].as<std::int64_t>()) x = at++;
  }

  std::mt19937 _random;
};

}  // namespace santa::example::test
