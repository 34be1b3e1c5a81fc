#include "decode/capture.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace santa::example {
namespace {

constexpr std::uint64_t most_bytes = std::uint64_t{4} << 30;  // a sparse file can claim any size
constexpr int most_layers = 65536;                            // layers are random streams of 16 bits

std::string tensor_name(int layer, const std::string& part) { return "layers." + std::to_string(layer) + "." + part; }

/// The layer of a tensor named "layers.<i>.query".
std::optional<int> layer_of(const std::string& name) {
  constexpr std::string_view prefix = "layers.";
  if (name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
  int layer = -1;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
  if (layer < 0 || layer >= most_layers || name != tensor_name(layer, "query")) return std::nullopt;
  return layer;
}

std::set<int> layers_in(const SafetensorsFile& file) {
  std::set<int> layers;
  for (const auto& [name, info] : file.tensors())
    if (const auto layer = layer_of(name)) layers.insert(*layer);
  if (layers.empty()) throw UserError("it holds no captured layer: no tensor is named layers.<i>.query");
  return layers;
}

std::set<int> chosen(const std::set<int>& layers, std::optional<int> only) {
  if (!only) return layers;
  if (layers.count(*only) > 0) return {*only};
  std::string list;
  for (const int layer : layers) list += (list.empty() ? "" : ", ") + std::to_string(layer);
  throw UserError("layer " + std::to_string(*only) + " is not captured; there are " + printable(list));
}

void require(bool good, const std::string& name, const TensorInfo& info, const std::string& accepted) {
  if (!good)
    throw UserError("tensor '" + name + "' is " + printable(info.dtype) + " " + to_text(info.shape) +
                    "; accepted: " + accepted);
}

bool is_float(const TensorInfo& info) { return info.dtype == "BF16" || info.dtype == "F16" || info.dtype == "F32"; }

/// The shape of one layer, from the header alone: before any data is read.
Shape shape_of_layer(const SafetensorsFile& file, int layer) {
  const auto name = [&](const char* part) { return tensor_name(layer, part); };
  const TensorInfo& query = file.info(name("query"));
  const TensorInfo& key = file.info(name("key"));
  const TensorInfo& value = file.info(name("value"));
  const TensorInfo& position = file.info(name("position"));
  const auto good = [](const TensorInfo& info) {
    return is_float(info) && info.shape.size() == 3 && std::count(info.shape.begin(), info.shape.end(), 0) == 0;
  };
  require(good(query), name("query"), query, "BF16, F16 or F32 [positions, heads, dim], none of them 0");
  require(good(key), name("key"), key, "BF16, F16 or F32 [length, kv_heads, dim], none of them 0");
  require(value.dtype == key.dtype && value.shape == key.shape, name("value"), value,
          "the type and shape of the keys, " + key.dtype + " " + to_text(key.shape));
  require(position.dtype == "I64" && position.shape == std::vector<std::int64_t>{query.shape[0]}, name("position"),
          position, "I64 [" + std::to_string(query.shape[0]) + "], one for each query");
  const Shape shape{query.shape[0], query.shape[1], key.shape[1], key.shape[0], key.shape[2]};
  require(query.shape[2] == shape.dim, name("query"), query, "the dim of the keys, " + std::to_string(shape.dim));
  require(shape.heads % shape.kv_heads == 0 && shape.heads < 65536, name("query"), query,
          "heads that are a multiple of the kv heads (" + std::to_string(shape.kv_heads) + "), below 65536");
  require(shape.dim % 8 == 0 && shape.dim <= max_dim, name("key"), key, "a dim that is a multiple of 8 from 8 to 256");
  return shape;
}

void check_layers_agree(const SafetensorsFile& file, const std::set<int>& layers) {
  const int first = *layers.begin();
  for (const int layer : layers)
    for (const char* const part : {"query", "key"}) {
      const TensorInfo& a = file.info(tensor_name(first, part));
      const TensorInfo& b = file.info(tensor_name(layer, part));
      require(a.dtype == b.dtype && a.shape == b.shape, tensor_name(layer, part), b,
              "the same as layer " + std::to_string(first) + ", " + a.dtype + " " + to_text(a.shape));
    }
}

void check_size(const SafetensorsFile& file, const std::set<int>& layers) {
  std::uint64_t bytes = 0;
  for (const int layer : layers)
    for (const char* const part : {"query", "key", "value", "position"}) {
      const TensorInfo& info = file.info(tensor_name(layer, part));
      bytes += info.end - info.begin;
      if (bytes > most_bytes) throw UserError("its layers take more than 4 GiB; --layer chooses one of them");
    }
}

Tensor read_finite(const SafetensorsFile& file, const std::string& name) {
  Tensor tensor = file.read(name);
  const bool finite = with_elements(tensor, [](auto elements) {
    return std::all_of(elements.begin(), elements.end(), [](auto x) { return std::isfinite(static_cast<float>(x)); });
  });
  if (!finite) throw UserError("tensor '" + name + "' holds a number that is not finite");
  return tensor;
}

CapturedLayer read_layer(const SafetensorsFile& file, int layer, const Shape& shape) {
  const auto read = [&](const char* part) { return read_finite(file, tensor_name(layer, part)); };
  CapturedLayer result{layer, read("query"), read("key"), read("value"), {}};
  const Tensor position = file.read(tensor_name(layer, "position"));
  const auto positions = position.as<std::int64_t>();
  result.positions.assign(positions.begin(), positions.end());
  for (const std::int64_t p : positions)
    if (p < 0 || p >= shape.length)
      throw UserError("tensor '" + tensor_name(layer, "position") + "' holds " + std::to_string(p) +
                      "; accepted: 0 to " + std::to_string(shape.length - 1) + ", the keys' rows");
  return result;
}

std::string note(const SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? "" : printable(found->second, 300);
}

float scale_from(const SafetensorsFile& file, const Shape& shape) {
  const auto found = file.metadata().find("scale");
  if (found == file.metadata().end()) return 1.F / std::sqrt(static_cast<float>(shape.dim));
  const std::string& text = found->second;
  float scale = 0.F;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(scale) || !(scale > 0.F))
    throw UserError("the scale in its __metadata__ is " + quote(text) + "; accepted: a positive number");
  return scale;
}

Capture read_layers(const SafetensorsFile& file, std::optional<int> only_layer) {
  const std::set<int> layers = chosen(layers_in(file), only_layer);
  Capture capture;
  for (const int layer : layers) capture.shape = shape_of_layer(file, layer);
  check_layers_agree(file, layers);
  check_size(file, layers);
  capture.scale = scale_from(file, capture.shape);
  capture.model = note(file, "model");
  capture.text = note(file, "text");
  for (const int layer : layers) capture.layers.push_back(read_layer(file, layer, capture.shape));
  return capture;
}

}  // namespace

Capture read_capture(const std::filesystem::path& path, std::optional<int> only_layer) {
  try {
    Capture capture = read_layers(SafetensorsFile(path), only_layer);
    capture.source = path.filename().string();
    return capture;
  } catch (const UserError& error) {
    throw UserError(printable(path.string(), 300) + ": " + error.what());
  }
}

}  // namespace santa::example
