#include "decode/accuracy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace santa::example {
namespace {

struct VectorError {
  double relative, cosine;
};

VectorError compare_vectors(std::span<const float> out, std::span<const double> reference) {
  double difference = 0.;
  double product = 0.;
  double out_square = 0.;
  double reference_square = 0.;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto x = static_cast<double>(out[i]);
    difference += (x - reference[i]) * (x - reference[i]);
    product += x * reference[i];
    out_square += x * x;
    reference_square += reference[i] * reference[i];
  }
  if (difference == 0.) return {0., 1.};
  if (reference_square == 0.) return {std::numeric_limits<double>::infinity(), 0.};
  return {std::sqrt(difference / reference_square),
          out_square > 0. ? product / std::sqrt(out_square * reference_square) : 0.};
}

double mean(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.) / static_cast<double>(numbers.size());
}

}  // namespace

Accuracy compare(const std::vector<Tensor>& out, const std::vector<std::vector<double>>& reference, std::int64_t dim) {
  const auto size = static_cast<std::size_t>(dim);
  std::vector<double> relative;
  std::vector<double> cosine;
  for (std::size_t layer = 0; layer < out.size(); ++layer) {
    const auto elements = out[layer].as<float>();
    for (std::size_t i = 0; i < elements.size(); i += size) {
      const VectorError error =
          compare_vectors(elements.subspan(i, size), std::span(reference[layer]).subspan(i, size));
      relative.push_back(error.relative);
      cosine.push_back(error.cosine);
    }
  }
  // What is no number lies behind all: numbers that are not in order at all may not be sorted.
  std::sort(relative.begin(), relative.end(),
            [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; });
  const std::size_t rank = (95 * relative.size() + 99) / 100;  // 1 is the smallest
  return {mean(relative), relative[rank - 1], mean(cosine)};
}

}  // namespace santa::example
