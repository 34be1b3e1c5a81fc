// Hidden states and a head's weights, their logits in double, and what sampling gives, on any space.
#pragma once

#include "support/spaces.hpp"
#include <santa/random/stream_key.hpp>
#include <santa/token/sample_tokens.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace santa::test {

/// What a step gave, on the host.
struct Sampled {
  std::vector<std::int64_t> tokens;
  std::vector<float> score, logit, lse;
};

template <class View>
auto host_vector(const View& view) {
  const auto there = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
  return std::vector<typename View::non_const_value_type>(there.data(), there.data() + there.extent(0));
}

/// Weights of T, hidden states of H; rows of both lie further apart than they are long.
template <class Space, class T, class H>
class TokenProblem {
 public:
  using Memory = typename Space::memory_space;
  template <class Element>
  using Storage = Kokkos::View<Element**, Kokkos::LayoutRight, Memory>;
  template <class Element>
  using Rows = Kokkos::View<Element**, Kokkos::LayoutStride, Memory>;

  std::size_t batch, vocab, dim;

  TokenProblem(std::size_t requests, std::size_t rows, std::size_t features, std::size_t gap = 8)
      : batch(requests),
        vocab(rows),
        dim(features),
        _hidden("test::hidden", batch, dim + gap),
        _weights("test::weights", vocab, dim + gap),
        _hidden_there("test::hidden_there", batch, dim + gap),
        _weights_there("test::weights_there", vocab, dim + gap) {}

  /// Normal numbers; logits have about the standard deviation `spread`.
  TokenProblem& fill(unsigned seed, double spread = 1.) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto scale = static_cast<float>(spread / std::sqrt(static_cast<double>(dim)));
    set([&](std::size_t, std::size_t) { return scale * normal(random); },
        [&](std::size_t, std::size_t) { return normal(random); });
    return *this;
  }
  /// Small integers (-1 to 1) over `divisor`, a power of two: logits are exact in any type and order, and many are
  /// equal.
  TokenProblem& fill_exact(unsigned seed, float divisor = 1.F) {
    std::mt19937 random(seed);
    const auto small = [&] { return static_cast<float>(static_cast<int>(random() % 3) - 1); };
    set([&](std::size_t, std::size_t) { return small() / divisor; }, [&](std::size_t, std::size_t) { return small(); });
    return *this;
  }
  void set(const std::function<float(std::size_t, std::size_t)>& hidden,
           const std::function<float(std::size_t, std::size_t)>& weight) {
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t d = 0; d < _hidden.extent(1); ++d) _hidden_there(b, d) = H(d < dim ? hidden(b, d) : NAN);
    for (std::size_t i = 0; i < vocab; ++i)
      for (std::size_t d = 0; d < _weights.extent(1); ++d) _weights_there(i, d) = T(d < dim ? weight(i, d) : NAN);
    upload();
  }
  void set_weight(std::size_t row, std::size_t feature, float value) {
    _weights_there(row, feature) = T(value);
    upload();
  }

  [[nodiscard]] Rows<const H> hidden(std::size_t first, std::size_t count) const {
    return Kokkos::subview(_hidden, std::pair(first, first + count), std::pair(std::size_t{0}, dim));
  }
  [[nodiscard]] Rows<const H> hidden() const { return hidden(0, batch); }
  [[nodiscard]] Rows<const T> weights(std::size_t first, std::size_t count) const {
    return Kokkos::subview(_weights, std::pair(first, first + count), std::pair(std::size_t{0}, dim));
  }
  [[nodiscard]] Rows<const T> weights() const { return weights(0, vocab); }

  [[nodiscard]] std::vector<double> logits(std::size_t b) const {
    std::vector<double> result(vocab, 0.);
    for (std::size_t i = 0; i < vocab; ++i)
      for (std::size_t d = 0; d < dim; ++d)
        result[i] += static_cast<double>(static_cast<float>(_hidden_there(b, d))) *
                     static_cast<double>(static_cast<float>(_weights_there(i, d)));
    return result;
  }

  [[nodiscard]] Sampled sample(const TokenOptions<Memory>& options) const {
    return sample(TokenSampler<Space>(Space{}, shape()), hidden(), weights(), options);
  }
  [[nodiscard]] TokenShape shape() const {
    return {static_cast<std::int64_t>(batch), static_cast<std::int64_t>(vocab), static_cast<std::int64_t>(dim)};
  }
  [[nodiscard]] static Sampled sample(const TokenSampler<Space>& sampler, const Rows<const H>& hidden,
                                      const Rows<const T>& weights, TokenOptions<Memory> options) {
    const std::size_t count = hidden.extent(0);
    const Kokkos::View<std::int64_t*, Memory> tokens("test::tokens", count);
    const Kokkos::View<float*, Memory> score("test::score", count), logit("test::logit", count),
        lse("test::lse", count);
    options.results = {score, logit, lse};
    sampler.run(Space{}, hidden, weights, tokens, options);
    Space{}.fence();
    return {host_vector(tokens), host_vector(score), host_vector(logit), host_vector(lse)};
  }

 private:
  void upload() {
    Kokkos::deep_copy(_hidden, _hidden_there);
    Kokkos::deep_copy(_weights, _weights_there);
  }

  Storage<H> _hidden;
  Storage<T> _weights;
  Kokkos::View<H**, Kokkos::LayoutRight, Kokkos::HostSpace> _hidden_there;
  Kokkos::View<T**, Kokkos::LayoutRight, Kokkos::HostSpace> _weights_there;
};

inline double log_sum_exp(const std::vector<double>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.;
  for (const double x : logits) sum += std::exp(x - largest);
  return largest + std::log(sum);
}

/// The uniform number of two words, and its Gumbel noise in double.
inline double uniform_reference(std::uint32_t high, std::uint32_t low) {
  const double v = std::ldexp(static_cast<double>(high), -32) + std::ldexp(static_cast<double>(low >> 9), -55);
  return std::fmin(v + 0x1p-56, 1. - 0x1p-24);
}
inline double gumbel_reference(std::uint32_t high, std::uint32_t low) {
  return -std::log(-std::log1p(-uniform_reference(high, low)));
}
/// That of a row.
inline double gumbel_reference(const StreamKey& key, std::size_t row) {
  const auto random = key.draw(0xffff, static_cast<std::uint32_t>(row));
  return gumbel_reference(random.word[0], random.word[1]);
}

/// The row of the largest number, the first of equal ones.
inline std::size_t argmax(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace santa::test
