// Passages scored by exact and sampled attention side by side.
#include "generate/evaluation.hpp"

#include "../examples/files.hpp"
#include "reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <sstream>

namespace santa::example::test {
namespace {

std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

Passage some_passage(std::size_t length, std::size_t decoded, std::size_t scored) {
  Passage passage{"text", "a", static_cast<std::int64_t>(length), 0., {}, decoded, scored};
  for (std::size_t i = 0; i < length; ++i) passage.tokens.push_back(static_cast<std::int32_t>(i * i % 45));
  return passage;
}

struct Evaluated {
  TinyModel tiny;
  std::vector<nlohmann::json> lines;

  Evaluated(const Passage& passage, const EvaluationOptions& options) {
    const Folder folder;
    tiny.write(folder / "model");
    const Model model(read_weights(folder / "model"), Texts::chunk);
    std::ostringstream to;
    evaluate(model, {passage, passage}, options, to);
    lines = lines_of(to.str());
  }
};

TEST_CASE("exact_scores_are_the_references") {
  const Passage passage = some_passage(40, 20, 30);
  const Evaluated evaluated(passage, {});
  REQUIRE(evaluated.lines.size() == 2);  // no policy: the exact one of each passage
  Reference reference(evaluated.tiny);
  const nlohmann::json& line = evaluated.lines[1];
  REQUIRE(line["losses"].size() == 10);
  CHECK(line["came"] == Tokens(passage.tokens.begin() + 30, passage.tokens.end()));
  for (std::size_t at = 0; at + 1 < passage.tokens.size(); ++at) {
    const std::vector<double> logits = reference.step(passage.tokens[at]);
    if (at + 1 < passage.scored) continue;
    double sum = 0.;
    for (const double logit : logits) sum += std::exp(logit);
    const double loss = std::log(sum) - logits[static_cast<std::size_t>(passage.tokens[at + 1])];
    CHECK(line["losses"][at + 1 - passage.scored].get<double>() == doctest::Approx(loss).epsilon(0.01));
  }
  CHECK(line["divergences"] == std::vector<double>(10, 0.));
  CHECK(line["rows_read"] == line["rows_visible"]);
}

TEST_CASE("each_policy_and_seed_has_a_line_beside_the_exact_one") {
  const Evaluated evaluated(some_passage(900, 880, 890),
                            {{parse_policy("share:0.1"), parse_policy("error:0.2")}, 2, 7});
  REQUIRE(evaluated.lines.size() == 10);
  const char* const policies[] = {"exact", "share:0.1", "share:0.1", "error:0.2", "error:0.2"};
  const int seeds[] = {0, 7, 8, 7, 8};
  for (std::size_t i = 0; i < 10; ++i) {
    const nlohmann::json& line = evaluated.lines[i];
    CHECK(line["policy"] == policies[i % 5]);
    CHECK(line["seed"] == seeds[i % 5]);
    CHECK(line["rows_visible"] == 2 * 2 * (19 * 880 + 190));
    if (i % 5 == 0) continue;
    CHECK(line["rows_read"] < line["rows_visible"]);
    CHECK(line["losses"] != evaluated.lines[0]["losses"]);
    // Of the same passage, the same draws.
    CHECK(line["losses"] == evaluated.lines[i % 5]["losses"]);
  }
  CHECK(evaluated.lines[1]["losses"] != evaluated.lines[2]["losses"]);
}

TEST_CASE("a_budget_of_the_model_reads_its_share_of_all_rows") {
  Policy weighted = parse_policy("ratio:0.1,steered,weighted");
  weighted.weights = {1.F, 2.F, 0.5F, 1.F};
  const Evaluated evaluated(some_passage(900, 850, 890), {{parse_policy("ratio:0.1,steered"), weighted}, 1, 7});
  REQUIRE(evaluated.lines.size() == 6);
  for (const std::size_t i : {1U, 2U, 4U, 5U}) {
    const nlohmann::json& line = evaluated.lines[i];
    CHECK(line["losses"] == evaluated.lines[i % 3]["losses"]);  // of the same passage, the same draws
    const double share = line["rows_read"].get<double>() / line["rows_visible"].get<double>();
    CHECK(share > 0.085);
    CHECK(share < 0.115);
    const auto by_token = line["rows_by_token"].get<std::vector<std::int64_t>>();
    REQUIRE(by_token.size() == 49);
    CHECK(std::accumulate(by_token.begin(), by_token.end(), std::int64_t{0}) == line["rows_read"]);
  }
  const auto rows = [&](std::size_t i) { return evaluated.lines[i]["rows_by_layer"][0].get<double>(); };
  CHECK(rows(1) != rows(2));
}

}  // namespace
}  // namespace santa::example::test
