// Which kv heads of a model matter: what an error of one of them does to the next token.
#pragma once

#include "generate/evaluation.hpp"

#include <cstdint>
#include <filesystem>
#include <ostream>
#include <vector>

namespace santa::example {

struct CalibrationOptions {
  double share = 0.05;      // of its rows that the one kv head reads which is sampled
  std::int64_t lanes = 30;  // texts side by side
  std::uint64_t seed = 0;
};

/// Gives passages to exact attention and, for each (layer, kv head), to attention that samples in that one alone.
/// Writes
/// {"weights": [[of each kv head] of each layer]}, the weights of ModelBudgetOptions: with V the squared error of a kv
/// head's output over delta / Z, and KL what it moves the next token's distribution by, rows go as 1 / (delta / Z) and
/// KL as (delta / Z), so that the least KL for the rows has delta / Z as (delta / Z of the probe) / sqrt(KL of the
/// probe). Their geometric mean is 1, and none is beyond 8 times that or its inverse. Those of layers with a window,
/// which are read whole, are 1.
/// Cost: a text of each kv head that is sampled.
/// Errors: UserError for a passage that is scored before token 512, where texts are read whole, for logits that are
///         not finite, and for a model whose layers all have windows.
void calibrate(const Model& model, const std::vector<Passage>& passages, const CalibrationOptions& options,
               std::ostream& to);

/// The weights in such a file, [layers][kv_heads] in one vector.
/// Errors: UserError that names the file: for what is none, or of another model.
std::vector<float> read_weights_of_heads(const std::filesystem::path& path, const Settings& settings);

}  // namespace santa::example
