#include "generate/model.hpp"

#include <string>
#include <utility>

namespace santa::example {

Model::Model(Weights weights, std::int64_t most_rows) : _weights(std::move(weights)) {
  const Settings& s = settings();
  const auto rows = [&](const std::string& label, std::int64_t features) {
    return FloatRows(label, static_cast<std::size_t>(most_rows), static_cast<std::size_t>(features));
  };
  _hidden = rows("santa::hidden", s.width);
  _normed = rows("santa::normed", s.width);
  _turns = rows("santa::turns", s.dim);
  _query = rows("santa::query", s.heads * s.dim);
  _key = rows("santa::key", s.kv_heads * s.dim);
  _value = rows("santa::value", s.kv_heads * s.dim);
  _attended = rows("santa::attended", s.heads * s.dim);
  _gate = rows("santa::gate", s.hidden);
  _up = rows("santa::up", s.hidden);
}

void Model::run(const Space& space, const Rows& rows, const KvCache& cache, const Attend& attend) const {
  embed(space, rows, _weights.embedding, _hidden);
  turns_of(space, rows, _weights.angles, _turns);
  for (std::int64_t layer = 0; layer < settings().layers; ++layer) {
    attend_layer(space, rows, layer, cache, attend);
    feed_layer(space, rows, _weights.layers[static_cast<std::size_t>(layer)]);
  }
}

void Model::attend_layer(const Space& space, const Rows& rows, std::int64_t layer, const KvCache& cache,
                         const Attend& attend) const {
  const LayerWeights& weights = _weights.layers[static_cast<std::size_t>(layer)];
  rms_norm(space, _hidden, rows.count, weights.attention_norm, settings().rms_epsilon, _normed);
  weights.query.apply(space, _normed, _query, rows.count);
  weights.key.apply(space, _normed, _key, rows.count);
  weights.value.apply(space, _normed, _value, rows.count);
  rotate(space, _turns, _query, rows.count);
  append(space, rows, _turns, _key, _value, layer, cache);
  attend(layer, _query, _attended);
  weights.output.apply(space, _attended, _hidden, rows.count, true);
}

void Model::feed_layer(const Space& space, const Rows& rows, const LayerWeights& weights) const {
  rms_norm(space, _hidden, rows.count, weights.feed_norm, settings().rms_epsilon, _normed);
  weights.gate.apply(space, _normed, _gate, rows.count);
  weights.up.apply(space, _normed, _up, rows.count);
  swish(space, _gate, _up, rows.count);
  weights.down.apply(space, _gate, _hidden, rows.count, true);
}

void Model::score(const Space& space, std::int64_t rows, const FloatRows& logits) const {
  rms_norm(space, _hidden, rows, _weights.last_norm, settings().rms_epsilon, _normed);
  _weights.head.apply(space, _normed, logits, rows);
}

}  // namespace santa::example
