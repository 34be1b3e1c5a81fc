#include "decode/scoring.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace santa::example {
namespace {

constexpr std::array<std::pair<std::string_view, ScoreStage>, 10> stages = {{{"keys", ScoreStage::keys},
                                                                             {"int8", ScoreStage::int8},
                                                                             {"fp8", ScoreStage::fp8},
                                                                             {"int4", ScoreStage::int4},
                                                                             {"low-rank", ScoreStage::low_rank},
                                                                             {"sparse-keys", ScoreStage::sparse_keys},
                                                                             {"bernoulli", ScoreStage::bernoulli},
                                                                             {"features", ScoreStage::features},
                                                                             {"top-features", ScoreStage::top_features},
                                                                             {"clusters", ScoreStage::clusters}}};

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

bool is_counted(ScoreStage stage) {
  return stage == ScoreStage::low_rank || stage == ScoreStage::sparse_keys || stage == ScoreStage::features ||
         stage == ScoreStage::top_features;
}

std::int64_t Scoring::numbers_of(std::int64_t dim) const {
  if (numbers == 0) return dim / (reads_features(stage) ? 2 : 4);
  return reads_features(stage) ? std::min(numbers, dim) : numbers;
}

AnyFeatures Scoring::choice(std::int64_t dim) const {
  if (stage == ScoreStage::bernoulli) return Bernoulli{.draws = draws};
  const auto count = static_cast<int>(numbers_of(dim));
  if (stage == ScoreStage::features) return SystematicFeatures{.features = count};
  return TopFeatures{.features = count};
}

double Scoring::bytes_of_key(std::int64_t dim, std::size_t element) const {
  constexpr double scale = 2.;           // of codes
  constexpr double feature_of_key = 3.;  // its number and its value
  const auto features = static_cast<double>(dim);
  const auto kept = static_cast<double>(numbers_of(dim));
  switch (stage) {
    case ScoreStage::int8:
    case ScoreStage::fp8: return features + scale;
    case ScoreStage::int4: return features / 2. + scale;
    case ScoreStage::low_rank: return kept * static_cast<double>(element);
    case ScoreStage::sparse_keys: return kept * feature_of_key;
    default: return features * static_cast<double>(element);
  }
}

bool takes_copies(const AnyMethod& method, ScoreStage stage) {
  if (stage == ScoreStage::clusters) {
    const auto* const joint = std::get_if<MassUnit>(&method);
    return joint != nullptr && !joint->steered;
  }
  return std::visit([]<class M>(const M& /*chosen*/) { return AnyMassUnit<M>; }, method);
}

}  // namespace santa::example
