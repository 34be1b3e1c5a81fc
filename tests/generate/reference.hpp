// A model of the Llama or the Gemma 3 architecture in plain loops and float64: one token at a time, keys and values in
// BF16 as the cache has them.
#pragma once

#include "tiny_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace santa::example::test {

class Reference {
  using Row = std::vector<double>;

 public:
  explicit Reference(const TinyModel& model) : _model(model) {
    _keys.resize(static_cast<std::size_t>(model.sizes.layers));
    _values = _keys;
  }

  /// Appends a token; logits of what may follow.
  Row step(std::int32_t token) {
    const TinySizes& s = _model.sizes;
    const Row embedding = _model.numbers("model.embed_tokens.weight");
    const auto width = static_cast<std::size_t>(s.width);
    const auto begin = embedding.begin() + static_cast<std::ptrdiff_t>(width) * token;
    Row hidden(begin, begin + static_cast<std::ptrdiff_t>(width));
    if (s.gemma)
      for (double& x : hidden) x *= std::sqrt(static_cast<double>(width));
    for (std::int64_t layer = 0; layer < s.layers; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      const Row attended =
          times(prefix + "self_attn.o_proj.weight",
                attend(static_cast<std::size_t>(layer), norm(hidden, prefix + "input_layernorm.weight")));
      add(hidden, s.gemma ? norm(attended, prefix + "post_attention_layernorm.weight") : attended);
      const Row normed =
          norm(hidden, prefix + (s.gemma ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"));
      Row gate = times(prefix + "mlp.gate_proj.weight", normed);
      const Row up = times(prefix + "mlp.up_proj.weight", normed);
      for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = up[i] * (s.gemma ? gelu(gate[i]) : silu(gate[i]));
      const Row fed = times(prefix + "mlp.down_proj.weight", gate);
      add(hidden, s.gemma ? norm(fed, prefix + "post_feedforward_layernorm.weight") : fed);
    }
    ++_length;
    return times(s.tied ? "model.embed_tokens.weight" : "lm_head.weight", norm(hidden, "model.norm.weight"));
  }

 private:
  static void add(Row& to, const Row& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  }

  static double silu(double x) { return x / (1. + std::exp(-x)); }
  static double gelu(double x) {
    return 0.5 * x * (1. + std::tanh(std::sqrt(2. / std::acos(-1.)) * (x + 0.044715 * x * x * x)));
  }

  static double narrow(double x) { return static_cast<float>(bfloat16(static_cast<float>(x))); }

  [[nodiscard]] Row times(const std::string& name, const Row& x) const {
    const Row weights = _model.numbers(name);
    Row y(weights.size() / x.size(), 0.);
    for (std::size_t o = 0; o < y.size(); ++o)
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += weights[o * x.size() + i] * x[i];
    return y;
  }

  [[nodiscard]] Row norm(const Row& x, const std::string& name) const {
    const Row weight = _model.numbers(name);
    double squares = 0.;
    for (const double element : x) squares += element * element;
    const double root = std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    Row y;
    for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] / root * weight[i]);
    return y;
  }

  void norm_heads(Row& heads, const std::string& name) const {
    const auto dim = static_cast<std::ptrdiff_t>(_model.sizes.dim);
    for (auto first = heads.begin(); first != heads.end(); first += dim) {
      const Row normed = norm(Row(first, first + dim), name);
      std::copy(normed.begin(), normed.end(), first);
    }
  }

  /// Whether a layer sees its window alone.
  [[nodiscard]] bool has_window(std::size_t layer) const {
    const TinySizes& s = _model.sizes;
    return s.gemma && (static_cast<std::int64_t>(layer) + 1) % s.full_layer_every != 0;
  }

  void rotate(Row& heads, double theta) const {
    const TinySizes& s = _model.sizes;
    const auto dim = static_cast<std::size_t>(s.dim);
    for (std::size_t first = 0; first < heads.size(); first += dim)
      for (std::size_t i = 0; i < dim / 2; ++i) {
        const double frequency =
            std::pow(theta, -2. * static_cast<double>(i) / static_cast<double>(dim)) / s.rope_scaling;
        const double angle = static_cast<double>(_length) * frequency / _model.factor(i);
        const double a = heads[first + i];
        const double b = heads[first + i + dim / 2];
        heads[first + i] = a * std::cos(angle) - b * std::sin(angle);
        heads[first + i + dim / 2] = b * std::cos(angle) + a * std::sin(angle);
      }
  }

  Row attend(std::size_t layer, const Row& normed) {
    const TinySizes& s = _model.sizes;
    const std::string prefix = "model.layers." + std::to_string(layer) + ".self_attn.";
    Row query = times(prefix + "q_proj.weight", normed);
    Row key = times(prefix + "k_proj.weight", normed);
    Row value = times(prefix + "v_proj.weight", normed);
    if (s.gemma) {
      norm_heads(query, prefix + "q_norm.weight");
      norm_heads(key, prefix + "k_norm.weight");
    }
    const double theta = has_window(layer) ? s.window_rope_theta : s.rope_theta;
    rotate(query, theta);
    rotate(key, theta);
    for (double& x : key) x = narrow(x);
    for (double& x : value) x = narrow(x);
    _keys[layer].push_back(key);
    _values[layer].push_back(value);
    Row out;
    for (std::int64_t head = 0; head < s.heads; ++head) {
      const Row of_head = attend_head(layer, query, static_cast<std::size_t>(head));
      out.insert(out.end(), of_head.begin(), of_head.end());
    }
    return out;
  }

  [[nodiscard]] Row attend_head(std::size_t layer, const Row& query, std::size_t head) const {
    const auto dim = static_cast<std::size_t>(_model.sizes.dim);
    const auto group = static_cast<std::size_t>(_model.sizes.heads / _model.sizes.kv_heads);
    const std::size_t from = head / group * dim;
    Row weights;
    const std::size_t all = _keys[layer].size(), window = static_cast<std::size_t>(_model.sizes.window);
    const std::size_t first = has_window(layer) && all > window ? all - window : 0;
    for (std::size_t row = first; row < all; ++row) {
      const Row& key = _keys[layer][row];
      double score = 0.;
      for (std::size_t i = 0; i < dim; ++i) score += query[head * dim + i] * key[from + i];
      weights.push_back(score / std::sqrt(static_cast<double>(dim)));
    }
    const double most = *std::max_element(weights.begin(), weights.end());
    double sum = 0.;
    for (double& weight : weights) sum += weight = std::exp(weight - most);
    Row out(dim, 0.);
    for (std::size_t row = 0; row < weights.size(); ++row)
      for (std::size_t i = 0; i < dim; ++i) out[i] += weights[row] / sum * _values[layer][first + row][from + i];
    return out;
  }

  const TinyModel& _model;
  std::vector<std::vector<Row>> _keys, _values;  // by layer and token
  std::int64_t _length = 0;
};

}  // namespace santa::example::test
