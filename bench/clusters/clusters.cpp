// Error against bytes of sampled clusters on captured attention, beside int4 keys that are rescored, at equal bytes:
// santa_cluster_errors [capture]. Tau, delta and MassUnit's delta are carried from query to query, as in decoding.
#include "decode/capture.hpp"
#include "decode/program.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;
using Rows = Kokkos::View<santa::bfloat16****, Kokkos::LayoutRight, Memory>;
using Queries = Kokkos::View<santa::bfloat16***, Kokkos::LayoutRight, Memory>;
using Lengths = Kokkos::View<std::int64_t*, Memory>;
using Outputs = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;
using Bars = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
using Cache = santa::ContiguousCache<Rows, Rows, Lengths>;

constexpr std::array shares = {1. / 4, 1. / 6, 1. / 8, 1. / 12, 1. / 16};
constexpr std::uint64_t seeds = 3;

std::size_t size(std::int64_t number) { return static_cast<std::size_t>(number); }

/// One layer of a capture: its cache, its queries, and what exact attention gives for each.
struct Layer {
  santa::Shape shape;
  float scale;
  std::vector<Queries> queries;
  std::vector<std::int64_t> lengths;
  Rows keys, values;
  Lengths length{"length", 1};
  std::vector<std::vector<float>> exact;

  /// `causal`: a query sees the keys up to its own position; else all, so that chunks leave no tail.
  Layer(const santa::example::Capture& capture, const santa::example::CapturedLayer& layer, bool causal)
      : shape(capture.shape),
        scale(capture.scale),
        keys("keys", 1, size(shape.length), size(shape.kv_heads), size(shape.dim)),
        values("values", 1, size(shape.length), size(shape.kv_heads), size(shape.dim)) {
    shape.batch = 1;
    const auto copy = [](const auto& from, auto* to) { std::memcpy(to, from.data(), from.size_bytes()); };
    copy(layer.key.as<santa::bfloat16>(), keys.data());
    copy(layer.value.as<santa::bfloat16>(), values.data());
    const std::size_t row = size(shape.heads * shape.dim);
    for (std::size_t i = 0; i < layer.positions.size(); ++i) {
      queries.emplace_back("query", 1, size(shape.heads), size(shape.dim));
      copy(layer.query.as<santa::bfloat16>().subspan(i * row, row), queries.back().data());
      lengths.push_back(causal ? layer.positions[i] + 1 : shape.length);
    }
    length(0) = shape.length;
    const santa::DecodePlan plan(Space{}, santa::Exact{}, queries[0], cache(), {.scale = scale});
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

/// Of each head: the root of its mean squared error relative to its output; and what was read, and what bars said.
struct Outcome {
  std::vector<double> errors;
  double bytes = 0., largest_step = 0.;
  double within = 0.;  // share of outputs whose error is below 1.96 bars; 0 where there are none
};

/// Means over seeds and queries of run(query, out, error, seed, step), which returns bytes; first(seed) begins each.
template <class First, class Run>
Outcome outcome_of(const Layer& layer, const First& first, const Run& run) {
  const santa::Shape& shape = layer.shape;
  Outcome result{std::vector<double>(size(shape.heads))};
  const Outputs out("out", 1, size(shape.heads), size(shape.dim));
  const Bars bars("bars", 1, size(shape.heads));
  const double trials = static_cast<double>(seeds * layer.queries.size());
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    first();
    for (std::size_t step = 0; step < layer.queries.size(); ++step) {
      layer.length(0) = layer.lengths[step];
      const double share = run(layer.queries[step], out, bars, seed, step) / layer.exact_bytes(step);
      result.bytes += share / trials;
      result.largest_step = std::fmax(result.largest_step, share);
      for (std::size_t h = 0; h < result.errors.size(); ++h) {
        double off = 0., norm = 0.;
        for (std::size_t d = 0; d < size(shape.dim); ++d) {
          const auto right = static_cast<double>(layer.exact[step][h * size(shape.dim) + d]);
          off += std::pow(static_cast<double>(out(0, h, d)) - right, 2);
          norm += right * right;
        }
        result.errors[h] += off / norm / trials;
        result.within += std::sqrt(off) <= 1.96 * static_cast<double>(bars(0, h))
                             ? 1. / trials / static_cast<double>(result.errors.size())
                             : 0.;
      }
    }
  }
  for (double& error : result.errors) error = std::sqrt(error);
  return result;
}

Outcome by_clusters(const Layer& layer, const santa::ClusterLayout& layout, const santa::Clusters& method) {
  layer.length(0) = layer.lengths[0];
  const santa::ClusteredKeys<Memory> keys(Space{}, layer.shape, layout);
  const auto cache = santa::clustered(layer.cache(), keys);
  santa::cluster_keys(Space{}, cache);
  const santa::ClusterPlan plan(Space{}, method, layer.queries[0], cache, {.scale = layer.scale});
  const santa::ClusterState<Memory> state(Space{}, layer.shape);
  const Kokkos::View<santa::ClusterStatistics**, Kokkos::LayoutRight, Memory> statistics("statistics", 1,
                                                                                         size(layer.shape.kv_heads));
  return outcome_of(
      layer, [&] { state.reset(Space{}); },
      [&](const Queries& query, const Outputs& out, const Bars& bars, std::uint64_t seed, std::size_t step) {
        plan.run(Space{}, query, cache, out,
                 {.seed = seed, .step = step, .error = bars, .statistics = statistics, .state = state});
        double bytes = 0.;
        for (std::size_t kv = 0; kv < statistics.extent(1); ++kv)
          bytes += static_cast<double>(statistics(0, kv).bytes_read);
        return bytes;
      });
}

/// Nothing where codes of all keys take more than the share.
Outcome by_codes(const Layer& layer, double share) {
  const santa::Shape& shape = layer.shape;
  const double of_codes = (0.5 * static_cast<double>(shape.dim) + 2.) / (2. * static_cast<double>(shape.dim) * 2.);
  if (share < of_codes + 0.005) return {};
  const Cache full = layer.cache();
  const santa::NarrowKeys<santa::int4x2, Memory> narrow(Space{}, shape);
  layer.length(0) = shape.length;
  santa::calibrate(Space{}, full, narrow);
  santa::encode_keys(Space{}, full, narrow);
  const auto cache = santa::rescored(santa::NarrowCache{full, narrow});
  const santa::DecodePlan plan(Space{}, santa::MassUnit{.rows = santa::share(share - of_codes)}, layer.queries[0],
                               cache, {.scale = layer.scale});
  const santa::DecodeState<Memory> state(Space{}, shape);
  const Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", 1,
                                                                                  size(shape.kv_heads));
  return outcome_of(
      layer, [&] { state.reset(Space{}); },
      [&](const Queries& query, const Outputs& out, const Bars& bars, std::uint64_t seed, std::size_t step) {
        plan.run(Space{}, query, cache, out,
                 {.seed = seed, .step = step, .error = bars, .statistics = statistics, .state = state});
        double bytes = of_codes * layer.exact_bytes(step);
        for (std::size_t kv = 0; kv < statistics.extent(1); ++kv)
          bytes += static_cast<double>(statistics(0, kv).rows_read * shape.dim * 2 * 2);
        return bytes;
      });
}

/// One line: over all heads of all layers.
void print(const char* name, double share, const std::vector<Outcome>& outcomes) {
  double mean = 0., logs = 0., worst = 0., bytes = 0., most = 0., within = 0.;
  double heads = 0.;
  for (const Outcome& outcome : outcomes) {
    for (const double error : outcome.errors) {
      mean += error;
      logs += std::log(error);
      worst = std::fmax(worst, error);
    }
    heads += static_cast<double>(outcome.errors.size());
    bytes += outcome.bytes / static_cast<double>(outcomes.size());
    within += outcome.within / static_cast<double>(outcomes.size());
    most = std::fmax(most, outcome.largest_step);
  }
  if (heads == 0.) return;
  std::printf("%-30s %6.4f %6.4f %6.4f  %7.4f %7.4f %7.4f  %5.3f\n", name, share, bytes, most, mean / heads,
              std::exp(logs / heads), worst, within);
  std::fflush(stdout);
}

void measure(const std::vector<std::string>& arguments, const santa::example::KokkosOptions& kokkos) {
  const santa::example::Capture capture =
      santa::example::read_capture(arguments.empty() ? SANTA_DATA_DIR "/smollm2_135m.safetensors" : arguments[0]);
  if (capture.layers.front().key.dtype != "BF16") throw santa::example::UserError("the capture must hold BF16");
  const Kokkos::ScopeGuard started = kokkos.start();
  for (const bool causal : {false, true}) {
    const santa::ClusterLayout layout{.chunk = causal ? 256 : 2048};
    std::printf("%s, chunks of %ld keys\n", causal ? "keys up to the query's position" : "all keys", layout.chunk);
    std::printf("%-30s %6s %6s %6s  %7s %7s %7s  %5s\n", "method", "share", "read", "most", "error", "geo", "worst",
                "bars");
    std::vector<Layer> layers;
    for (const auto& layer : capture.layers) layers.emplace_back(capture, layer, causal);
    const auto line = [&](const char* name, double share, const std::function<Outcome(const Layer&)>& of) {
      std::vector<Outcome> outcomes;
      for (const Layer& layer : layers) outcomes.push_back(of(layer));
      print(name, share, outcomes);
    };
    for (const double share : shares) {
      line("clusters", share, [&](const Layer& layer) { return by_clusters(layer, layout, {.bytes = share}); });
      line("clusters, no value codes", share, [&](const Layer& layer) {
        return by_clusters(layer, {.chunk = layout.chunk, .value_codes = false}, {.bytes = share});
      });
      line("clusters, rows alone", share, [&](const Layer& layer) {
        return by_clusters(layer, layout, {.bytes = share, .estimate = santa::ClusterEstimate::self_normalised});
      });
      line("int4 rescored", share, [&](const Layer& layer) { return by_codes(layer, share); });
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return santa::example::run_program("santa_cluster_errors", "not enough memory for this capture", argc, argv, measure);
}
