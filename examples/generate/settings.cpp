#include "generate/settings.hpp"

#include "decode/error.hpp"
#include <santa/core/shape.hpp>

#include <charconv>

namespace santa::example {
namespace {

using Metadata = std::map<std::string, std::string>;

constexpr std::int64_t most_layers = 65533;  // random streams of 16 bits; tokens, drafts and their rows have three
constexpr std::int64_t most_heads = 65535;
constexpr std::int64_t most = std::int64_t{1} << 30;

const std::string& entry(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) throw UserError("its metadata has no '" + key + "'");
  return found->second;
}

template <class Number>
bool parses(const std::string& text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end;
}

std::int64_t whole(const Metadata& metadata, const std::string& key, std::int64_t largest, std::int64_t least = 1) {
  const std::string& text = entry(metadata, key);
  std::int64_t number = 0;
  if (!parses(text, number) || number < least || number > largest)
    throw UserError("its " + key + (key.back() == 's' ? " are " : " is ") + quote(text) +
                    "; accepted: a whole number from " + std::to_string(least) + " to " + std::to_string(largest));
  return number;
}

/// Within what float can hold: nothing made of it is 0 or infinite.
double positive(const Metadata& metadata, const std::string& key) {
  const std::string& text = entry(metadata, key);
  double number = 0.;
  if (!parses(text, number) || !(number >= 1e-30 && number <= 1e30))
    throw UserError("its " + key + " is " + quote(text) + "; accepted: a number from 1e-30 to 1e30");
  return number;
}

bool truth(const Metadata& metadata, const std::string& key) {
  const std::string& text = entry(metadata, key);
  if (text != "true" && text != "false")
    throw UserError("its " + key + " is " + quote(text) + "; accepted: true or false");
  return text == "true";
}

}  // namespace

Settings read_settings(const Metadata& metadata) {
  const auto architecture = metadata.find("architecture");
  if (architecture == metadata.end())
    throw UserError("not a model made by tools/convert_model.py: its metadata names no architecture");
  if (architecture->second != "llama" && architecture->second != "gemma3")
    throw UserError("its architecture is " + quote(architecture->second) + "; accepted: llama, gemma3");
  Settings settings;
  settings.gemma = architecture->second == "gemma3";
  settings.layers = whole(metadata, "layers", most_layers);
  settings.width = whole(metadata, "width", most);
  settings.hidden = whole(metadata, "hidden", most);
  settings.heads = whole(metadata, "heads", most_heads);
  settings.kv_heads = whole(metadata, "kv_heads", most_heads);
  settings.dim = whole(metadata, "dim", max_dim);
  settings.context = whole(metadata, "context", most);
  settings.vocabulary = whole(metadata, "vocabulary", most);
  settings.rope_theta = positive(metadata, "rope_theta");
  if (settings.gemma) {
    settings.windows = {whole(metadata, "window", most), whole(metadata, "full_layer_every", most_layers)};
    settings.window_rope_theta = positive(metadata, "window_rope_theta");
  }
  settings.rope_scaling = positive(metadata, "rope_scaling");
  settings.rms_epsilon = positive(metadata, "rms_epsilon");
  if (metadata.count("end_token") > 0) settings.end_token = whole(metadata, "end_token", settings.vocabulary - 1, -1);
  if (metadata.count("tied_head") > 0) settings.tied_head = truth(metadata, "tied_head");
  if (settings.heads % settings.kv_heads != 0)
    throw UserError("it has " + std::to_string(settings.heads) + " heads; accepted: a multiple of its kv_heads (" +
                    std::to_string(settings.kv_heads) + ")");
  if (settings.dim % 8 != 0)
    throw UserError("its dim is " + std::to_string(settings.dim) + "; accepted: a multiple of 8 from 8 to 256");
  return settings;
}

}  // namespace santa::example
