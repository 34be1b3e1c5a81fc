// What scores are made from: the keys, or a narrow copy of them.
#pragma once

#include "decode/methods.hpp"

#include <string>
#include <string_view>

namespace santa::example {

enum class ScoreStage { keys, int8, fp8, int4 };

struct Scoring {
  ScoreStage stage = ScoreStage::keys;
  bool rescored = false;  // the drawn rows' scores are made again from their keys

  [[nodiscard]] bool narrow() const { return stage != ScoreStage::keys; }
};

/// "bf16" or whatever type keys have: `keys`.
std::string_view name_of(ScoreStage stage);
/// Errors: UserError that lists the names.
ScoreStage find_stage(std::string_view name);

/// Whether a method runs on narrow keys here: those that draw by mass. The exact one is what they are compared with.
bool takes_narrow_keys(const AnyMethod& method);

}  // namespace santa::example
