// The estimate over clusters in plain scalar code and double precision, by what is kept of a chunk and given phases.
#pragma once

#include "clusters/cluster_problem.hpp"
#include "support/data.hpp"
#include "support/reference.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace santa::test {

/// All records, and counts of chunks, on the host.
struct HostClusters {
  std::vector<std::byte> records;
  std::vector<std::int32_t> clustered;
  detail::ClusterArrays arrays;

  template <class Memory>
  explicit HostClusters(const ClusteredKeys<Memory>& keys) : arrays(keys.arrays()) {
    const auto bytes =
        static_cast<std::size_t>(keys.shape().batch * keys.shape().kv_heads * arrays.chunks * arrays.record);
    records = to_host<std::byte>(Kokkos::View<const std::byte*, Memory>(arrays.data, bytes));
    clustered = to_host<std::int32_t>(keys.clustered());
    arrays.data = records.data();
    arrays.clustered = clustered.data();
  }
};

/// What one draw adds to a head's N and Z, and 1 - the probability of the draw.
struct ClusterTerm {
  double doubt, mass;
  std::vector<double> sum;
};

/// Z and N of the heads that draw together, relative to 1.
struct ClusterSumsReference {
  std::vector<double> mass;                     // [head]
  std::vector<std::vector<double>> sum;         // [head][dim]
  std::vector<std::vector<ClusterTerm>> terms;  // [head]: of clusters and rows that were drawn
  std::int64_t clusters = 0, keys = 0, rows = 0;

  ClusterSumsReference(std::size_t heads, std::size_t dim)
      : mass(heads), sum(heads, std::vector<double>(dim)), terms(heads) {}
  void add(std::size_t head, double weight, const std::vector<double>& row) {
    mass[head] += weight;
    for (std::size_t d = 0; d < row.size(); ++d) sum[head][d] += weight * row[d];
  }
  void add_sums(std::size_t head, const ClusterSumsReference& other) {
    mass[head] += other.mass[head];
    for (std::size_t d = 0; d < sum[head].size(); ++d) sum[head][d] += other.sum[head][d];
  }
  /// The error bar: the root of the sum of doubt |A - B out|^2 over terms, over Z.
  [[nodiscard]] double bar(std::size_t head) const {
    double squares = 0.;
    for (const ClusterTerm& term : terms[head])
      for (std::size_t d = 0; d < term.sum.size(); ++d) {
        const double off = term.sum[d] - term.mass * sum[head][d] / mass[head];
        squares += term.doubt * off * off;
      }
    return std::sqrt(squares) / mass[head];
  }
};

/// One kv head of request 0, all of whose query heads draw together. Thresholds are absolute, in log2 units.
template <class ClusterProblem>
class ClusterReference {
 public:
  using Phase =
      std::function<std::uint32_t(std::uint32_t tile, std::int64_t first_slot, int block)>;  // block -1: means
  static constexpr std::uint64_t one = std::uint64_t{1} << 26;

  ClusterReference(const ClusterProblem& problem, std::int64_t kv_head, std::vector<float> log_tau,
                   std::vector<float> log_delta, bool value_codes = true)
      : _problem(problem),
        _kept(problem.keys),
        _kv_head(kv_head),
        _log_tau(std::move(log_tau)),
        _log_delta(std::move(log_delta)),
        _value_codes(value_codes && _kept.arrays.value_codes) {}

  [[nodiscard]] std::size_t heads() const { return _log_tau.size(); }
  [[nodiscard]] const detail::ClusterArrays& arrays() const { return _kept.arrays; }
  [[nodiscard]] std::int64_t chunks() const { return _kept.clustered[0]; }

  /// What a step adds up with these phases; `estimate` says by which estimate.
  [[nodiscard]] ClusterSumsReference sums(const Phase& phase,
                                          ClusterEstimate estimate = ClusterEstimate::telescoping) const {
    const Shape& shape = _problem.problem.shape;
    ClusterSumsReference result(heads(), static_cast<std::size_t>(shape.dim));
    const std::int64_t behind = chunks() * arrays().chunk;
    for (std::int64_t i = 0; i < _problem.problem.lengths[0]; ++i)
      if (i >= behind || (chunks() > 0 && i < 4))
        for (std::size_t h = 0; h < heads(); ++h) result.add(h, std::exp2(score(h, row(i, true))), row(i, false));
    const int tiles = (arrays().clusters + 31) / 32;
    for (std::int64_t chunk = 0; chunk < chunks(); ++chunk)
      for (int tile = 0; tile < tiles; ++tile)
        add_tile(chunk, tile, static_cast<std::uint32_t>(chunk * tiles + tile), phase, estimate, result);
    return result;
  }

  /// P of a tile's clusters in units of 2^-26.
  [[nodiscard]] std::vector<std::uint64_t> cluster_units(std::int64_t chunk, int tile) const {
    std::vector<std::uint64_t> units;
    const detail::ClusterChunk at = this->at(chunk);
    for (int p = 32 * tile; p < arrays().clusters && p < 32 * tile + 32; ++p)
      units.push_back(size(at, p) > 0 ? units_of(ratio(mean(at, p, true), _log_tau)) : 0);
    return units;
  }

  /// Which of lanes with these units a sweep takes.
  static std::vector<bool> sweep(const std::vector<std::uint64_t>& units, std::uint64_t phase) {
    std::vector<bool> taken;
    std::uint64_t sum = phase;
    for (const std::uint64_t u : units) {
      if (u == one) {
        taken.push_back(true);
        continue;
      }
      taken.push_back(sum / one != (sum + u) / one);
      sum += u;
    }
    return taken;
  }

  /// Keys of the clusters taken, block by block: units of each.
  [[nodiscard]] std::vector<std::vector<std::uint64_t>> row_units(std::int64_t chunk, int tile,
                                                                  const std::vector<bool>& taken) const {
    const detail::ClusterChunk at = this->at(chunk);
    std::vector<std::vector<std::uint64_t>> blocks;
    int count = 0;
    for (std::size_t n = 0; n < taken.size(); ++n) {
      const int p = 32 * tile + static_cast<int>(n);
      if (!taken[n]) continue;
      const double pi = std::fmin(0., ratio(mean(at, p, true), _log_tau));
      for (int slot = at.first_slot()[p]; slot < at.first_slot()[p + 1]; ++slot, ++count) {
        if (count % 32 == 0) blocks.emplace_back();
        blocks.back().push_back(units_of(ratio(by_code(at, p, slot, true), _log_delta) - pi));
      }
    }
    return blocks;
  }

 private:
  static std::uint64_t units_of(double ratio) {
    if (ratio >= 0.) return one;
    const auto units = static_cast<std::uint64_t>(std::exp2(ratio) * 0x1p26 + 0.5);
    return units > 0 ? units : 1;
  }
  [[nodiscard]] detail::ClusterChunk at(std::int64_t chunk) const { return {arrays(), 0, _kv_head, chunk}; }
  static int size(const detail::ClusterChunk& at, int p) { return at.size(p); }

  [[nodiscard]] std::vector<double> row(std::int64_t i, bool of_keys) const {
    std::vector<double> result;
    for (std::int64_t d = 0; d < _problem.problem.shape.dim; ++d)
      result.push_back(static_cast<double>(of_keys ? _problem.problem.key(0, i, _kv_head, d)
                                                   : _problem.problem.value(0, i, _kv_head, d)));
    return result;
  }
  [[nodiscard]] std::vector<double> mean(const detail::ClusterChunk& at, int p, bool of_keys) const {
    const int of = of_keys ? 0 : 1;
    std::vector<double> result;
    for (int d = 0; d < _problem.problem.shape.dim; ++d)
      result.push_back(static_cast<double>(at.center(of)[d]) +
                       static_cast<double>(at.spread(of)[d]) *
                           static_cast<double>(static_cast<float>(at.mean_scales(of)[p])) *
                           static_cast<double>(detail::decode_nibble(at.mean(of, p), d)));
    return result;
  }
  /// A key or value by its cluster's mean and its code.
  [[nodiscard]] std::vector<double> by_code(const detail::ClusterChunk& at, int p, int slot, bool of_keys) const {
    const int of = of_keys ? 0 : 1;
    std::vector<double> result = mean(at, p, of_keys);
    if (!of_keys && !_value_codes) return result;
    for (int d = 0; d < _problem.problem.shape.dim; ++d)
      result[static_cast<std::size_t>(d)] += static_cast<double>(at.spread(of)[d]) *
                                             static_cast<double>(static_cast<float>(at.code_scales(of)[slot])) *
                                             static_cast<double>(detail::decode_nibble(at.codes(of, slot), d));
    return result;
  }
  [[nodiscard]] double score(std::size_t head, const std::vector<double>& key) const {
    double dot = 0.;
    const auto h = static_cast<std::int64_t>(head) + _kv_head * static_cast<std::int64_t>(heads());
    for (std::size_t d = 0; d < key.size(); ++d)
      dot += key[d] * static_cast<double>(_problem.problem.query(0, h, static_cast<std::int64_t>(d)));
    return dot / std::sqrt(static_cast<double>(key.size())) * 1.4426950408889634;
  }
  [[nodiscard]] double ratio(const std::vector<double>& key, const std::vector<float>& threshold) const {
    double largest = -HUGE_VAL;
    for (std::size_t h = 0; h < heads(); ++h)
      largest = std::fmax(largest, score(h, key) - static_cast<double>(threshold[h]));
    return largest;
  }

  void add_tile(std::int64_t chunk, int tile, std::uint32_t number, const Phase& phase, ClusterEstimate estimate,
                ClusterSumsReference& result) const {
    const detail::ClusterChunk at = this->at(chunk);
    const bool telescoping = estimate == ClusterEstimate::telescoping;
    const std::int64_t first_slot = chunk * arrays().chunk + at.first_slot()[32 * tile];
    const std::vector<std::uint64_t> units = cluster_units(chunk, tile);
    const std::vector<bool> taken = sweep(units, phase(number, first_slot, -1));
    const auto blocks = row_units(chunk, tile, taken);
    int count = 0;
    for (std::size_t n = 0; n < taken.size(); ++n) {
      const int p = 32 * tile + static_cast<int>(n);
      if (size(at, p) == 0) continue;
      const double pi = static_cast<double>(units[n]) / static_cast<double>(one);
      const double inverse = taken[n] ? 1. / pi : 0.;
      const auto by_mean = [&](std::size_t h) { return size(at, p) * std::exp2(score(h, mean(at, p, true))); };
      for (std::size_t h = 0; h < heads() && telescoping; ++h) result.add(h, by_mean(h), mean(at, p, false));
      if (!taken[n]) continue;
      ++result.clusters;
      // The cluster's terms, as sums of their own.
      ClusterSumsReference terms(heads(), result.sum[0].size());
      for (std::size_t h = 0; h < heads() && telescoping; ++h) terms.add(h, -by_mean(h) * inverse, mean(at, p, false));
      for (int slot = at.first_slot()[p]; slot < at.first_slot()[p + 1]; ++slot, ++count) {
        const int block = count / 32;
        const auto& block_units = blocks[static_cast<std::size_t>(block)];
        const auto lane = static_cast<std::size_t>(count % 32);
        const bool read = sweep(block_units, phase(number, first_slot, block))[lane];
        const double rho = static_cast<double>(block_units[lane]) / static_cast<double>(one);
        const std::int64_t i = chunk * arrays().chunk + at.key_of()[slot];
        ++result.keys;
        result.rows += read ? 1 : 0;
        ClusterSumsReference of_row(heads(), result.sum[0].size());
        for (std::size_t h = 0; h < heads(); ++h) {
          const double by_code = std::exp2(score(h, this->by_code(at, p, slot, true))) * inverse;
          if (telescoping) terms.add(h, by_code, this->by_code(at, p, slot, false));
          if (!read) continue;
          if (telescoping) of_row.add(h, -by_code / rho, this->by_code(at, p, slot, false));
          of_row.add(h, std::exp2(score(h, row(i, true))) * inverse / rho, row(i, false));
          result.terms[h].push_back({(1. - rho) * pi, of_row.mass[h], of_row.sum[h]});
          terms.add_sums(h, of_row);
        }
      }
      for (std::size_t h = 0; h < heads(); ++h) {
        result.terms[h].push_back({1. - pi, terms.mass[h], terms.sum[h]});
        result.add_sums(h, terms);
      }
    }
  }

  const ClusterProblem& _problem;
  HostClusters _kept;
  std::int64_t _kv_head;
  std::vector<float> _log_tau, _log_delta;
  bool _value_codes;
};

}  // namespace santa::test
