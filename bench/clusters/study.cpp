// Errors of sampled clusters and of other ways to read as few bytes, head by head, as JSON:
// santa_cluster_study <capture> <name of the text> [first layer] [layer after the last] > cases.jsonl
// A line a layer, head, method and share of the bytes; tau and delta are carried from query to query. See
// run_study.sh.
#include "accuracy/rivals.hpp"
#include "clusters/captured_layer.hpp"
#include "decode/cluster_layout.hpp"
#include "decode/program.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace santa::clusters_bench;
using santa::accuracy::RivalOutput;
using santa::accuracy::RivalProblem;

struct Share {
  const char* name;
  double number;
};
constexpr std::array shares = {Share{"1/4", 1. / 4}, Share{"1/6", 1. / 6}, Share{"1/8", 1. / 8}, Share{"1/12", 1. / 12},
                               Share{"1/16", 1. / 16}};
constexpr std::uint64_t seeds = 3;

/// Four digits, as files are to be small.
double rounded(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", number);
  return std::strtod(text.data(), nullptr);
}

/// Writes a layer's lines.
class Lines {
 public:
  Lines(const santa::example::Capture& capture, std::string text) : _capture(capture), _text(std::move(text)) {}

  void write(const Layer& layer, const char* method, const Share& share, const Outcome& outcome, bool bars,
             std::uint64_t of_seeds) const {
    for (std::size_t head = 0; head < outcome.errors.size(); ++head) {
      const nlohmann::json line = {{"model", _capture.model},
                                   {"context", layer.shape.length},
                                   {"text", _text},
                                   {"layer", layer.index},
                                   {"head", head},
                                   {"method", method},
                                   {"bytes", share.name},
                                   {"bytes_share", rounded(outcome.bytes)},
                                   {"largest_step", rounded(outcome.largest_step)},
                                   {"relative_error", rounded(outcome.errors[head])},
                                   {"error_bar", bars ? nlohmann::json(rounded(outcome.bars[head])) : nlohmann::json()},
                                   {"within", bars ? nlohmann::json(rounded(outcome.within)) : nlohmann::json()},
                                   {"queries", layer.queries.size()},
                                   {"seeds", of_seeds}};
      std::puts(line.dump().c_str());
    }
    std::fflush(stdout);
  }

 private:
  const santa::example::Capture& _capture;
  std::string _text;
};

/// Chunks without a tail: as long as they may be, or the context.
santa::ClusterLayout long_chunks(std::int64_t length, bool value_codes) {
  santa::ClusterLayout layout{.value_codes = value_codes};
  while (layout.chunk > length) layout.chunk /= 2;
  return layout;
}

/// What the library has.
void write_own(const Lines& lines, const Layer& layer, const Layer& causal) {
  const auto clusters_of = [](const Layer& of, const santa::ClusterLayout& layout) {
    of.length(0) = of.lengths[0];
    return santa::ClusteredKeys<Memory>(Space{}, of.shape, layout);
  };
  const auto run = [&](const char* method, const Layer& of, const auto& cache, const Share& share,
                       santa::Clusters how) {
    how.bytes = share.number;
    try {
      lines.write(of, method, share, by_clusters(of, cache, how, seeds), true, seeds);
    } catch (const std::invalid_argument&) {  // fewer bytes than the means take
    }
  };
  const auto keys = clusters_of(layer, long_chunks(layer.shape.length, true));
  const auto without = clusters_of(layer, long_chunks(layer.shape.length, false));
  const auto short_chunks = clusters_of(causal, santa::example::cluster_layout(layer.shape.length));
  const auto cache = santa::clustered(layer.cache(), keys);
  const auto cache_without = santa::clustered(layer.cache(), without);
  const auto cache_short = santa::clustered(causal.cache(), short_chunks);
  santa::cluster_keys(Space{}, cache);
  santa::cluster_keys(Space{}, cache_without);
  santa::cluster_keys(Space{}, cache_short);
  for (const Share& share : shares) {
    run("clusters", layer, cache, share, {});
    run("clusters-value-codes", layer, cache, share, {.chooses_codes = false});
    run("clusters-no-value-codes", layer, cache_without, share, {});
    run("clusters-rows-alone", layer, cache, share, {.estimate = santa::ClusterEstimate::self_normalised});
    run("clusters-short-chunks", causal, cache_short, share, {});
    lines.write(layer, "int4-rescored", share, by_codes(layer, share.number, true, seeds), true, seeds);
  }
}

/// A kv head's keys and values, as rivals have them.
RivalProblem problem_of(const Layer& layer, std::size_t kv_head) {
  RivalProblem p;
  p.heads = size(layer.shape.group());
  p.length = size(layer.shape.length);
  p.dim = size(layer.shape.dim);
  for (std::size_t i = 0; i < p.length; ++i)
    for (std::size_t d = 0; d < p.dim; ++d) {
      p.keys.push_back(static_cast<float>(layer.keys(0, i, kv_head, d)));
      p.values.push_back(static_cast<float>(layer.values(0, i, kv_head, d)));
    }
  return p;
}

std::vector<float> query_of(const Layer& layer, std::size_t step, std::size_t kv_head) {
  std::vector<float> query;
  const auto group = size(layer.shape.group());
  for (std::size_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
    for (std::size_t d = 0; d < size(layer.shape.dim); ++d)
      query.push_back(layer.scale * static_cast<float>(layer.queries[step](0, head, d)));
  return query;
}

struct Rival {
  const char* name;
  bool random;
  std::function<RivalOutput(const RivalProblem&, double, std::mt19937_64&, std::size_t kv_head, std::size_t seed)> read;
};

/// What each rival keeps of the kv heads, by seed where it is made by chance.
std::vector<Rival> rivals_of(const std::vector<RivalProblem>& problems) {
  namespace accuracy = santa::accuracy;
  std::vector<accuracy::Pages> pages;
  std::vector<accuracy::ProductCodes> codes;
  std::vector<std::vector<accuracy::HashTables>> tables;
  std::mt19937_64 random(77);
  for (const RivalProblem& problem : problems) {
    pages.emplace_back(problem);
    codes.emplace_back(problem, random);
    tables.emplace_back();
    for (std::uint64_t seed = 0; seed < seeds; ++seed) tables.back().emplace_back(problem, random);
  }
  return {
      {"top-k-oracle", false,
       [](const auto& p, double share, auto&, std::size_t, std::size_t) { return accuracy::top_rows(p, share); }},
      {"quest", false,
       [pages](const auto& p, double share, auto&, std::size_t kv, std::size_t) { return pages[kv].read(p, share); }},
      {"vattention-oracle", true,
       [](const auto& p, double share, auto& chance, std::size_t, std::size_t) {
         return accuracy::heavy_and_uniform(p, share, chance);
       }},
      {"magicpig", true,
       [tables](const auto& p, double share, auto&, std::size_t kv, std::size_t seed) {
         return tables[kv][seed].read(p, share);
       }},
      {"product-codes", true, [codes](const auto& p, double share, auto& chance, std::size_t kv, std::size_t) {
         return codes[kv].draw(p, share, chance);
       }}};
}

/// Outputs of all kv heads, or none where the share is too small for one of them.
std::optional<RivalOutput> read_all(const Rival& rival, const std::vector<RivalProblem>& problems, double share,
                                    std::mt19937_64& random, std::size_t seed) {
  RivalOutput all;
  for (std::size_t kv = 0; kv < problems.size(); ++kv) {
    const RivalOutput one = rival.read(problems[kv], share, random, kv, seed);
    if (one.out.empty()) return std::nullopt;
    all.out.insert(all.out.end(), one.out.begin(), one.out.end());
    all.share += one.share / static_cast<double>(problems.size());
  }
  return all;
}

/// What others do; they carry nothing.
void write_rivals(const Lines& lines, const Layer& layer) {
  std::vector<RivalProblem> problems;
  for (std::size_t kv = 0; kv < size(layer.shape.kv_heads); ++kv) problems.push_back(problem_of(layer, kv));
  const std::vector<Rival> rivals = rivals_of(problems);
  std::vector<std::vector<Outcome>> outcomes(rivals.size(),
                                             std::vector<Outcome>(shares.size(), Outcome(size(layer.shape.heads))));
  std::mt19937_64 random(78);
  for (std::size_t step = 0; step < layer.queries.size(); ++step) {
    for (std::size_t kv = 0; kv < problems.size(); ++kv) problems[kv].take_query(query_of(layer, step, kv));
    for (std::size_t r = 0; r < rivals.size(); ++r)
      for (std::size_t s = 0; s < shares.size(); ++s) {
        const std::uint64_t runs = rivals[r].random ? seeds : 1;
        for (std::uint64_t seed = 0; seed < runs && !outcomes[r][s].errors.empty(); ++seed) {
          const auto one = read_all(rivals[r], problems, shares[s].number, random, seed);
          if (one)
            outcomes[r][s].note(layer, step, one->out.data(), nullptr, one->share,
                                1. / static_cast<double>(runs * layer.queries.size()));
          else
            outcomes[r][s] = Outcome{};
        }
      }
  }
  for (std::size_t r = 0; r < rivals.size(); ++r)
    for (std::size_t s = 0; s < shares.size(); ++s) {
      outcomes[r][s].finish();
      lines.write(layer, rivals[r].name, shares[s], outcomes[r][s], false, rivals[r].random ? seeds : 1);
    }
}

void measure(const std::vector<std::string>& arguments, const santa::example::KokkosOptions& kokkos) {
  if (arguments.size() < 2 || arguments.size() > 4)
    throw santa::example::UserError("arguments: CAPTURE TEXT [FIRST LAYER] [LAYER AFTER THE LAST]");
  const santa::example::Capture capture = santa::example::read_capture(arguments[0]);
  if (capture.layers.front().key.dtype != "BF16") throw santa::example::UserError("the capture must hold BF16");
  const int first = arguments.size() > 2 ? std::stoi(arguments[2]) : 0;
  const int end = arguments.size() > 3 ? std::stoi(arguments[3]) : 1 << 30;
  const Kokkos::ScopeGuard started = kokkos.start();
  const Lines lines(capture, arguments[1]);
  for (const auto& captured : capture.layers) {
    if (captured.index < first || captured.index >= end) continue;
    const Layer layer(capture, captured, false);
    write_own(lines, layer, Layer(capture, captured, true));
    write_rivals(lines, layer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return santa::example::run_program("santa_cluster_study", "not enough memory for this capture", argc, argv, measure);
}
