#include "accuracy/outcome.hpp"

#include <cmath>

namespace santa::accuracy {
namespace {

struct MeanAndError {
  double mean, standard_error;
};

MeanAndError mean_of(std::span<const double> numbers) {
  const auto n = static_cast<double>(numbers.size());
  double sum = 0.;
  for (const double x : numbers) sum += x;
  double squares = 0.;
  for (const double x : numbers) squares += (x - sum / n) * (x - sum / n);
  return {sum / n, std::sqrt(squares / (n - 1.) / n)};
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0.;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

HeadOutcome outcome_of(std::span<const float> out, std::span<const double> exact) {
  const std::size_t dim = exact.size();
  const std::size_t seeds = out.size() / dim;
  const double norm = dot(exact, exact);
  std::vector<double> squares(seeds), errors(out.size()), direction(dim, 0.);
  double cosine = 0.;
  for (std::size_t s = 0; s < seeds; ++s) {
    const std::span<double> error = std::span(errors).subspan(s * dim, dim);
    double own = 0.;
    double product = 0.;
    for (std::size_t d = 0; d < dim; ++d) {
      const auto x = static_cast<double>(out[s * dim + d]);
      error[d] = x - exact[d];
      own += x * x;
      product += x * exact[d];
      if (s < seeds / 2) direction[d] += error[d];
    }
    squares[s] = dot(error, error) / norm;
    cosine += own > 0. ? product / std::sqrt(own * norm) : 0.;
  }
  HeadOutcome result;
  const auto [square, deviation] = mean_of(squares);
  result.error = std::sqrt(square);
  result.standard_error = square > 0. ? deviation / (2. * result.error) : 0.;
  result.cosine = cosine / static_cast<double>(seeds);
  std::vector<double> components;
  for (std::size_t s = seeds / 2; s < seeds; ++s)
    components.push_back(dot(std::span(errors).subspan(s * dim, dim), direction));
  const auto [component, noise] = mean_of(components);
  constexpr double rounding = 3e-6;
  result.bias_z = noise > 0. && result.error >= rounding ? component / noise : 0.;
  return result;
}

std::vector<HeadOutcome> outcomes_of(std::span<const float> out, std::span<const double> exact, std::int64_t heads) {
  const std::size_t dim = exact.size() / static_cast<std::size_t>(heads);
  const std::size_t seeds = out.size() / exact.size();
  std::vector<HeadOutcome> result;
  std::vector<float> of_head(seeds * dim);
  for (std::size_t head = 0; head < static_cast<std::size_t>(heads); ++head) {
    for (std::size_t s = 0; s < seeds; ++s)
      for (std::size_t d = 0; d < dim; ++d)
        of_head[s * dim + d] = out[(s * static_cast<std::size_t>(heads) + head) * dim + d];
    result.push_back(outcome_of(of_head, exact.subspan(head * dim, dim)));
  }
  return result;
}

}  // namespace santa::accuracy
