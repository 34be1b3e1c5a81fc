#include "decode/scoring.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace santa::example {
namespace {

constexpr std::array<std::pair<std::string_view, ScoreStage>, 7> stages = {
    {{"keys", ScoreStage::keys},
     {"int8", ScoreStage::int8},
     {"fp8", ScoreStage::fp8},
     {"int4", ScoreStage::int4},
     {"bernoulli", ScoreStage::bernoulli},
     {"features", ScoreStage::features},
     {"top-features", ScoreStage::top_features}}};

}  // namespace

std::string_view name_of(ScoreStage stage) {
  for (const auto& [name, value] : stages)
    if (value == stage) return name;
  return {};
}

ScoreStage find_stage(std::string_view name) {
  std::string names;
  for (const auto& [known, stage] : stages) {
    if (known == name) return stage;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  throw UserError("--score " + quote(name) + " is unknown; there are " + names);
}

bool reads_features(ScoreStage stage) {
  return stage == ScoreStage::bernoulli || stage == ScoreStage::features || stage == ScoreStage::top_features;
}

AnyFeatures Scoring::choice(std::int64_t dim) const {
  if (stage == ScoreStage::bernoulli) return Bernoulli{.draws = draws};
  const auto count = static_cast<int>(features > 0 ? std::min(features, dim) : dim / 2);
  if (stage == ScoreStage::features) return SystematicFeatures{.features = count};
  return TopFeatures{.features = count};
}

bool takes_copies(const AnyMethod& method) { return std::holds_alternative<MassUnit>(method); }

}  // namespace santa::example
