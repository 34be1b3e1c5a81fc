// The texts that a model works on side by side: prompts read exactly, then one token a step, each by its own policy.
#pragma once

#include "generate/model.hpp"
#include "generate/text_attention.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace santa::example {

using Tokens = std::vector<std::int32_t>;

class Texts {
 public:
  /// Tokens of a prompt that go through the model together.
  static constexpr std::int64_t chunk = 256;

  /// Errors: UserError where the cache is longer than positions can count.
  Texts(const Model& model, std::int64_t slots, std::int64_t capacity);

  /// Starts a text with a prompt, read by exact attention. `note(tokens done)` is called after each chunk.
  /// Errors: UserError for a prompt longer than the cache, a token that the model doesn't know.
  void prefill(std::int64_t slot, std::span<const std::int32_t> prompt,
               const std::function<void(std::size_t)>& note = {});
  /// Errors: UserError for a token that the model doesn't know.
  void check_tokens(std::span<const std::int32_t> tokens) const;
  /// Gives a slot the text of another, from now on by this policy.
  void start(std::int64_t slot, std::int64_t from, const Policy& policy, std::uint64_t seed);

  /// The tokens of the first `count` slots, which the next step takes; on the device, so that whoever picks the next
  /// ones can leave them there.
  [[nodiscard]] const Numbers& tokens() const { return _rows.tokens; }
  /// The texts' keys and values, for who goes on with them by itself and says how far it came: see set_length.
  [[nodiscard]] const KvCache& cache() const { return _cache; }
  void set_length(std::int64_t slot, std::int64_t length) { _lengths[static_cast<std::size_t>(slot)] = length; }
  /// Forgets what a text has beyond its first `length` tokens.
  void shorten(std::int64_t slot, std::int64_t length);
  /// Appends tokens() to the texts of the first `count` slots and scores what may come next.
  /// Errors: UserError where the cache is full.
  void step(std::int64_t count);
  /// [slots, vocabulary], after a step.
  [[nodiscard]] const FloatRows& logits() const { return _logits; }

  [[nodiscard]] const Model& model() const { return _model; }
  [[nodiscard]] const Space& space() const { return _space; }
  [[nodiscard]] std::int64_t capacity() const { return _cache.capacity(); }
  [[nodiscard]] std::int64_t length(std::int64_t slot) const { return _lengths[static_cast<std::size_t>(slot)]; }
  [[nodiscard]] const TextAttention& attention(std::int64_t slot) const {
    return *_attention[static_cast<std::size_t>(slot)];
  }

  /// Measures the time in attention from now on, which takes a fence before and after it.
  void time_attention() { _timed = true; }
  [[nodiscard]] double attention_seconds() const { return _attention_seconds; }

 private:
  void set_attention(std::int64_t slot, const Policy& policy, std::uint64_t seed);
  void read_chunk(std::int64_t slot, std::span<const std::int32_t> tokens);
  void attend(std::int64_t count, std::int64_t layer, const FloatRows& query, const FloatRows& out);
  [[nodiscard]] QueryRows heads_of(const FloatRows& query, std::int64_t first, std::int64_t rows) const;
  [[nodiscard]] OutRows heads_to(const FloatRows& out, std::int64_t first, std::int64_t rows) const;

  const Model& _model;
  Space _space;
  KvCache _cache;
  Plans _plans;
  Rows _rows;     // room for a chunk, or one token a slot
  Numbers _seen;  // lengths that the rows of a chunk see
  FloatRows _logits;
  std::vector<std::int64_t> _lengths;
  std::vector<std::unique_ptr<TextAttention>> _attention;
  bool _timed = false;
  double _attention_seconds = 0.;
};

}  // namespace santa::example
