// What scores are made from: the keys, a narrow copy of them, or some of their features.
#pragma once

#include "decode/methods.hpp"
#include <santa/score/any_features.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace santa::example {

enum class ScoreStage { keys, int8, fp8, int4, bernoulli, features, top_features };

/// Whether a stage reads some features of the keys.
bool reads_features(ScoreStage stage);

struct Scoring {
  ScoreStage stage = ScoreStage::keys;
  bool rescored = false;      // the drawn rows' scores are made again from their keys
  int draws = 1;              // of Bernoulli
  std::int64_t features = 0;  // of the other stages that read features; 0: half of them

  /// Whether scores are made from a copy.
  [[nodiscard]] bool by_copy() const { return stage != ScoreStage::keys; }
  /// How features of `dim` are chosen, by a stage that reads some.
  [[nodiscard]] AnyFeatures choice(std::int64_t dim) const;
};

/// "bf16" or whatever type keys have: `keys`.
std::string_view name_of(ScoreStage stage);
/// Errors: UserError that lists the names.
ScoreStage find_stage(std::string_view name);

/// Whether a method runs on copies of keys here: those that draw by mass. The exact one is what they are compared with.
bool takes_copies(const AnyMethod& method);

}  // namespace santa::example
