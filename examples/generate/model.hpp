// A model of the Llama or the Gemma 3 architecture: tokens in, logits out, attention left to others.
#pragma once

#include "generate/kernels.hpp"
#include "generate/weights.hpp"

#include <cstdint>
#include <functional>

namespace santa::example {

class Model {
 public:
  /// Attention of one layer: queries [rows, heads * dim] to outputs of the same shape. The rows' own keys and values
  /// are in the cache by then.
  using Attend = std::function<void(std::int64_t layer, const FloatRows& query, const FloatRows& out)>;

  /// Room for `most_rows` tokens at once.
  Model(Weights weights, std::int64_t most_rows);

  [[nodiscard]] const Weights& weights() const { return _weights; }
  [[nodiscard]] const Settings& settings() const { return _weights.settings; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return _weights.vocabulary; }
  [[nodiscard]] std::int64_t most_rows() const { return static_cast<std::int64_t>(_hidden.extent(0)); }

  /// Takes tokens through all layers and appends their keys and values to the cache.
  void run(const Space& space, const Rows& rows, const KvCache& cache, const Attend& attend) const;

  /// Scores of the tokens that may follow each row of the last run: logits [rows, vocabulary].
  void score(const Space& space, std::int64_t rows, const FloatRows& logits) const;

 private:
  void attend_layer(const Space& space, const Rows& rows, std::int64_t layer, const KvCache& cache,
                    const Attend& attend) const;
  void feed_layer(const Space& space, const Rows& rows, const LayerWeights& weights) const;
  /// Adds a projection's result, or its norm where there is one, to the hidden state.
  void add_result(const Space& space, const Rows& rows, const Projection& by, const FloatRows& from,
                  const FloatVector& norm) const;
  /// The norm of each head of a row, where there is one.
  void norm_heads(const Space& space, const FloatRows& heads, std::int64_t rows, const FloatVector& norm) const;

  Weights _weights;
  FloatRows _hidden, _normed, _turns, _window_turns, _query, _key, _value, _attended, _gate, _up;
};

}  // namespace santa::example
