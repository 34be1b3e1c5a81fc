// The weights of a model, from a safetensors file to the device.
#pragma once

#include "decode/safetensors.hpp"
#include "generate/projection.hpp"
#include "generate/settings.hpp"
#include "generate/views.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace santa::example {

struct LayerWeights {
  FloatVector attention_norm, feed_norm;          // [width]
  FloatVector query_norm, key_norm;               // [dim], of Gemma
  FloatVector attention_end_norm, feed_end_norm;  // [width], of Gemma
  Projection query, key, value, output, gate, up, down;
};

/// What tokens stand for, as bytes of text.
class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(std::vector<std::int64_t> offsets, std::string bytes);

  /// The text of a token; "<number>" where the file has none.
  [[nodiscard]] std::string piece(std::int32_t token) const;
  [[nodiscard]] std::string text(const std::vector<std::int32_t>& tokens) const;

 private:
  std::vector<std::int64_t> _offsets;
  std::string _bytes;
};

struct Weights {
  Settings settings;
  NarrowRows embedding;                         // [vocabulary, width]
  Kokkos::View<double*, Memory> angles;         // [dim / 2]: what a position turns a pair by
  Kokkos::View<double*, Memory> window_angles;  // the same of layers with a window, where there are any
  std::vector<LayerWeights> layers;
  FloatVector last_norm;  // [width]
  Projection head;
  Vocabulary vocabulary;
};

/// The same with projections in 8 bits a weight; the rest is shared.
Weights narrow(const Weights& weights);

/// Reads what tools/convert_model.py writes: all shapes and types are checked before any data is read.
/// Errors: UserError, one sentence that names the file.
Weights read_weights(const std::filesystem::path& path);

}  // namespace santa::example
