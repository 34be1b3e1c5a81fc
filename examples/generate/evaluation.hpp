// Texts that are given, token by token, to exact and sampled attention side by side: what sampling does to the model.
#pragma once

#include "generate/texts.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace santa::example {

/// A text to score: tokens up to `decoded` are read exactly, as a prompt; those from `scored` on count.
struct Passage {
  std::string kind, name;  // "text" or "needle", and which one
  std::int64_t context = 0;
  double depth = 0.;  // of a needle
  Tokens tokens;
  std::size_t decoded = 0, scored = 0;
};

/// Reads {"passages": [{"kind", "name", "context", "depth", "tokens", "decoded", "scored"}]}.
/// Errors: UserError, one sentence that names the file.
std::vector<Passage> read_passages(const std::filesystem::path& path);

struct EvaluationOptions {
  std::vector<Policy> policies;
  std::int64_t seeds = 3;
  std::uint64_t first_seed = 0;
};

/// Writes a line of JSON for each passage, policy and seed, the first of a passage being the exact one's: what was
/// scored of it, its losses, divergences and likeliest tokens by token, and the rows read.
void evaluate(const Model& model, const std::vector<Passage>& passages, const EvaluationOptions& options,
              std::ostream& to);

}  // namespace santa::example
