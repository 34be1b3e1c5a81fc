// Queries, keys and values of some layers of a language model, from a file.
#pragma once

#include "decode/safetensors.hpp"
#include <santa/core/element.hpp>
#include <santa/core/shape.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace santa::example {

/// One layer. The query at position p sees the keys 0 to p, itself included.
struct CapturedLayer {
  int index = 0;
  Tensor query;                         // [positions, heads, dim]
  Tensor key, value;                    // [length, kv_heads, dim], of one type
  std::vector<std::int64_t> positions;  // [positions]
};

/// Layers of one shape and element type. `shape.batch` is the number of captured positions.
struct Capture {
  std::string source;  // a file's name, or what the data is
  std::string model, text;
  float scale = 0.F;  // of <q, k>
  Shape shape;
  std::vector<CapturedLayer> layers;
};

/// Calls f with a tensor's elements as std::span of float, santa::half or santa::bfloat16.
template <class F>
decltype(auto) with_elements(const Tensor& tensor, const F& f) {
  if (tensor.dtype == "F16") return f(tensor.as<half>());
  if (tensor.dtype == "BF16") return f(tensor.as<bfloat16>());
  return f(tensor.as<float>());
}

/// Reads layers.<i>.{query, key, value, position}, all layers or one.
/// Errors: UserError, one sentence that names the file and the tensor.
Capture read_capture(const std::filesystem::path& path, std::optional<int> only_layer = std::nullopt);

}  // namespace santa::example
