// What scores are made from: the keys, a copy of them in fewer bytes, or some of their features.
#pragma once

#include "decode/methods.hpp"
#include <santa/score/any_features.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace santa::example {

enum class ScoreStage { keys, int8, fp8, int4, low_rank, sparse_keys, bernoulli, features, top_features, clusters };

/// Whether a stage reads some features of the keys, which the query chooses.
bool reads_features(ScoreStage stage);
/// Whether a stage is told how many numbers of a key it has: directions, or features.
bool is_counted(ScoreStage stage);

struct Scoring {
  ScoreStage stage = ScoreStage::keys;
  bool rescored = false;     // the drawn rows' scores are made again from their keys
  int draws = 1;             // of Bernoulli
  double bytes = 0.125;      // of clusters: what a step reads, as a share of exact attention's bytes
  std::int64_t numbers = 0;  // of a counted stage; 0: half of the features where the query chooses, else a quarter

  /// Whether scores are made from a copy.
  [[nodiscard]] bool by_copy() const { return stage != ScoreStage::keys; }
  /// The numbers that a counted stage has of a key of `dim` features.
  [[nodiscard]] std::int64_t numbers_of(std::int64_t dim) const;
  /// How features of `dim` are chosen, by a stage that reads some.
  [[nodiscard]] AnyFeatures choice(std::int64_t dim) const;
  /// Bytes by which a key of `dim` elements of `element` bytes is scored, where the query doesn't choose them.
  [[nodiscard]] double bytes_of_key(std::int64_t dim, std::size_t element) const;
};

/// "bf16" or whatever type keys have: `keys`.
std::string_view name_of(ScoreStage stage);
/// Errors: UserError that lists the names.
ScoreStage find_stage(std::string_view name);

/// Whether a method runs on copies of keys here: those that draw by mass; by clusters, the one that draws for all heads
/// together. The exact one is what they are compared with.
bool takes_copies(const AnyMethod& method, ScoreStage stage);

}  // namespace santa::example
