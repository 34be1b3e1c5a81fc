#include "generate/model.hpp"

#include <cmath>
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
  if (s.windows.tokens > 0) _window_turns = rows("santa::window_turns", s.dim);
  _query = rows("santa::query", s.heads * s.dim);
  _key = rows("santa::key", s.kv_heads * s.dim);
  _value = rows("santa::value", s.kv_heads * s.dim);
  _attended = rows("santa::attended", s.heads * s.dim);
  _gate = rows("santa::gate", s.hidden);
  _up = rows("santa::up", s.hidden);
}

void Model::run(const Space& space, const Rows& rows, const KvCache& cache, const Attend& attend) const {
  const double factor = settings().gemma ? std::sqrt(static_cast<double>(settings().width)) : 1.;
  embed(space, rows, _weights.embedding, static_cast<float>(factor), _hidden);
  turns_of(space, rows, _weights.angles, _turns);
  if (_window_turns.data() != nullptr) turns_of(space, rows, _weights.window_angles, _window_turns);
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
  norm_heads(space, _query, rows.count, weights.query_norm);
  norm_heads(space, _key, rows.count, weights.key_norm);
  const FloatRows& turns = settings().windows.limit(layer) ? _window_turns : _turns;
  rotate(space, turns, _query, rows.count);
  append(space, rows, turns, _key, _value, layer, cache);
  attend(layer, _query, _attended);
  add_result(space, rows, weights.output, _attended, weights.attention_end_norm);
}

void Model::add_result(const Space& space, const Rows& rows, const Projection& by, const FloatRows& from,
                       const FloatVector& norm) const {
  const bool plain = norm.data() == nullptr;
  by.apply(space, from, plain ? _hidden : _normed, rows.count, plain);
  if (!plain) rms_norm(space, _normed, rows.count, norm, settings().rms_epsilon, _hidden, true);
}

void Model::norm_heads(const Space& space, const FloatRows& heads, std::int64_t rows, const FloatVector& norm) const {
  if (norm.data() == nullptr) return;
  const std::size_t dim = norm.extent(0), of_row = heads.extent(1) / dim;
  const FloatRows each(heads.data(), heads.extent(0) * of_row, dim);
  rms_norm(space, each, rows * static_cast<std::int64_t>(of_row), norm, settings().rms_epsilon, each);
}

void Model::feed_layer(const Space& space, const Rows& rows, const LayerWeights& weights) const {
  rms_norm(space, _hidden, rows.count, weights.feed_norm, settings().rms_epsilon, _normed);
  weights.gate.apply(space, _normed, _gate, rows.count);
  weights.up.apply(space, _normed, _up, rows.count);
  activate(space, settings().gemma ? Activation::gelu : Activation::silu, _gate, _up, rows.count);
  add_result(space, rows, weights.down, _gate, weights.feed_end_norm);
}

void Model::score(const Space& space, std::int64_t rows, const FloatRows& logits) const {
  rms_norm(space, _hidden, rows, _weights.last_norm, settings().rms_epsilon, _normed);
  _weights.head.apply(space, _normed, logits, rows);
}

}  // namespace santa::example
