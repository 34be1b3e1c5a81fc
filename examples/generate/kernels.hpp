// What a layer does besides products and attention. Rows are tokens.
#pragma once

#include "generate/cache.hpp"
#include "generate/views.hpp"

#include <cstdint>

namespace santa::example {

/// Tokens that go through the model together: one each of several texts, or some of one text that follow each other.
struct Rows {
  Numbers tokens, slots, positions;  // [rows] or more
  std::int64_t count = 0;
  Numbers places = {};  // where keys and values go in the cache; default: at the positions
};

/// Rows that follow each other in one text, from position `first` on; seen[row] = how many tokens it sees, itself
/// included.
void place_chunk(const Space& space, std::int64_t slot, std::int64_t first, const Rows& rows, const Numbers& seen);

/// hidden[row] = factor * embedding[token].
void embed(const Space& space, const Rows& rows, const NarrowRows& embedding, float factor, const FloatRows& hidden);

/// y = x / rms(x) * weight, or y += that. y may be x.
void rms_norm(const Space& space, const FloatRows& x, std::int64_t rows, const FloatVector& weight, double epsilon,
              const FloatRows& y, bool add = false);

/// turns[row] = cosine and sine, one after the other, of each angle times the position: in double, as at position 8191
/// a float is off by up to 0.0005.
void turns_of(const Space& space, const Rows& rows, const Kokkos::View<double*, Memory>& angles,
              const FloatRows& turns);

/// Rotary embedding of the queries in place: element i of a head turns with element i + dim / 2.
void rotate(const Space& space, const FloatRows& turns, const FloatRows& query, std::int64_t rows);

/// Appends keys, with their rotary embedding, and values to a layer of the cache.
void append(const Space& space, const Rows& rows, const FloatRows& turns, const FloatRows& key, const FloatRows& value,
            std::int64_t layer, const KvCache& cache);

enum class Activation : std::uint8_t { silu, gelu };  // gelu by the tangent, as models compute it

/// gate = activation(gate) * up.
void activate(const Space& space, Activation activation, const FloatRows& gate, const FloatRows& up, std::int64_t rows);

}  // namespace santa::example
