#include "accuracy/plain_draws.hpp"

#include <santa/random/stream_key.hpp>

#include <algorithm>
#include <cmath>
#include <functional>

namespace santa::accuracy {
namespace {

using Host = Kokkos::DefaultHostExecutionSpace;

/// x of each head and row, by which rows are drawn; each head's sum is 1.
std::vector<double> importance_of(const GroupProblem& group, Importance importance) {
  std::vector<double> x = group.weight;
  if (importance == Importance::weight) return x;
  std::vector<double> length(size(group.length));
  for (std::size_t i = 0; i < length.size(); ++i) {
    double square = 0.;
    for (std::size_t d = 0; d < size(group.dim); ++d) {
      const double from = importance == Importance::weight_and_distance ? static_cast<double>(group.mean[d]) : 0.;
      const double v = static_cast<double>(static_cast<float>(group.values(i * size(group.dim) + d))) - from;
      square += v * v;
    }
    length[i] = std::sqrt(square);
  }
  for (std::size_t head = 0; head < size(group.heads); ++head) {
    double sum = 0.;
    double* const row = x.data() + head * length.size();
    for (std::size_t i = 0; i < length.size(); ++i) sum += row[i] *= length[i];
    for (std::size_t i = 0; i < length.size(); ++i) row[i] /= sum;
  }
  return x;
}

/// Inclusion probabilities of the rows for a delta; with separate draws, those of each head one after the other.
std::vector<double> probabilities(const GroupProblem& group, const Variant& variant, const std::vector<double>& x,
                                  double delta) {
  const std::size_t n = size(group.length);
  const std::size_t draws = variant.coupling == Coupling::separate ? size(group.heads) : 1;
  std::vector<double> pi(draws * n);
  for (std::size_t i = 0; i < n; ++i) {
    double largest = 0.;
    double squares = 0.;
    for (std::size_t head = 0; head < size(group.heads); ++head) {
      const double ratio = x[head * n + i] / delta;
      largest = std::max(largest, ratio);
      squares += ratio * ratio;
      if (draws > 1) pi[head * n + i] = std::min(1., ratio);
    }
    if (draws == 1) pi[i] = std::min(1., variant.coupling == Coupling::joint_l2 ? std::sqrt(squares) : largest);
  }
  for (std::size_t draw = 0; draw < draws; ++draw)
    for (std::size_t i = 0; i < std::min(n, static_cast<std::size_t>(variant.sinks)); ++i) pi[draw * n + i] = 1.;
  return pi;
}

/// One head's x in falling order, to find the delta that gives a number of rows.
class SortedHead {
 public:
  SortedHead(const double* x, std::size_t n) : _x(x, x + n), _tail(n + 1, 0.) {
    std::sort(_x.begin(), _x.end(), std::greater<>());
    for (std::size_t i = n; i-- > 0;) _tail[i] = _tail[i + 1] + _x[i];
  }

  /// The first k rows are certain where delta lies between them and the others, and gives those rows - k.
  [[nodiscard]] double delta_for(double rows) const {
    std::size_t k = 0;
    while (static_cast<double>(k) + 1. < rows && k + 1 < _x.size() &&
           _x[k] * (rows - static_cast<double>(k)) >= _tail[k])
      ++k;
    return std::max(_tail[k] / (rows - static_cast<double>(k)), 1e-300);
  }

 private:
  std::vector<double> _x, _tail;
};

/// Expected distinct rows: draws of different heads are independent.
double expected_rows(const std::vector<double>& pi, std::size_t n) {
  double rows = 0.;
  for (std::size_t i = 0; i < n; ++i) {
    double missed = 1.;
    for (std::size_t at = i; at < pi.size(); at += n) missed *= 1. - pi[at];
    rows += 1. - missed;
  }
  return rows;
}

float rounded(double weight, Rounding rounding) {
  const auto all = static_cast<float>(weight);
  if (rounding == Rounding::none) return all;
  const auto high = static_cast<float>(bfloat16(all));
  return rounding == Rounding::bf16 ? high : high + static_cast<float>(bfloat16(all - high));
}

/// One seed's estimates of all heads.
class Draw {
 public:
  Draw(const GroupProblem& group, const Variant& variant, const std::vector<double>& pi)
      : _group(group), _variant(variant), _pi(pi), _n(size(group.length)) {}

  /// Returns the distinct rows read.
  std::size_t operator()(const StreamKey& key, float* out) const {
    const std::size_t dim = size(_group.dim);
    std::vector<bool> read(_n, false);
    std::vector<std::size_t> rows;
    std::vector<float> sum(dim);
    for (std::size_t draw = 0; draw * _n < _pi.size(); ++draw) {
      const double* const pi = _pi.data() + draw * _n;
      sweep(key, static_cast<std::uint16_t>(draw), pi, rows);
      for (const std::size_t i : rows) read[i] = true;
      const bool separate = _variant.coupling == Coupling::separate;
      for (std::size_t head = separate ? draw : 0; head < (separate ? draw + 1 : size(_group.heads)); ++head)
        add_up(head, pi, rows, out + head * dim);
    }
    return static_cast<std::size_t>(std::count(read.begin(), read.end(), true));
  }

 private:
  void sweep(const StreamKey& key, std::uint16_t draw, const double* pi, std::vector<std::size_t>& rows) const {
    rows.clear();
    double position = 0.;
    for (std::size_t i = 0; i < _n; ++i) {
      const std::size_t tile = size(_variant.tile);
      if (tile > 0 ? i % tile == 0 : i == 0) position = 0x1p-32 * key.integer(draw, static_cast<std::uint32_t>(i), 32);
      if (pi[i] < 1.) {
        position += pi[i];
        if (position < 1.) continue;
        position -= 1.;
      }
      rows.push_back(i);
    }
  }

  void add_up(std::size_t head, const double* pi, const std::vector<std::size_t>& rows, float* out) const {
    const std::size_t dim = size(_group.dim);
    std::fill_n(out, dim, 0.F);
    double used = 0.;
    for (const std::size_t i : rows) {
      const float weight = rounded(_group.weight[head * _n + i] / pi[i], _variant.rounding);
      used += static_cast<double>(weight);
      const bfloat16* const value = _group.values.data() + i * dim;
      for (std::size_t d = 0; d < dim; ++d) out[d] += weight * static_cast<float>(value[d]);
    }
    if (_variant.center == Center::none) return;
    for (std::size_t d = 0; d < dim; ++d)
      out[d] += static_cast<float>(1. - used) *
                (_variant.center == Center::mean ? _group.mean[d] : static_cast<float>(_group.before[head * dim + d]));
  }

  const GroupProblem& _group;
  const Variant& _variant;
  const std::vector<double>& _pi;
  std::size_t _n;
};

/// A delta at which `rows_of`, which falls, gives `rows`; bisection over logarithms.
template <class F>
double delta_for(double rows, const F& rows_of) {
  double low = std::log(1e-30);
  double high = std::log(1e30);
  for (int i = 0; i < 80; ++i) {
    const double middle = 0.5 * (low + high);
    (rows_of(std::exp(middle)) > rows ? low : high) = middle;
  }
  return std::exp(high);
}

/// Divides each head's x by what its delta / Z is to be relative to the others'.
void apply_share(const GroupProblem& group, const Variant& variant, double rows, std::vector<double>& x) {
  if (variant.share == Share::delta) return;
  const std::size_t n = size(group.length);
  const std::size_t heads = size(group.heads);
  std::vector<double> factor(heads, 1.);
  if (variant.share == Share::mass) {
    const double delta =
        delta_for(rows, [&](double d) { return expected_rows(probabilities(group, variant, x, d), n); });
    const std::vector<double> pi = probabilities(group, variant, x, delta);
    for (std::size_t head = 0; head < heads; ++head) {
      double mass = 1e-9;
      for (std::size_t i = 0; i < n; ++i)
        if (pi[i] < 1.) mass += x[head * n + i];
      factor[head] = std::pow(mass, variant.power);
    }
  } else if (variant.share == Share::output) {
    for (std::size_t i = 0; i < group.before.size(); ++i)
      factor[i / size(group.dim)] += group.before[i] * group.before[i];
    for (double& f : factor) f = std::sqrt(f - 1.);
  } else {
    std::vector<SortedHead> sorted;
    for (std::size_t head = 0; head < heads; ++head) sorted.emplace_back(x.data() + head * n, n);
    const auto scaled = [&](double rows_a_head) {
      std::vector<double> result = x;
      for (std::size_t head = 0; head < heads; ++head) {
        factor[head] = sorted[head].delta_for(rows_a_head);
        for (std::size_t i = 0; i < n; ++i) result[head * n + i] /= factor[head];
      }
      return result;
    };
    double low = rows / static_cast<double>(heads);
    double high = rows;
    for (int i = 0; i < 40; ++i) {
      const double middle = 0.5 * (low + high);
      (expected_rows(probabilities(group, variant, scaled(middle), 1.), n) < rows ? low : high) = middle;
    }
    if (variant.share == Share::middle)
      for (double& f : factor) f = std::sqrt(f);
  }
  for (std::size_t i = 0; i < x.size(); ++i) x[i] /= factor[i / n];
}

}  // namespace

const std::vector<Variant>& all_variants() {
  static const std::vector<Variant> variants = {
      {.name = "plain", .description = "the default's rule in double precision"},
      {.name = "plain-l2",
       .description = "by the root of the heads' squares instead of their largest",
       .coupling = Coupling::joint_l2},
      {.name = "plain-separate",
       .description = "head by head, with the same delta / Z for all",
       .coupling = Coupling::separate},
      {.name = "tile-256", .description = "one u for 256 keys", .tile = 256},
      {.name = "tile-all", .description = "one u for all keys", .tile = 0},
      {.name = "independent", .description = "every row by itself (Poisson sampling)", .tile = 1},
      {.name = "center-mean", .description = "control variate: the mean of the value rows", .center = Center::mean},
      {.name = "center-before",
       .description = "control variate: the head's output at the position before",
       .center = Center::output_before},
      {.name = "norm", .description = "by w |v|", .importance = Importance::weight_and_norm},
      {.name = "norm-sinks",
       .description = "by w |v|, the first 4 rows always read",
       .importance = Importance::weight_and_norm,
       .sinks = 4},
      {.name = "sinks", .description = "the first 4 rows always read", .sinks = 4},
      {.name = "bf16", .description = "weights rounded to bfloat16", .rounding = Rounding::bf16},
      {.name = "bf16-pair", .description = "weights as a pair of bfloat16", .rounding = Rounding::bf16_pair},
      {.name = "bound",
       .description = "by w |v - c| with c, the mean, as control variate, one u for all keys",
       .importance = Importance::weight_and_distance,
       .tile = 0,
       .center = Center::mean},
      {.name = "bound-separate",
       .description = "the same head by head",
       .importance = Importance::weight_and_distance,
       .coupling = Coupling::separate,
       .tile = 0,
       .center = Center::mean},
      {.name = "shared-delta",
       .description = "one delta / Z for all kv heads of the layer, which together read the default's rows",
       .delta = Delta::of_layer},
      {.name = "even-rows",
       .description = "delta of each head such that each alone would read the same number of rows",
       .share = Share::rows},
      {.name = "middle", .description = "delta halfway between the default's and even-rows'", .share = Share::middle},
      {.name = "by-mass",
       .description = "delta / Z in proportion to the root of the softmax mass of a head's uncertain rows",
       .share = Share::mass},
      {.name = "by-mass-3/4",
       .description = "the same by the mass to the power of 3/4",
       .share = Share::mass,
       .power = 0.75},
      {.name = "by-mass-1", .description = "the same by the mass itself", .share = Share::mass, .power = 1.},
      {.name = "by-output",
       .description = "delta / Z in proportion to the length of the head's output at the position before",
       .share = Share::output}};
  return variants;
}

std::optional<GroupOutcome> run_variant(const GroupProblem& group, const Variant& variant, double rows,
                                        double layer_delta, int seeds) {
  std::vector<double> x = importance_of(group, variant.importance);
  apply_share(group, variant, rows, x);
  const std::size_t n = size(group.length);
  const auto rows_of = [&](double delta) { return expected_rows(probabilities(group, variant, x, delta), n); };
  double delta = layer_delta;
  if (variant.delta == Delta::of_group) {
    delta = delta_for(rows, rows_of);
    if (rows_of(delta) < 0.99 * rows) return std::nullopt;
  }
  const std::vector<double> pi = probabilities(group, variant, x, delta);
  const Draw draw(group, variant, pi);
  std::vector<float> out(size(seeds * group.heads * group.dim));
  std::vector<std::size_t> read(size(seeds));
  Kokkos::parallel_for("santa::accuracy::draws", Kokkos::RangePolicy<Host>(0, seeds), [&](const int s) {
    const StreamKey key{
        .seed = 77, .stream = static_cast<std::uint16_t>(group.layer), .request = static_cast<std::uint32_t>(s)};
    read[size(s)] = draw(key, out.data() + s * group.heads * group.dim);
  });
  Host().fence();
  GroupOutcome result;
  result.parameter = delta;
  for (const std::size_t r : read) result.rows += static_cast<double>(r) / seeds;
  result.heads = outcomes_of(out, group.exact, group.heads);
  return result;
}

double delta_of_layer(const std::vector<GroupProblem>& groups, double rows) {
  return delta_for(rows, [&](double delta) {
    double sum = 0.;
    for (const GroupProblem& group : groups)
      sum += expected_rows(probabilities(group, Variant{}, group.weight, delta), size(group.length));
    return sum;
  });
}

}  // namespace santa::accuracy
