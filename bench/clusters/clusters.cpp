// Error against bytes of sampled clusters on captured attention, beside int4 keys that are rescored, at equal bytes:
// santa_cluster_errors [capture]. Tau, delta and MassUnit's delta are carried from query to query, as in decoding.
#include "clusters/captured_layer.hpp"
#include "decode/program.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace santa::clusters_bench;

constexpr std::array shares = {1. / 4, 1. / 6, 1. / 8, 1. / 12, 1. / 16};
constexpr std::uint64_t seeds = 3;

Outcome by_new_clusters(const Layer& layer, const santa::ClusterLayout& layout, const santa::Clusters& method) {
  layer.length(0) = layer.lengths[0];
  const santa::ClusteredKeys<Memory> keys(Space{}, layer.shape, layout);
  const auto cache = santa::clustered(layer.cache(), keys);
  santa::cluster_keys(Space{}, cache);
  return by_clusters(layer, cache, method, seeds);
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
      line("clusters", share, [&](const Layer& layer) { return by_new_clusters(layer, layout, {.bytes = share}); });
      line("clusters, no value codes", share, [&](const Layer& layer) {
        return by_new_clusters(layer, {.chunk = layout.chunk, .value_codes = false}, {.bytes = share});
      });
      line("clusters, rows alone", share, [&](const Layer& layer) {
        return by_new_clusters(layer, layout, {.bytes = share, .estimate = santa::ClusterEstimate::self_normalised});
      });
      line("int4 rescored", share, [&](const Layer& layer) { return by_codes(layer, share, false, seeds); });
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return santa::example::run_program("santa_cluster_errors", "not enough memory for this capture", argc, argv, measure);
}
