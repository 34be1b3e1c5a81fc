#include "decode/scoring.hpp"

#include "decode/error.hpp"

#include <array>
#include <utility>
#include <variant>

namespace santa::example {
namespace {

constexpr std::array<std::pair<std::string_view, ScoreStage>, 6> stages = {{{"keys", ScoreStage::keys},
                                                                            {"int8", ScoreStage::int8},
                                                                            {"fp8", ScoreStage::fp8},
                                                                            {"int4", ScoreStage::int4},
                                                                            {"low-rank", ScoreStage::low_rank},
                                                                            {"sparse-keys", ScoreStage::sparse_keys}}};

}  // namespace

double Scoring::bytes_of_key(std::int64_t dim, std::size_t element) const {
  constexpr double scale = 2.;           // of codes
  constexpr double feature_of_key = 3.;  // its number and its value
  const auto features = static_cast<double>(dim);
  const auto kept = static_cast<double>(numbers_of(dim));
  switch (stage) {
    case ScoreStage::keys: break;
    case ScoreStage::int8:
    case ScoreStage::fp8: return features + scale;
    case ScoreStage::int4: return features / 2. + scale;
    case ScoreStage::low_rank: return kept * static_cast<double>(element);
    case ScoreStage::sparse_keys: return kept * feature_of_key;
  }
  return features * static_cast<double>(element);
}

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

bool takes_narrow_keys(const AnyMethod& method) { return std::holds_alternative<MassUnit>(method); }

}  // namespace santa::example
