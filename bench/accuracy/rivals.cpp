#include "accuracy/rivals.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace santa::accuracy {
namespace {

constexpr std::size_t first_rows = 4, last_rows = 32, tile = 32;

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

float normal(std::mt19937_64& random) {
  const double radius = std::sqrt(-2. * std::log1p(-uniform(random)));
  return static_cast<float>(radius * std::cos(2. * std::numbers::pi * uniform(random)));
}

/// Each row's largest weight of the heads.
std::vector<double> largest_of_heads(const std::vector<double>& weight, std::size_t n) {
  std::vector<double> largest(n, 0.);
  for (std::size_t i = 0; i < weight.size(); ++i) largest[i % n] = std::max(largest[i % n], weight[i]);
  return largest;
}

/// Numbers of all, the `count` largest first.
std::vector<std::size_t> largest_first(const std::vector<double>& of, std::size_t count) {
  std::vector<std::size_t> order(of.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (count < order.size())
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                     [&](std::size_t a, std::size_t b) { return of[a] > of[b] || (of[a] == of[b] && a < b); });
  return order;
}

/// Rows whose weights count by a factor, [heads][length] or [length] for all heads; 0: not read.
RivalOutput attend(const RivalProblem& p, const std::vector<double>& factor, double share) {
  RivalOutput result{std::vector<double>(p.heads * p.dim, 0.), share};
  for (std::size_t head = 0; head < p.heads; ++head) {
    const double* const own = factor.size() > p.length ? factor.data() + head * p.length : factor.data();
    double* const out = result.out.data() + head * p.dim;
    double sum = 0.;
    for (std::size_t i = 0; i < p.length; ++i) {
      if (own[i] == 0.) continue;
      const double w = own[i] * p.weight[head * p.length + i];
      sum += w;
      for (std::size_t d = 0; d < p.dim; ++d) out[d] += w * static_cast<double>(p.values[i * p.dim + d]);
    }
    for (std::size_t d = 0; d < p.dim && sum > 0.; ++d) out[d] /= sum;
  }
  return result;
}

/// Softmax of each head's row.
void normalise(std::vector<double>& weight, std::size_t n) {
  for (std::size_t begin = 0; begin < weight.size(); begin += n) {
    double* const own = weight.data() + begin;
    const double largest = *std::max_element(own, own + n);
    double sum = 0.;
    for (std::size_t i = 0; i < n; ++i) sum += own[i] = std::exp(own[i] - largest);
    for (std::size_t i = 0; i < n; ++i) own[i] /= sum;
  }
}

}  // namespace

void RivalProblem::take_query(std::vector<float> given) {
  query = std::move(given);
  weight.assign(heads * length, 0.);
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t i = 0; i < length; ++i) {
      double score = 0.;
      for (std::size_t d = 0; d < dim; ++d)
        score += static_cast<double>(query[head * dim + d]) * static_cast<double>(keys[i * dim + d]);
      weight[head * length + i] = score;
    }
  normalise(weight, length);
}

RivalOutput top_rows(const RivalProblem& problem, double share) {
  const auto count = static_cast<std::size_t>(problem.rows_of(share));
  const std::vector<std::size_t> order = largest_first(largest_of_heads(problem.weight, problem.length), count);
  std::vector<double> factor(problem.length, 0.);
  for (std::size_t i = 0; i < count; ++i) factor[order[i]] = 1.;
  return attend(problem, factor, static_cast<double>(count) / static_cast<double>(problem.length));
}

RivalOutput heavy_and_uniform(const RivalProblem& problem, double share, std::mt19937_64& random) {
  const auto count = static_cast<std::size_t>(problem.rows_of(share));
  const std::size_t heavy = count / 2;
  std::vector<std::size_t> order = largest_first(largest_of_heads(problem.weight, problem.length), heavy);
  std::vector<double> factor(problem.length, 0.);
  for (std::size_t i = 0; i < heavy; ++i) factor[order[i]] = 1.;
  const double others = static_cast<double>(problem.length - heavy) / static_cast<double>(count - heavy);
  for (std::size_t i = heavy; i < count; ++i) {
    const auto left = static_cast<double>(order.size() - i);
    std::swap(order[i], order[i + static_cast<std::size_t>(uniform(random) * left)]);
    factor[order[i]] = others;
  }
  return attend(problem, factor, static_cast<double>(count) / static_cast<double>(problem.length));
}

Pages::Pages(const RivalProblem& problem) {
  const std::size_t pages = (problem.length + keys - 1) / keys;
  _least.assign(pages * problem.dim, std::numeric_limits<float>::infinity());
  _largest.assign(pages * problem.dim, -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < problem.length; ++i)
    for (std::size_t d = 0; d < problem.dim; ++d) {
      const std::size_t at = i / keys * problem.dim + d;
      _least[at] = std::min(_least[at], problem.keys[i * problem.dim + d]);
      _largest[at] = std::max(_largest[at], problem.keys[i * problem.dim + d]);
    }
}

RivalOutput Pages::read(const RivalProblem& problem, double share) const {
  const std::size_t pages = _least.size() / problem.dim;
  const double bounds = 1. / static_cast<double>(keys);  // two rows of keys' elements a page
  const auto count = static_cast<std::size_t>(problem.rows_of(share - bounds) / static_cast<double>(keys));
  if (!(share > bounds) || count == 0) return {};
  std::vector<double> bound(problem.heads * pages, 0.);
  for (std::size_t head = 0; head < problem.heads; ++head)
    for (std::size_t page = 0; page < pages; ++page)
      for (std::size_t d = 0; d < problem.dim; ++d) {
        const float q = problem.query[head * problem.dim + d];
        const std::size_t at = page * problem.dim + d;
        bound[head * pages + page] += static_cast<double>(std::max(q * _least[at], q * _largest[at]));
      }
  normalise(bound, pages);
  const std::vector<std::size_t> order = largest_first(largest_of_heads(bound, pages), count);
  std::vector<double> factor(problem.length, 0.);
  for (std::size_t n = 0; n < count; ++n)
    for (std::size_t i = order[n] * keys; i < std::min(problem.length, (order[n] + 1) * keys); ++i) factor[i] = 1.;
  const double rows = std::accumulate(factor.begin(), factor.end(), 0.);
  return attend(problem, factor, bounds + rows / static_cast<double>(problem.length));
}

HashTables::HashTables(const RivalProblem& problem, std::mt19937_64& random)
    : _mean(problem.dim, 0.F), _normals(most_tables * planes * problem.dim), _bucket(most_tables * problem.length) {
  for (std::size_t i = 0; i < problem.keys.size(); ++i)
    _mean[i % problem.dim] += problem.keys[i] / static_cast<float>(problem.length);
  for (float& x : _normals) x = normal(random);
  std::vector<float> row(problem.dim);
  for (std::size_t i = 0; i < problem.length; ++i) {
    for (std::size_t d = 0; d < problem.dim; ++d) row[d] = problem.keys[i * problem.dim + d] - _mean[d];
    const std::vector<std::uint8_t> code = codes_of(row.data());
    for (std::size_t t = 0; t < most_tables; ++t) _bucket[t * problem.length + i] = code[t];
  }
}

std::vector<std::uint8_t> HashTables::codes_of(const float* row) const {
  std::vector<float> side(most_tables * planes, 0.F);
  for (std::size_t d = 0; d < _mean.size(); ++d)
    for (std::size_t n = 0; n < side.size(); ++n) side[n] += _normals[d * side.size() + n] * row[d];
  std::vector<std::uint8_t> code(most_tables);
  for (std::size_t n = 0; n < side.size(); ++n)
    code[n / planes] = static_cast<std::uint8_t>(code[n / planes] << 1U | (side[n] > 0.F ? 1U : 0U));
  return code;
}

RivalOutput HashTables::read(const RivalProblem& problem, double share) const {
  const std::size_t n = problem.length;
  const auto fixed = [&](std::size_t i) { return i < first_rows || i + last_rows >= n; };
  std::vector<std::uint16_t> hits(problem.heads * n, 0);
  std::vector<std::vector<std::uint8_t>> codes;
  for (std::size_t head = 0; head < problem.heads; ++head)
    codes.push_back(codes_of(problem.query.data() + head * problem.dim));
  const double most = problem.rows_of(share);
  std::vector<std::uint8_t> taken(n, 0);
  double rows = 0.;
  for (std::size_t i = 0; i < n; ++i)
    if (fixed(i)) taken[i] = 1, rows += 1.;
  if (rows > most) return {};
  std::size_t tables = 0;
  for (; tables < most_tables; ++tables) {
    std::vector<std::size_t> fresh, all;
    for (std::size_t head = 0; head < problem.heads; ++head)
      for (std::size_t i = 0; i < n; ++i) {
        if (_bucket[tables * n + i] != codes[head][tables]) continue;
        all.push_back(head * n + i);
        if (hits[head * n + i] == 1 && taken[i] == 0) taken[i] = 1, fresh.push_back(i);
      }
    if (rows + static_cast<double>(fresh.size()) > most) break;
    rows += static_cast<double>(fresh.size());
    for (const std::size_t at : all) ++hits[at];
  }
  std::vector<double> factor(problem.heads * n, 0.);
  for (std::size_t head = 0; head < problem.heads; ++head)
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = head * n + i;
      if (fixed(i)) factor[at] = 1.;
      if (fixed(i) || hits[at] < 2) continue;
      double dot = 0., q = 0., k = 0.;
      for (std::size_t d = 0; d < problem.dim; ++d) {
        const auto a = static_cast<double>(problem.query[head * problem.dim + d]);
        const auto b = static_cast<double>(problem.keys[i * problem.dim + d] - _mean[d]);
        dot += a * b, q += a * a, k += b * b;
      }
      const double alike = 1. - std::acos(std::clamp(dot / std::sqrt(q * k), -1., 1.)) / std::numbers::pi;
      const double once = std::pow(alike, static_cast<double>(planes)), l = static_cast<double>(tables);
      factor[at] = 1. / (1. - std::pow(1. - once, l) - l * once * std::pow(1. - once, l - 1.));
    }
  return attend(problem, factor, rows / static_cast<double>(n));
}

ProductCodes::ProductCodes(const RivalProblem& problem, std::mt19937_64& random)
    : _centers(std::min(most_centers, problem.length)), _code(parts * problem.length) {
  constexpr int rounds = 5;
  const std::size_t n = problem.length, width = problem.dim / parts;
  _book.resize(parts * _centers * width);
  for (std::size_t part = 0; part < parts; ++part) {
    float* const book = _book.data() + part * _centers * width;
    const auto key = [&](std::size_t i) { return problem.keys.data() + i * problem.dim + part * width; };
    for (std::size_t c = 0; c < _centers; ++c)
      std::copy_n(key(static_cast<std::size_t>(uniform(random) * static_cast<double>(n))), width, book + c * width);
    std::vector<float> transposed(width * _centers), distance(_centers);
    for (int round = 0; round <= rounds; ++round) {
      for (std::size_t c = 0; c < _centers; ++c)
        for (std::size_t d = 0; d < width; ++d) transposed[d * _centers + c] = book[c * width + d];
      for (std::size_t i = 0; i < n; ++i) {
        std::fill(distance.begin(), distance.end(), 0.F);
        for (std::size_t d = 0; d < width; ++d)
          for (std::size_t c = 0; c < _centers; ++c) {
            const float off = key(i)[d] - transposed[d * _centers + c];
            distance[c] += off * off;
          }
        _code[part * n + i] =
            static_cast<std::uint8_t>(std::min_element(distance.begin(), distance.end()) - distance.begin());
      }
      if (round == rounds) break;
      std::vector<float> sum(_centers * width, 0.F), count(_centers, 0.F);
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t c = _code[part * n + i];
        count[c] += 1.F;
        for (std::size_t d = 0; d < width; ++d) sum[c * width + d] += key(i)[d];
      }
      for (std::size_t at = 0; at < sum.size(); ++at)
        if (count[at / width] > 0.F) book[at] = sum[at] / count[at / width];
    }
  }
}

RivalOutput ProductCodes::draw(const RivalProblem& problem, double share, std::mt19937_64& random) const {
  const std::size_t n = problem.length, width = problem.dim / parts;
  const double codes = (static_cast<double>(n * parts) + 2. * static_cast<double>(_book.size())) / problem.bytes();
  const double rows = problem.rows_of(share - codes);
  if (!(rows >= 2.)) return {};
  std::vector<double> weight(problem.heads * n, 0.);
  std::vector<double> products(_centers);
  for (std::size_t head = 0; head < problem.heads; ++head)
    for (std::size_t part = 0; part < parts; ++part) {
      for (std::size_t c = 0; c < _centers; ++c) {
        products[c] = 0.;
        for (std::size_t d = 0; d < width; ++d)
          products[c] += static_cast<double>(problem.query[head * problem.dim + part * width + d]) *
                         static_cast<double>(_book[(part * _centers + c) * width + d]);
      }
      for (std::size_t i = 0; i < n; ++i) weight[head * n + i] += products[_code[part * n + i]];
    }
  normalise(weight, n);
  const std::vector<double> x = largest_of_heads(weight, n);
  double low = -60., high = 0.;  // log of delta
  for (int i = 0; i < 40; ++i) {
    const double delta = std::exp(0.5 * (low + high));
    double sum = 0.;
    for (const double each : x) sum += std::min(1., each / delta);
    (sum > rows ? low : high) = 0.5 * (low + high);
  }
  const double delta = std::exp(high);
  std::vector<double> factor(n, 0.);
  double read = 0.;
  for (std::size_t begin = 0; begin < n; begin += tile) {
    double at = uniform(random);
    for (std::size_t i = begin; i < std::min(n, begin + tile); ++i) {
      const double pi = std::min(1., x[i] / delta);
      at += pi < 1. ? pi : 0.;
      const bool crossed = at >= 1.;
      at -= crossed ? 1. : 0.;
      if (pi >= 1. || crossed) factor[i] = 1. / pi, read += 1.;
    }
  }
  return attend(problem, factor, codes + read / static_cast<double>(n));
}

}  // namespace santa::accuracy
