// The command line.
#include "decode/options.hpp"

#include "decode/error.hpp"
#include "files.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

TEST_CASE("without_options_all_methods_run_on_the_examples_capture") {
  const Options options = parse_options({});
  CHECK(options.methods.size() == all_methods().size());
  CHECK(options.file.filename() == "smollm2_135m.safetensors");
  CHECK(options.measure.budget.rows == 0.1);
  CHECK(!options.measure.budget.samples);
}

TEST_CASE("methods_are_given_by_comma_or_repeated_and_leave_the_file_alone") {
  const Options options =
      parse_options({"--method", "mass-unit,exact", "--method", "systematic", "file", "--method", "exact"});
  REQUIRE(options.methods.size() == 3);
  CHECK(options.methods[0]->name == "mass-unit");
  CHECK(options.methods[2]->name == "systematic");
  CHECK(options.file == "file");
}

TEST_CASE("synthetic_data_is_described_by_five_numbers") {
  const Options options = parse_options({"--synthetic", "2,8,4,1024,128", "--sharpness", "1.5", "--seed", "9"});
  REQUIRE(options.synthetic);
  CHECK(options.synthetic->shape == santa::Shape{2, 8, 4, 1024, 128});
  CHECK(options.synthetic->sharpness == 1.5);
  CHECK(options.synthetic->seed == 9);
}

TEST_CASE("scores_are_made_from_features_as_asked_for") {
  const Scoring drawn = parse_options({"--score", "bernoulli", "--draws", "3", "--rescore"}).measure.scoring;
  CHECK(drawn.stage == ScoreStage::bernoulli);
  CHECK(drawn.draws == 3);
  CHECK(drawn.rescored);
  CHECK(parse_options({"--score", "top-features", "--features", "12"}).measure.scoring.numbers == 12);
  CHECK_THROWS_WITH_AS(parse_options({"--score", "features", "--draws", "2"}), "--draws needs --score bernoulli",
                       UserError);
  CHECK_THROWS_WITH_AS(parse_options({"--features", "2"}),
                       "--features needs --score features, top-features or sparse-keys", UserError);
  CHECK_THROWS_AS(parse_options({"--score", "bernoulli", "--draws", "0"}), UserError);
  CHECK_THROWS_AS(parse_options({"--score", "bernoulli", "--method", "systematic"}), UserError);
}

TEST_CASE("a_sweep_is_over_the_methods_that_have_a_budget") {
  const Options options = parse_options({"--sweep", "--svg", "file.svg", "--format", "json"});
  CHECK(options.sweep);
  CHECK(options.json);
  CHECK(options.svg == "file.svg");
  CHECK(options.methods.size() + 1 == all_methods().size());
  CHECK(parse_options({"--sweep", "--method", "exact,systematic"}).methods.size() == 1);
}

TEST_CASE("copies_of_keys_are_for_mass_unit_methods_and_keep_a_quarter_of_a_key_unless_told") {
  const Options options = parse_options({"--score", "low-rank", "--rescore", "--rank", "16"});
  CHECK(options.measure.scoring.stage == ScoreStage::low_rank);
  CHECK(options.measure.scoring.rescored);
  CHECK(options.measure.scoring.bytes_of_key(64, 2) == 32.);
  CHECK(options.methods.front()->name == "exact");
  CHECK(options.methods.size() < all_methods().size());
  const Scoring sparse = parse_options({"--score", "sparse-keys"}).measure.scoring;
  CHECK(sparse.numbers_of(64) == 16);
  CHECK(sparse.bytes_of_key(64, 2) == 48.);
  CHECK(parse_options({"--score", "sparse-keys", "--features", "9"}).measure.scoring.numbers_of(64) == 9);
  CHECK(parse_options({"--score", "int4"}).measure.scoring.bytes_of_key(64, 2) == 34.);
  CHECK(parse_options({}).measure.scoring.bytes_of_key(64, 4) == 256.);
}

TEST_CASE("help_is_text_with_every_method") {
  const std::string help = parse_options({"--help"}).help;
  for (const MethodEntry& method : all_methods()) CHECK(contains(help, "\n  " + std::string(method.name) + " "));
}

TEST_CASE("wrong_options_get_a_sentence") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--nonsense"}, "--nonsense"},
      {{"one", "two"}, "two"},
      {{"--method", "magic"}, "'magic' is unknown; there are exact, "},
      {{"--method", ""}, "unknown"},
      {{"--score", "int3"}, "--score 'int3' is unknown; there are keys, int8, fp8, int4, low-rank, sparse-keys"},
      {{"--rescore"}, "--rescore needs --score"},
      {{"--rank", "8"}, "--rank needs --score low-rank"},
      {{"--score", "low-rank", "--features", "8"}, "--features needs --score features, top-features or sparse-keys"},
      {{"--score", "low-rank", "--rank", "0"}, "--rank"},
      {{"--score", "sparse-keys", "--features", "257"}, "--features"},
      {{"--score", "low-rank", "--method", "systematic"}, "--score is for mass-unit methods: systematic is none"},
      {{"--rows", "0"}, "--rows must be a positive number"},
      {{"--rows", "-1"}, "--rows must be a positive number"},
      {{"--rows", "nan"}, "--rows must be a positive number"},
      {{"--rows", "inf"}, "--rows must be a positive number"},
      {{"--rows", "many"}, "--rows"},
      {{"--samples", "0"}, "--samples"},
      {{"--samples", "99999999999999999999"}, "--samples"},
      {{"--seed", "-1"}, "--seed"},
      {{"--repeat", "-1"}, "--repeat"},
      {{"--repeat"}, "--repeat"},
      {{"--layer", "x"}, "--layer"},
      {{"--format", "xml"}, "--format"},
      {{"--output", "x"}, "exactly one --method"},
      {{"--output", "x", "--method", "exact,mass-unit"}, "exactly one --method"},
      {{"--synthetic", "1,2,3,4"}, "five whole numbers"},
      {{"--synthetic", "1,2,3,4,5,"}, "five whole numbers"},
      {{"--synthetic", "1,2,3,4,x"}, "five whole numbers"},
      {{"--synthetic", "1,1,1,8,8", "file"}, "exclude each other"},
      {{"--synthetic", "1,1,1,8,8", "--layer", "3"}, "layer 0 only"},
      {{"--svg", "x"}, "--svg needs --sweep"},
      {{"--sweep", "--svg"}, "--svg"},
      {{"--sweep", "--svg", ""}, "the name of a file"},
      {{"--sweep", "--rows", "0.1"}, "--sweep and --rows exclude each other"},
      {{"--sweep", "--samples", "10"}, "--sweep and --samples exclude each other"},
      {{"--sweep", "--repeat", "1"}, "--sweep and --repeat exclude each other"},
      {{"--sweep", "--output", "x", "--method", "mass-unit"}, "--sweep and --output exclude each other"},
      {{"--sweep", "--method", "exact"}, "exact has none"},
      {{"--sharpness", "2"}, "needs --synthetic"},
  };
  for (const auto& [arguments, expected] : cases) {
    const std::string sentence = sentence_of([&, &given = arguments] { parse_options(given); });
    CAPTURE(arguments[0]);
    CAPTURE(sentence);
    CHECK(contains(sentence, expected));
    CHECK(!contains(sentence, "\n"));
  }
}

TEST_CASE("synthetic_shapes_that_can_not_be_are_refused") {
  const auto complaint = [](const santa::Shape& shape, double sharpness = 3.) {
    return sentence_of([&] { make_synthetic({shape, sharpness, 0}); });
  };
  CHECK(complaint({1, 2, 1, 64, 8}) == "");
  CHECK(contains(complaint({0, 2, 1, 64, 8}), "1 or more"));
  CHECK(contains(complaint({1, 3, 2, 64, 8}), "multiple of KVH"));
  CHECK(contains(complaint({1, 2, 1, 64, 12}), "multiple of 8"));
  CHECK(contains(complaint({65, 2, 1, 64, 8}), "at most L"));
  CHECK(contains(complaint({1, 2, 1, std::int64_t{1} << 62, 8}), "2^30"));
  CHECK(contains(complaint({1, 2, 1, 64, 8}, -1.), "--sharpness"));
}
