#include "generate/weights.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace santa::example {
namespace {

using Extents = std::vector<std::int64_t>;

constexpr const char* embedding_name = "model.embed_tokens.weight";
constexpr const char* norm_name = "model.norm.weight";
constexpr const char* head_name = "lm_head.weight";
constexpr const char* factors_name = "rope.factors";
constexpr const char* pieces_name = "vocabulary.bytes";
constexpr const char* offsets_name = "vocabulary.offsets";

bool has(const SafetensorsFile& file, const std::string& name) { return file.tensors().count(name) > 0; }

std::string layer_name(std::int64_t layer, const char* part) {
  return "model.layers." + std::to_string(layer) + "." + part + ".weight";
}

/// Checks tensors, and which of them the file has besides.
class Checker {
 public:
  explicit Checker(const SafetensorsFile& file) : _file(file) {}

  void need(const std::string& name, const std::string& dtype, const Extents& shape) {
    _known.insert(name);
    const TensorInfo& info = _file.info(name);
    if (info.dtype != dtype || info.shape != shape)
      throw UserError("tensor " + quote(name) + " is " + printable(info.dtype) + " " + to_text(info.shape) +
                      "; accepted: " + dtype + " " + to_text(shape));
  }

  void allow(const std::string& name, const std::string& dtype, const Extents& shape) {
    if (has(_file, name)) need(name, dtype, shape);
  }

  /// A bias or a layer more, say: leaving it out would be wrong in silence.
  void refuse_others(const Settings& settings) const {
    for (const auto& [name, info] : _file.tensors())
      if (_known.count(name) == 0)
        throw UserError("tensor " + quote(name) + " is unknown; accepted: those of a model of " +
                        std::to_string(settings.layers) + " layers, without biases");
  }

 private:
  const SafetensorsFile& _file;
  std::set<std::string> _known;
};

/// The parts of a layer that are matrices, and where they go.
struct Part {
  const char* name;
  Projection LayerWeights::*to;
  std::int64_t outputs, inputs;
};

std::vector<Part> parts_of(const Settings& s) {
  const std::int64_t queries = s.heads * s.dim;
  const std::int64_t keys = s.kv_heads * s.dim;
  return {{"self_attn.q_proj", &LayerWeights::query, queries, s.width},
          {"self_attn.k_proj", &LayerWeights::key, keys, s.width},
          {"self_attn.v_proj", &LayerWeights::value, keys, s.width},
          {"self_attn.o_proj", &LayerWeights::output, s.width, queries},
          {"mlp.gate_proj", &LayerWeights::gate, s.hidden, s.width},
          {"mlp.up_proj", &LayerWeights::up, s.hidden, s.width},
          {"mlp.down_proj", &LayerWeights::down, s.width, s.hidden}};
}

/// The parts of a layer that are norms. What follows attention has one name and two meanings.
struct Norm {
  const char* name;
  FloatVector LayerWeights::*to;
  std::int64_t width;
};

std::vector<Norm> norms_of(const Settings& s) {
  if (!s.gemma)
    return {{"input_layernorm", &LayerWeights::attention_norm, s.width},
            {"post_attention_layernorm", &LayerWeights::feed_norm, s.width}};
  return {{"input_layernorm", &LayerWeights::attention_norm, s.width},
          {"post_attention_layernorm", &LayerWeights::attention_end_norm, s.width},
          {"pre_feedforward_layernorm", &LayerWeights::feed_norm, s.width},
          {"post_feedforward_layernorm", &LayerWeights::feed_end_norm, s.width},
          {"self_attn.q_norm", &LayerWeights::query_norm, s.dim},
          {"self_attn.k_norm", &LayerWeights::key_norm, s.dim}};
}

void check_head(const SafetensorsFile& file, const Settings& settings) {
  if (settings.tied_head && *settings.tied_head == has(file, head_name))
    throw UserError("its tied_head is '" + std::string(*settings.tied_head ? "true" : "false") + "', but tensor '" +
                    head_name + "' is " + (*settings.tied_head ? "there" : "missing") +
                    "; accepted: false with that tensor, true without");
}

void check_vocabulary(const SafetensorsFile& file, const Settings& settings, Checker& tensors) {
  if (!has(file, pieces_name) && !has(file, offsets_name)) return;
  tensors.need(offsets_name, "I64", {settings.vocabulary + 1});
  const Extents shape = file.info(pieces_name).shape;
  tensors.need(pieces_name, "U8", {shape.empty() ? 0 : shape.front()});
}

void check_all(const SafetensorsFile& file, const Settings& settings) {
  Checker tensors(file);
  tensors.need(embedding_name, "BF16", {settings.vocabulary, settings.width});
  tensors.need(norm_name, "BF16", {settings.width});
  tensors.allow(head_name, "BF16", {settings.vocabulary, settings.width});
  if (!settings.gemma) tensors.allow(factors_name, "F32", {settings.dim / 2});
  check_head(file, settings);
  check_vocabulary(file, settings, tensors);
  const auto parts = parts_of(settings);
  for (std::int64_t layer = 0; layer < settings.layers; ++layer) {
    for (const Part& part : parts) tensors.need(layer_name(layer, part.name), "BF16", {part.outputs, part.inputs});
    for (const Norm& norm : norms_of(settings)) tensors.need(layer_name(layer, norm.name), "BF16", {norm.width});
  }
  tensors.refuse_others(settings);
}

Tensor read_finite(const SafetensorsFile& file, const std::string& name) {
  Tensor tensor = file.read(name);
  const auto elements = tensor.as<bfloat16>();
  const auto bad =
      std::find_if(elements.begin(), elements.end(), [](bfloat16 x) { return !std::isfinite(static_cast<float>(x)); });
  if (bad != elements.end())
    throw UserError("tensor " + quote(name) + " holds " + std::to_string(static_cast<float>(*bad)) + " as element " +
                    std::to_string(bad - elements.begin()) + "; accepted: finite numbers");
  return tensor;
}

Projection read_projection(const SafetensorsFile& file, const std::string& name) {
  const Tensor tensor = read_finite(file, name);
  return {tensor.as<bfloat16>(), tensor.shape[0], tensor.shape[1]};
}

FloatVector read_vector(const SafetensorsFile& file, const std::string& name) {
  const Tensor tensor = read_finite(file, name);
  const auto elements = tensor.as<bfloat16>();
  FloatVector vector(Kokkos::view_alloc(name, Kokkos::WithoutInitializing), elements.size());
  const auto host = Kokkos::create_mirror_view(vector);
  for (std::size_t i = 0; i < elements.size(); ++i) host(i) = static_cast<float>(elements[i]);
  Kokkos::deep_copy(vector, host);
  return vector;
}

NarrowRows read_rows(const SafetensorsFile& file, const std::string& name) {
  const Tensor tensor = read_finite(file, name);
  const auto elements = tensor.as<bfloat16>();
  NarrowRows rows(Kokkos::view_alloc(name, Kokkos::WithoutInitializing), static_cast<std::size_t>(tensor.shape[0]),
                  static_cast<std::size_t>(tensor.shape[1]));
  const auto host = Kokkos::create_mirror_view(rows);
  std::copy(elements.begin(), elements.end(), host.data());
  Kokkos::deep_copy(rows, host);
  return rows;
}

/// theta^(-2 i / dim), over the scaling of positions and the model's own factors.
Kokkos::View<double*, Memory> read_angles(const SafetensorsFile& file, const Settings& settings, double theta,
                                          double scaling) {
  const auto pairs = static_cast<std::size_t>(settings.dim / 2);
  std::vector<float> factors(pairs, 1.F);
  if (has(file, factors_name)) {
    const Tensor tensor = file.read(factors_name);
    const auto given = tensor.as<float>();
    factors.assign(given.begin(), given.end());
  }
  Kokkos::View<double*, Memory> angles("santa::angles", pairs);
  const auto host = Kokkos::create_mirror_view(angles);
  for (std::size_t i = 0; i < pairs; ++i) {
    if (!std::isfinite(factors[i]) || !(factors[i] > 0.F))
      throw UserError("tensor '" + std::string(factors_name) + "' holds " + std::to_string(factors[i]) +
                      " as element " + std::to_string(i) + "; accepted: positive numbers");
    const double exponent = -2. * static_cast<double>(i) / static_cast<double>(settings.dim);
    host(i) = std::pow(theta, exponent) / scaling / static_cast<double>(factors[i]);
  }
  Kokkos::deep_copy(angles, host);
  return angles;
}

Vocabulary read_vocabulary(const SafetensorsFile& file) {
  if (!has(file, pieces_name)) return {};
  const Tensor bytes = file.read(pieces_name);
  const Tensor offsets = file.read(offsets_name);
  const auto numbers = offsets.as<std::int64_t>();
  const auto letters = bytes.as<char>();
  const bool good = std::is_sorted(numbers.begin(), numbers.end()) && numbers.front() >= 0 &&
                    numbers.back() <= static_cast<std::int64_t>(letters.size());
  if (!good) throw UserError("tensor '" + std::string(offsets_name) + "' points outside of the vocabulary's bytes");
  return {{numbers.begin(), numbers.end()}, {letters.begin(), letters.end()}};
}

Weights read_all(const SafetensorsFile& file) {
  Weights weights;
  weights.settings = read_settings(file.metadata());
  check_all(file, weights.settings);
  weights.embedding = read_rows(file, embedding_name);
  const Settings& s = weights.settings;
  weights.angles = read_angles(file, s, s.rope_theta, s.rope_scaling);
  if (s.windows.tokens > 0) weights.window_angles = read_angles(file, s, s.window_rope_theta, 1.);
  const auto parts = parts_of(weights.settings);
  for (std::int64_t layer = 0; layer < weights.settings.layers; ++layer) {
    LayerWeights& to = weights.layers.emplace_back();
    for (const Part& part : parts) to.*part.to = read_projection(file, layer_name(layer, part.name));
    for (const Norm& norm : norms_of(weights.settings)) to.*norm.to = read_vector(file, layer_name(layer, norm.name));
  }
  weights.last_norm = read_vector(file, norm_name);
  // Without a head of its own, the model scores tokens with its embedding.
  weights.head = read_projection(file, has(file, head_name) ? head_name : embedding_name);
  weights.vocabulary = read_vocabulary(file);
  return weights;
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::int64_t> offsets, std::string bytes)
    : _offsets(std::move(offsets)), _bytes(std::move(bytes)) {}

std::string Vocabulary::piece(std::int32_t token) const {
  const auto at = static_cast<std::size_t>(token);
  if (token < 0 || at + 1 >= _offsets.size()) return "<" + std::to_string(token) + ">";
  const auto begin = static_cast<std::size_t>(_offsets[at]);
  return _bytes.substr(begin, static_cast<std::size_t>(_offsets[at + 1]) - begin);
}

std::string Vocabulary::text(const std::vector<std::int32_t>& tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) text += piece(token);
  return text;
}

Weights read_weights(const std::filesystem::path& path) {
  try {
    return read_all(SafetensorsFile(path));
  } catch (const UserError& error) {
    throw UserError(printable(path.string(), 300) + ": " + error.what());
  }
}

Weights narrow(const Weights& weights) {
  Weights result = weights;
  for (LayerWeights& layer : result.layers)
    for (Projection* const one :
         {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate, &layer.up, &layer.down})
      *one = one->narrow();
  result.head = result.head.narrow();
  return result;
}

}  // namespace santa::example
