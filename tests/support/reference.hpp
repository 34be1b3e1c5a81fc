// Attention and its samplers in plain scalar code and double precision.
#pragma once

#include <santa/santa.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace santa::test {

/// What a reference does to scores.
struct ReferenceOptions {
  double scale = 0.;                // 0: 1 / sqrt(dim)
  double cap = 0.;                  // 0: none
  double second_cap = 0.;           // 0: none; after the first
  std::int64_t window = -1;         // -1: none
  std::vector<double> slopes = {};  // [heads]: linear biases, after the caps; none if empty
  double growth = 0.;               // of a bias growth (1 + b) (1 + h) i
  std::vector<double> sinks = {};   // [heads]: none if empty
};

struct Reference {
  std::vector<double> out;  // [batch][heads][dim]
  std::vector<double> lse;  // [batch][heads]
};

/// Natural scores of one head over keys start <= i < length; `start` is what the window leaves.
template <class Problem>
std::vector<double> reference_scores(const Problem& problem, std::int64_t b, std::int64_t h,
                                     const ReferenceOptions& options = {}) {
  const Shape& shape = problem.shape;
  const std::int64_t kv = h / shape.group();
  const double scale = options.scale != 0. ? options.scale : 1. / std::sqrt(static_cast<double>(shape.dim));
  std::vector<double> scores;
  for (std::int64_t i = 0; i < problem.lengths[static_cast<std::size_t>(b)]; ++i) {
    double dot = 0.;
    for (std::int64_t d = 0; d < shape.dim; ++d)
      dot += static_cast<double>(problem.query(b, h, d)) * static_cast<double>(problem.key(b, i, kv, d));
    double score = dot * scale;
    for (const double cap : {options.cap, options.second_cap})
      if (cap > 0.) score = cap * std::tanh(score / cap);
    if (!options.slopes.empty())
      score += options.slopes[static_cast<std::size_t>(h)] *
               static_cast<double>(i - (problem.lengths[static_cast<std::size_t>(b)] - 1));
    score += options.growth * static_cast<double>((1 + b) * (1 + h) * i);
    scores.push_back(score);
  }
  return scores;
}

/// First key that a window leaves.
inline std::int64_t reference_start(std::int64_t length, const ReferenceOptions& options) {
  return options.window >= 0 && length > options.window ? length - options.window : 0;
}

/// Softmax probabilities of one head, 0 outside the window; `lse` gets the log-sum-exp, that of a sink included.
template <class Problem>
std::vector<double> reference_probabilities(const Problem& problem, std::int64_t b, std::int64_t h,
                                            const ReferenceOptions& options, double& lse) {
  std::vector<double> a = reference_scores(problem, b, h, options);
  const auto start = static_cast<std::size_t>(reference_start(static_cast<std::int64_t>(a.size()), options));
  const double sink = options.sinks.empty() ? -HUGE_VAL : options.sinks[static_cast<std::size_t>(h)];
  double largest = sink;
  for (std::size_t i = start; i < a.size(); ++i) largest = std::fmax(largest, a[i]);
  double sum = sink > -HUGE_VAL ? std::exp(sink - largest) : 0.;
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = i < start ? 0. : std::exp(a[i] - largest);
    sum += a[i];
  }
  for (double& p : a) p /= sum;
  lse = sum > 0. ? largest + std::log(sum) : -HUGE_VAL;
  return a;
}

template <class Problem>
Reference exact_reference(const Problem& problem, const ReferenceOptions& options = {}) {
  const Shape& shape = problem.shape;
  Reference result;
  for (std::int64_t b = 0; b < shape.batch; ++b)
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      double lse = 0.;
      const std::vector<double> a = reference_probabilities(problem, b, h, options, lse);
      result.lse.push_back(lse);
      std::vector<double> out(static_cast<std::size_t>(shape.values()));
      for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i] > 0.)
          for (std::size_t d = 0; d < out.size(); ++d)
            out[d] += a[i] * static_cast<double>(problem.value(b, static_cast<std::int64_t>(i), h / shape.group(),
                                                               static_cast<std::int64_t>(d)));
      result.out.insert(result.out.end(), out.begin(), out.end());
    }
  return result;
}

/// One tile of MassUnit's sweep, row by row: which rows are read, and their inclusion probability in units of 2^-26.
struct ReferenceSweep {
  std::vector<bool> read;
  std::vector<std::uint64_t> units;  // 2^26 for certain rows, 0 for rows that are never read

  /// `ratio` is log2(w / delta), largest over the heads that draw together.
  ReferenceSweep(const std::vector<float>& ratio, std::uint32_t phase) {
    constexpr std::uint64_t one = std::uint64_t{1} << 26;
    std::uint64_t sum = phase;
    for (const float r : ratio) {
      if (r >= 0.F) {
        units.push_back(one);
        read.push_back(true);
        continue;
      }
      std::uint64_t p = 0;
      if (std::isfinite(r)) {
        p = static_cast<std::uint64_t>(lanes::exp2(r) * 0x1p26F + 0.5F);
        if (p == 0) p = 1;
      }
      units.push_back(p);
      read.push_back(sum / one != (sum + p) / one);
      sum += p;
    }
  }
};

/// MassUnit's weights w / pi of one head over all keys, from float scores in log2 units; heads that draw together give
/// their scores and deltas together. Row i of the result is relative to 2^reference.
struct ReferenceDraws {
  std::vector<std::vector<double>> weight;  // [head][key]
  std::vector<bool> read;                   // [key]

  ReferenceDraws(const std::vector<std::vector<float>>& score, const std::vector<float>& log_delta, double reference,
                 const StreamKey& key, std::uint16_t head) {
    const std::size_t length = score[0].size();
    weight.assign(score.size(), std::vector<double>(length, 0.));
    read.assign(length, false);
    for (std::size_t first = 0; first < length; first += 32) {
      const std::size_t end = first + 32 < length ? first + 32 : length;
      std::vector<float> ratio;
      for (std::size_t i = first; i < end; ++i) {
        float largest = -HUGE_VALF;
        for (std::size_t h = 0; h < score.size(); ++h) largest = std::fmax(largest, score[h][i] - log_delta[h]);
        ratio.push_back(largest);
      }
      const ReferenceSweep sweep(ratio, key.integer(head, static_cast<std::uint32_t>(first / 32), 26));
      for (std::size_t i = first; i < end; ++i) {
        read[i] = sweep.read[i - first];
        if (!read[i]) continue;
        for (std::size_t h = 0; h < score.size(); ++h)
          weight[h][i] = std::exp2(static_cast<double>(score[h][i]) - reference) * 0x1p26 /
                         static_cast<double>(sweep.units[i - first]);
      }
    }
  }
};

/// Systematic's counts of one head: row i gets as many as there are integers in (S c_(i-1) + u, S c_i + u].
inline std::vector<std::int64_t> reference_counts(const std::vector<double>& a, std::int64_t samples, double offset) {
  std::vector<std::int64_t> counts;
  long double sum = 0.L;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<long double>(a[i]);
    auto below = static_cast<std::int64_t>(
        std::floor(sum * static_cast<long double>(samples) + static_cast<long double>(offset)));
    if (below > samples || i + 1 == a.size()) below = samples;
    counts.push_back(below - before);
    before = below;
  }
  return counts;
}

}  // namespace santa::test
