#include "generate/evaluation.hpp"

#include "decode/error.hpp"
#include "decode/progress.hpp"
#include "generate/scores.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <utility>

namespace santa::example {
namespace {

/// One policy with one seed.
struct Lane {
  Policy policy;
  std::uint64_t seed = 0;
};

struct Scores {
  std::vector<double> losses, divergences;
  Tokens best;
  std::vector<std::int64_t> rows;  // read, of each token
};

std::vector<Lane> lanes_of(const EvaluationOptions& options) {
  std::vector<Lane> lanes = {{}};  // the exact one, which the others are measured against
  for (const Policy& policy : options.policies)
    for (std::int64_t seed = 0; policy.budget != Policy::Budget::all && seed < options.seeds; ++seed)
      lanes.push_back({policy, options.first_seed + static_cast<std::uint64_t>(seed)});
  return lanes;
}

/// Converting would cut a number that is no token to one that is.
std::int32_t token_from(const nlohmann::json& number) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  const bool good = number.is_number_unsigned() && number.get<std::uint64_t>() <= most;
  if (!good)
    throw UserError("a passage has the token " + printable(number.dump()) + "; accepted: whole numbers from 0 to " +
                    std::to_string(most));
  return number.get<std::int32_t>();
}

Tokens tokens_from(const nlohmann::json& list) {
  Tokens tokens;
  for (const nlohmann::json& number : list) tokens.push_back(token_from(number));
  return tokens;
}

Passage passage_from(const nlohmann::json& entry) {
  Passage passage;
  entry.at("kind").get_to(passage.kind);
  entry.at("name").get_to(passage.name);
  entry.at("context").get_to(passage.context);
  passage.depth = entry.value("depth", 0.);
  passage.tokens = tokens_from(entry.at("tokens"));
  entry.at("decoded").get_to(passage.decoded);
  entry.at("scored").get_to(passage.scored);
  const bool good = passage.decoded >= 1 && passage.scored > passage.decoded && passage.scored < passage.tokens.size();
  if (!good)
    throw UserError("passage " + quote(passage.name) + " must have 1 <= decoded < scored < the number of its tokens");
  return passage;
}

std::int64_t longest(const std::vector<Passage>& passages) {
  std::size_t most = 1;
  for (const Passage& passage : passages) most = std::max(most, passage.tokens.size());
  return static_cast<std::int64_t>(most);
}

/// The same token for all lanes.
void set_tokens(const Texts& texts, std::size_t lanes, std::int32_t token) {
  Kokkos::deep_copy(texts.space(), Kokkos::subview(texts.tokens(), std::pair<std::size_t, std::size_t>(0, lanes)),
                    token);
}

void start(Texts& texts, const std::vector<Lane>& lanes, const Passage& passage, Progress& progress) {
  texts.prefill(0, std::span(passage.tokens).first(passage.decoded),
                [&](std::size_t done) { progress.say(passage.name + ", prompt", done, passage.decoded); });
  for (std::size_t lane = 0; lane < lanes.size(); ++lane)
    texts.start(static_cast<std::int64_t>(lane), 0, lanes[lane].policy, lanes[lane].seed);
}

/// What a token read in all layers: of a policy with a budget for the model, that is what is to be near it.
void note_rows(const Texts& texts, std::vector<Scores>& scores) {
  for (std::size_t lane = 0; lane < scores.size(); ++lane) {
    const std::int64_t before = std::accumulate(scores[lane].rows.begin(), scores[lane].rows.end(), std::int64_t{0});
    scores[lane].rows.push_back(texts.attention(static_cast<std::int64_t>(lane)).rows().read - before);
  }
}

std::vector<Scores> run(Texts& texts, std::size_t lanes, const Passage& passage, Progress& progress) {
  std::vector<Scores> scores(lanes);
  const auto count = static_cast<std::int64_t>(lanes);
  for (std::size_t at = passage.decoded; at + 1 < passage.tokens.size(); ++at) {
    set_tokens(texts, lanes, passage.tokens[at]);
    texts.step(count);
    note_rows(texts, scores);
    if (at + 1 < passage.scored) continue;
    const auto now = score_rows(texts.space(), texts.logits(), count, passage.tokens[at + 1]);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      scores[lane].losses.push_back(now[lane].loss);
      scores[lane].divergences.push_back(now[lane].divergence);
      scores[lane].best.push_back(now[lane].best);
    }
    progress.say(passage.name + ", tokens", at - passage.decoded, passage.tokens.size() - passage.decoded);
  }
  return scores;
}

nlohmann::json to_json(const Passage& passage, const Lane& lane, const Scores& scores, const TextAttention& attention) {
  const RowCounts rows = attention.rows();
  return {{"kind", passage.kind},
          {"name", passage.name},
          {"context", passage.context},
          {"depth", passage.depth},
          {"policy", lane.policy.name()},
          {"seed", lane.seed},
          {"rows_read", rows.read},
          {"rows_visible", rows.visible},
          {"bytes_share", attention.bytes_share()},
          {"rows_by_layer", attention.rows_by_layer()},
          {"rows_by_token", scores.rows},
          {"came", Tokens(passage.tokens.begin() + static_cast<std::ptrdiff_t>(passage.scored), passage.tokens.end())},
          {"best", scores.best},
          {"losses", scores.losses},
          {"divergences", scores.divergences}};
}

}  // namespace

std::vector<Passage> read_passages(const std::filesystem::path& path) {
  try {
    std::ifstream stream(path);
    if (!stream) throw UserError("the file can't be opened");
    std::vector<Passage> passages;
    const auto file = nlohmann::json::parse(stream);
    for (const nlohmann::json& entry : file.at("passages")) passages.push_back(passage_from(entry));
    if (passages.empty()) throw UserError("the file has no passages");
    return passages;
  } catch (const nlohmann::json::exception& error) {
    throw UserError(printable(path.string(), 300) + ": not a file of passages: " + printable(error.what(), 200));
  } catch (const UserError& error) {
    throw UserError(printable(path.string(), 300) + ": " + error.what());
  }
}

void evaluate(const Model& model, const std::vector<Passage>& passages, const EvaluationOptions& options,
              std::ostream& to) {
  for (const Policy& policy : options.policies) check_layers(policy, model.settings().layers);
  const std::vector<Lane> lanes = lanes_of(options);
  Texts texts(model, static_cast<std::int64_t>(lanes.size()), longest(passages));
  // All of them now, rather than after minutes of work.
  for (const Passage& passage : passages) texts.check_tokens(passage.tokens);
  Progress progress;
  for (const Passage& passage : passages) {
    start(texts, lanes, passage, progress);
    const std::vector<Scores> scores = run(texts, lanes.size(), passage, progress);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane)
      to << to_json(passage, lanes[lane], scores[lane], texts.attention(static_cast<std::int64_t>(lane))).dump()
         << "\n";
    to.flush();
  }
}

}  // namespace santa::example
