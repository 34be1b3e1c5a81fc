// The sizes and constants of a model of the Llama architecture.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace santa::example {

struct Settings {
  std::int64_t layers = 0;
  std::int64_t width = 0;   // of the hidden state
  std::int64_t hidden = 0;  // of the feed-forward layers
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t dim = 0;         // of a head
  std::int64_t context = 0;     // tokens that the model was made for
  std::int64_t vocabulary = 0;  // tokens that it knows
  double rope_theta = 0.;
  double rope_scaling = 1.;  // positions are divided by it
  double rms_epsilon = 0.;
  std::int64_t end_token = -1;    // ends a text; negative: none does
  std::optional<bool> tied_head;  // the head is the embedding; none: as the tensors say
};

/// Reads a model file's metadata.
/// Errors: UserError for a file that is no model, another architecture, a number that is missing or out of range.
Settings read_settings(const std::map<std::string, std::string>& metadata);

}  // namespace santa::example
