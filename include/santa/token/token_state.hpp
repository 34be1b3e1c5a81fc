// The best row so far of one request, and what becomes of it.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Integers of a rank-2 array of tokens, 32 or 64 bits wide.
struct TokenMatrix {
  void* data = nullptr;
  std::int64_t stride[2] = {0, 0};
  bool wide = false;

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t get(std::int64_t i, std::int64_t j) const {
    const std::int64_t at = i * stride[0] + j * stride[1];
    return wide ? static_cast<const std::int64_t*>(data)[at] : static_cast<const std::int32_t*>(data)[at];
  }
  KOKKOS_FUNCTION void set(std::int64_t i, std::int64_t j, std::int64_t token) const {
    const std::int64_t at = i * stride[0] + j * stride[1];
    if (wide)
      static_cast<std::int64_t*>(data)[at] = token;
    else
      static_cast<std::int32_t*>(data)[at] = static_cast<std::int32_t>(token);
  }
};

/// What is known of the requests of a batch after a part of the vocabulary, [part][request]: the best row, its score
/// and logit, the log-sum-exp of the logits. Logits and sums may be absent.
struct TokenArrays {
  TokenMatrix token;
  Matrix<float> score, logit, lse;
};

/// One request's, while a group goes through rows.
struct TokenState {
  float score = -lanes::infinity;  // NaN once a logit was NaN or +infinity
  float logit = -lanes::infinity;
  std::int32_t token = -1;
  float reference = lanes::lowest;  // of the sum
  float mass = 0.F;                 // sum of exp(logit - reference)

  /// That of more rows, in any order of rows: among equal scores the lowest counts.
  KOKKOS_FUNCTION void merge(const TokenState& other) {
    const bool ties = other.score == score && other.token < token;
    if (score == score && (other.score > score || ties || other.score != other.score)) {
      score = other.score;
      logit = other.logit;
      token = other.token;
    }
    const float largest = lanes::max(reference, other.reference);
    mass = lanes::fma(mass, scale(reference, largest), other.mass * scale(other.reference, largest));
    reference = largest;
  }
  /// By what sums are multiplied when their reference rises.
  KOKKOS_FUNCTION static float scale(float from, float to) { return lanes::exp2((from - to) * lanes::log2_of_e); }

  KOKKOS_FUNCTION void store(const TokenArrays& to, std::int64_t part, std::int64_t request) const {
    const bool valid = score == score;
    to.token.set(part, request, valid ? token : -1);
    if (to.score) to.score(part, request) = score;
    if (to.logit) to.logit(part, request) = valid ? logit : lanes::not_a_number;
    if (to.lse)
      to.lse(part, request) = valid ? lanes::fma(lanes::log2(mass), lanes::ln_of_2, reference) : lanes::not_a_number;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
