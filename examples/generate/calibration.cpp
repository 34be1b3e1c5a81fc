#include "generate/calibration.hpp"

#include "decode/error.hpp"
#include "decode/progress.hpp"
#include "generate/scores.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>

namespace santa::example {
namespace {

/// What sampling in one kv head alone has done.
struct Probe {
  std::int64_t kv_head;  // of the model's
  double divergence = 0.;
  double log_ratio = 0.;  // log2(delta / Z), summed over tokens
  std::int64_t tokens = 0;

  /// See `calibrate`; log2, to within a constant.
  [[nodiscard]] double log_weight() const {
    const auto count = static_cast<double>(tokens);
    return 0.5 * std::log2(std::max(divergence / count, 1e-12)) - log_ratio / count;
  }
};

/// One for each kv head that a policy samples: layers with a window are read whole.
/// Errors: UserError where there is none.
std::vector<Probe> probes_of(const Settings& settings) {
  std::vector<Probe> probes;
  for (std::int64_t layer = 0; layer < settings.layers; ++layer)
    for (std::int64_t head = 0; head < settings.kv_heads && !settings.windows.limit(layer); ++head)
      probes.push_back({layer * settings.kv_heads + head});
  if (probes.empty()) throw UserError("all layers of the model see a window; accepted: a model with others");
  return probes;
}

/// All kv heads are exact but for one.
Policy probe_policy(const Settings& settings, std::int64_t kv_head_of_model, double share) {
  Policy policy = parse_policy("ratio:0.1,steered,weighted");
  policy.number = share;
  policy.weights.assign(static_cast<std::size_t>(settings.layers * settings.kv_heads),
                        std::numeric_limits<float>::infinity());
  policy.weights[static_cast<std::size_t>(kv_head_of_model)] = 1.F;
  return policy;
}

/// Errors: UserError for a passage that is read whole where it is scored, which says nothing of a kv head.
void require_sampled(const Passage& passage) {
  const std::int64_t from = Policy{}.from;
  if (static_cast<std::int64_t>(passage.scored) < from)
    throw UserError("passage " + quote(passage.name) + " is scored from token " + std::to_string(passage.scored) +
                    " on; accepted: from " + std::to_string(from) + " on, as shorter texts are read whole");
}

/// Gives a passage to the probes [first, first + count), beside exact attention.
void probe(Texts& texts, const Passage& passage, const CalibrationOptions& options, std::size_t first,
           std::size_t count, std::vector<Probe>& probes) {
  const Settings& settings = texts.model().settings();
  texts.prefill(0, std::span(passage.tokens).first(passage.decoded));
  texts.start(0, 0, {}, 0);
  for (std::size_t i = 0; i < count; ++i)
    texts.start(static_cast<std::int64_t>(i + 1), 0, probe_policy(settings, probes[first + i].kv_head, options.share),
                options.seed);
  const auto lanes = static_cast<std::int64_t>(count + 1);
  for (std::size_t at = passage.decoded; at + 1 < passage.tokens.size(); ++at) {
    Kokkos::deep_copy(texts.space(), Kokkos::subview(texts.tokens(), std::pair<std::size_t, std::size_t>(0, count + 1)),
                      passage.tokens[at]);
    texts.step(lanes);
    if (at + 1 < passage.scored) continue;
    const auto scores = score_rows(texts.space(), texts.logits(), lanes, passage.tokens[at + 1]);
    for (std::size_t i = 0; i < count; ++i) {
      Probe& one = probes[first + i];
      one.divergence += std::max(scores[i + 1].divergence, 0.);
      one.log_ratio += texts.attention(static_cast<std::int64_t>(i + 1)).log_ratio();
      ++one.tokens;
    }
  }
}

/// Of all kv heads: 1 of those that are never sampled.
std::vector<double> weights_of(const std::vector<Probe>& probes, const Settings& settings) {
  std::vector<double> weights;
  for (const Probe& one : probes) {
    weights.push_back(one.log_weight());
    if (!std::isfinite(weights.back()))
      throw UserError("the weight of a kv head is not finite; accepted: a model whose logits are");
  }
  const double mean = std::accumulate(weights.begin(), weights.end(), 0.) / static_cast<double>(weights.size());
  std::vector<double> of_all(static_cast<std::size_t>(settings.layers * settings.kv_heads), 1.);
  for (std::size_t i = 0; i < probes.size(); ++i)
    of_all[static_cast<std::size_t>(probes[i].kv_head)] = std::exp2(std::clamp(weights[i] - mean, -3., 3.));
  return of_all;
}

}  // namespace

void calibrate(const Model& model, const std::vector<Passage>& passages, const CalibrationOptions& options,
               std::ostream& to) {
  const Settings& settings = model.settings();
  std::vector<Probe> probes = probes_of(settings);
  std::size_t longest = 1;
  for (const Passage& passage : passages) longest = std::max(longest, passage.tokens.size());
  Texts texts(model, options.lanes + 1, static_cast<std::int64_t>(longest));
  for (const Passage& passage : passages) {
    texts.check_tokens(passage.tokens);
    require_sampled(passage);
  }
  Progress progress;
  const auto lanes = static_cast<std::size_t>(options.lanes);
  std::size_t done = 0;
  for (const Passage& passage : passages)
    for (std::size_t first = 0; first < probes.size(); first += lanes) {
      const std::size_t count = std::min(lanes, probes.size() - first);
      probe(texts, passage, options, first, count, probes);
      progress.say("kv heads", done += count, probes.size() * passages.size());
    }
  const std::vector<double> weights = weights_of(probes, settings);
  nlohmann::json file{{"share", options.share}, {"weights", nlohmann::json::array()}};
  const auto of_layer = static_cast<std::ptrdiff_t>(settings.kv_heads);
  for (auto at = weights.begin(); at != weights.end(); at += of_layer)
    file["weights"].push_back(std::vector<double>(at, at + of_layer));
  file["tokens"] = probes.front().tokens;
  to << file.dump(1) << "\n";
}

std::vector<float> read_weights_of_heads(const std::filesystem::path& path, const Settings& settings) {
  try {
    std::ifstream stream(path);
    if (!stream) throw UserError("the file can't be opened");
    std::vector<float> weights;
    const auto file = nlohmann::json::parse(stream).at("weights").get<std::vector<std::vector<float>>>();
    for (const std::vector<float>& layer : file) {
      if (static_cast<std::int64_t>(layer.size()) != settings.kv_heads || file.size() * layer.size() == 0) break;
      weights.insert(weights.end(), layer.begin(), layer.end());
    }
    const bool fits = static_cast<std::int64_t>(weights.size()) == settings.layers * settings.kv_heads &&
                      static_cast<std::int64_t>(file.size()) == settings.layers;
    const bool positive = std::all_of(weights.begin(), weights.end(), [](float x) { return x > 0.F; });
    if (!fits || !positive)
      throw UserError("its weights are not positive numbers of " + std::to_string(settings.layers) + " layers by " +
                      std::to_string(settings.kv_heads) + " kv heads");
    return weights;
  } catch (const nlohmann::json::exception& error) {
    throw UserError(printable(path.string(), 300) + ": not a file of weights: " + printable(error.what(), 200));
  } catch (const UserError& error) {
    throw UserError(printable(path.string(), 300) + ": " + error.what());
  }
}

}  // namespace santa::example
