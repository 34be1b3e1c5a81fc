#include "decode/scoring.hpp"

#include "decode/error.hpp"

#include <array>
#include <utility>
#include <variant>

namespace santa::example {
namespace {

constexpr std::array<std::pair<std::string_view, ScoreStage>, 4> stages = {
    {{"keys", ScoreStage::keys}, {"int8", ScoreStage::int8}, {"fp8", ScoreStage::fp8}, {"int4", ScoreStage::int4}}};

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

bool takes_narrow_keys(const AnyMethod& method) { return std::holds_alternative<MassUnit>(method); }

}  // namespace santa::example
