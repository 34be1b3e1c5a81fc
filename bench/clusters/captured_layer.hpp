// A layer of a capture as decode steps: its cache, its queries one after the other, and what exact attention gives.
#pragma once

#include "decode/capture.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace santa::clusters_bench {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;
using Rows = Kokkos::View<bfloat16****, Kokkos::LayoutRight, Memory>;
using Queries = Kokkos::View<bfloat16***, Kokkos::LayoutRight, Memory>;
using Lengths = Kokkos::View<std::int64_t*, Memory>;
using Outputs = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;
using Bars = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
using Cache = ContiguousCache<Rows, Rows, Lengths>;

inline std::size_t size(std::int64_t number) { return static_cast<std::size_t>(number); }

/// One layer of a capture: its cache, its queries, and what exact attention gives for each.
struct Layer {
  int index = 0;
  Shape shape;
  float scale;
  std::vector<Queries> queries;
  std::vector<std::int64_t> lengths;
  Rows keys, values;
  Lengths length{"length", 1};
  std::vector<std::vector<float>> exact;

  /// `causal`: a query sees the keys up to its own position; else all, so that chunks leave no tail.
  Layer(const example::Capture& capture, const example::CapturedLayer& layer, bool causal)
      : index(layer.index),
        shape(capture.shape),
        scale(capture.scale),
        keys("keys", 1, size(shape.length), size(shape.kv_heads), size(shape.dim)),
        values("values", 1, size(shape.length), size(shape.kv_heads), size(shape.dim)) {
    shape.batch = 1;
    const auto copy = [](const auto& from, auto* to) { std::memcpy(to, from.data(), from.size_bytes()); };
    copy(layer.key.as<bfloat16>(), keys.data());
    copy(layer.value.as<bfloat16>(), values.data());
    const std::size_t row = size(shape.heads * shape.dim);
    for (std::size_t i = 0; i < layer.positions.size(); ++i) {
      queries.emplace_back("query", 1, size(shape.heads), size(shape.dim));
      copy(layer.query.as<bfloat16>().subspan(i * row, row), queries.back().data());
      lengths.push_back(causal ? layer.positions[i] + 1 : shape.length);
    }
    length(0) = shape.length;
    const DecodePlan plan(Space{}, Exact{}, queries[0], cache(), {.scale = scale});
    const Outputs out("out", 1, size(shape.heads), size(shape.dim));
    for (std::size_t i = 0; i < queries.size(); ++i) {
      length(0) = lengths[i];
      plan.run(Space{}, queries[i], cache(), out);
      exact.emplace_back(out.data(), out.data() + out.size());
    }
  }
  [[nodiscard]] Cache cache() const { return {keys, values, length}; }
  [[nodiscard]] double exact_bytes(std::size_t step) const {
    return static_cast<double>(lengths[step] * shape.kv_heads * shape.dim * 2 * 2);
  }
};

/// Of each head: the root of its mean squared error relative to its output, and of the error bar's; and what was read.
struct Outcome {
  std::vector<double> errors, bars;
  double bytes = 0., largest_step = 0.;
  double within = 0.;  // share of outputs whose error is below 1.96 bars; 0 where there are none

  explicit Outcome(std::size_t heads = 0) : errors(heads), bars(heads) {}

  /// Takes in one step's outputs, [heads][dim], and bars, or none; `weight` is a step's part of the mean.
  template <class Value>
  void note(const Layer& layer, std::size_t step, const Value* out, const float* bar, double share, double weight) {
    const std::size_t dim = size(layer.shape.dim);
    bytes += share * weight;
    largest_step = std::fmax(largest_step, share);
    for (std::size_t h = 0; h < errors.size(); ++h) {
      double off = 0., norm = 0.;
      for (std::size_t d = 0; d < dim; ++d) {
        const auto right = static_cast<double>(layer.exact[step][h * dim + d]);
        off += std::pow(static_cast<double>(out[h * dim + d]) - right, 2);
        norm += right * right;
      }
      errors[h] += off / norm * weight;
      if (bar == nullptr) continue;
      const auto said = static_cast<double>(bar[h]);
      bars[h] += said * said / norm * weight;
      within += std::sqrt(off) <= 1.96 * said ? weight / static_cast<double>(errors.size()) : 0.;
    }
  }
  void finish() {
    for (double& error : errors) error = std::sqrt(error);
    for (double& bar : bars) bar = std::sqrt(bar);
  }
};

/// Means over seeds and queries of run(query, out, error, seed, step), which returns bytes; first() begins each seed.
template <class First, class Run>
Outcome outcome_of(const Layer& layer, std::uint64_t seeds, const First& first, const Run& run) {
  const Shape& shape = layer.shape;
  Outcome result{size(shape.heads)};
  const Outputs out("out", 1, size(shape.heads), size(shape.dim));
  const Bars bars("bars", 1, size(shape.heads));
  const double weight = 1. / static_cast<double>(seeds * layer.queries.size());
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    first();
    for (std::size_t step = 0; step < layer.queries.size(); ++step) {
      layer.length(0) = layer.lengths[step];
      const double share = run(layer.queries[step], out, bars, seed, step) / layer.exact_bytes(step);
      result.note(layer, step, out.data(), bars.data(), share, weight);
    }
  }
  result.finish();
  return result;
}

/// Sampled clusters of a layer that are made already.
template <class Clustered>
Outcome by_clusters(const Layer& layer, const Clustered& cache, const Clusters& method, std::uint64_t seeds) {
  const ClusterPlan plan(Space{}, method, layer.queries[0], cache, {.scale = layer.scale});
  const ClusterState<Memory> state(Space{}, layer.shape);
  const Kokkos::View<ClusterStatistics**, Kokkos::LayoutRight, Memory> statistics("statistics", 1,
                                                                                  size(layer.shape.kv_heads));
  return outcome_of(
      layer, seeds, [&] { state.reset(Space{}); },
      [&](const Queries& query, const Outputs& out, const Bars& bars, std::uint64_t seed, std::size_t step) {
        plan.run(Space{}, query, cache, out,
                 {.seed = seed,
                  .step = static_cast<std::uint32_t>(step),
                  .error = bars,
                  .statistics = statistics,
                  .state = state});
        double bytes = 0.;
        for (std::size_t kv = 0; kv < statistics.extent(1); ++kv)
          bytes += static_cast<double>(statistics(0, kv).bytes_read);
        return bytes;
      });
}

/// int4 keys, drawn rows rescored by their own: as many rows as the share leaves. Nothing where codes of all keys take
/// more than the share.
inline Outcome by_codes(const Layer& layer, double share, bool steered, std::uint64_t seeds) {
  const Shape& shape = layer.shape;
  const double of_codes = (0.5 * static_cast<double>(shape.dim) + 2.) / (2. * static_cast<double>(shape.dim) * 2.);
  // A steered step scores 256 keys twice.
  const double of_panel = steered ? of_codes * 256. / static_cast<double>(layer.lengths[0]) : 0.;
  if (share < of_codes + of_panel + 0.005) return Outcome{};
  const Cache full = layer.cache();
  const NarrowKeys<int4x2, Memory> narrow(Space{}, shape);
  layer.length(0) = shape.length;
  calibrate(Space{}, full, narrow);
  encode_keys(Space{}, full, narrow);
  const auto cache = rescored(NarrowCache{full, narrow});
  const DecodePlan plan(Space{}, MassUnit{.rows = santa::share(share - of_codes - of_panel), .steered = steered},
                        layer.queries[0], cache, {.scale = layer.scale});
  const DecodeState<Memory> state(Space{}, shape);
  const Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", 1, size(shape.kv_heads));
  return outcome_of(
      layer, seeds, [&] { state.reset(Space{}); },
      [&](const Queries& query, const Outputs& out, const Bars& bars, std::uint64_t seed, std::size_t step) {
        plan.run(Space{}, query, cache, out,
                 {.seed = seed,
                  .step = static_cast<std::uint32_t>(step),
                  .error = bars,
                  .statistics = statistics,
                  .state = state});
        double bytes = (of_codes + of_panel) * layer.exact_bytes(step);
        for (std::size_t kv = 0; kv < statistics.extent(1); ++kv)
          bytes += static_cast<double>(statistics(0, kv).rows_read * shape.dim * 2 * 2);
        return bytes;
      });
}

}  // namespace santa::clusters_bench
