// The sizes and constants of a model of the Llama or the Gemma 3 architecture.
#pragma once

#include <Kokkos_Macros.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace santa::example {

/// Layers that see a window of the newest tokens, and those that see all: every so many.
struct Windows {
  std::int64_t tokens = 0;  // none: all layers see all
  std::int64_t full_every = 1;

  [[nodiscard]] KOKKOS_FUNCTION bool limit(std::int64_t layer) const {
    return tokens > 0 && (layer + 1) % full_every != 0;
  }
  /// Tokens that the newest one of `length` sees.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t visible(std::int64_t layer, std::int64_t length) const {
    return limit(layer) && length > tokens ? tokens : length;
  }
};

struct Settings {
  /// As Gemma 3: a norm more of each query and key, and of what attention and feed-forward layers give; an embedding
  /// times the root of the width; gelu instead of silu.
  bool gemma = false;
  std::int64_t layers = 0;
  std::int64_t width = 0;   // of the hidden state
  std::int64_t hidden = 0;  // of the feed-forward layers
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t dim = 0;         // of a head
  std::int64_t context = 0;     // tokens that the model was made for
  std::int64_t vocabulary = 0;  // tokens that it knows
  Windows windows;
  double rope_theta = 0.;
  double window_rope_theta = 0.;  // of layers with a window
  double rope_scaling = 1.;       // positions are divided by it
  double rms_epsilon = 0.;
  std::int64_t end_token = -1;    // ends a text; negative: none does
  std::optional<bool> tied_head;  // the head is the embedding; none: as the tensors say
};

/// Reads a model file's metadata.
/// Errors: UserError for a file that is no model, another architecture, a number that is missing or out of range.
Settings read_settings(const std::map<std::string, std::string>& metadata);

}  // namespace santa::example
