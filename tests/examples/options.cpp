// The command line.
#include "decode/options.hpp"

#include "decode/error.hpp"
#include "decode/number.hpp"
#include "files.hpp"
#include <santa/random/stream_key.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <variant>
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
      {{"--method", "exact", "--rows", "0.1"}, "--rows needs a method other than exact"},
      {{"--method", "exact", "--samples", "9"}, "--samples needs a method that is told them"},
      {{"--method", "exact,mass-unit", "--samples", "9"}, "--samples needs a method that is told them"},
      {{"--method", "exact", "--score", "int4"}, "--score needs a method other than exact"},
      {{"--score", "int4", "--samples", "9"}, "--samples needs a method that is told them"},
      {{"--score", "clusters", "--rows", "0.1"}, "--score clusters is told --bytes: no --rows"},
      {{"--method", "exact,systematic", "--samples", "9", "--rows", "0.1"}, "--rows needs a method that is not told"},
      {{"--rank", "8"}, "--rank needs --score low-rank"},
      {{"--bytes", "0.2"}, "--bytes needs --score clusters"},
      {{"--score", "clusters", "--rescore"}, "--score clusters reads full keys of drawn rows in any case"},
      {{"--score", "clusters", "--sweep"}, "--sweep is over rows: --score clusters is told --bytes"},
      {{"--score", "clusters", "--bytes", "2"}, "--bytes"},
      {{"--score", "clusters", "--method", "mass-unit-separate"}, "--score clusters is for mass-unit: "},
      {{"--score", "low-rank", "--features", "8"}, "--features needs --score features, top-features or sparse-keys"},
      {{"--score", "low-rank", "--rank", "0"}, "--rank"},
      {{"--score", "sparse-keys", "--features", "257"}, "--features"},
      {{"--score", "low-rank", "--method", "systematic"}, "--score is for mass-unit methods: systematic is none"},
      {{"--repeat"}, "--repeat"},
      {{"--repeat", "1", "--repeat", "2"}, "--repeat"},
      {{"--format", "xml"}, "--format"},
      {{"--output", "x"}, "exactly one --method"},
      {{"--output", "x", "--method", "exact,mass-unit"}, "exactly one --method"},
      {{"--synthetic", "1,2,3,4"}, "five whole numbers"},
      {{"--synthetic", "1,2,3,4,5,"}, "five whole numbers"},
      {{"--synthetic", "1,2,3,4,x"}, "five whole numbers"},
      {{"--synthetic", ""}, "--synthetic is ''; accepted: five whole numbers"},
      {{"--synthetic", "1,2,3,4,5,6"}, "five whole numbers"},
      {{"--synthetic", "1,,3,4,5"}, "five whole numbers"},
      {{"--synthetic", "1, 2,3,4,5"}, "five whole numbers"},
      {{"--synthetic", "1,2,3,4,18446744073709551624"}, "five whole numbers"},
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

TEST_CASE("a_budget_is_for_one_of_the_methods_at_least") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--method", "exact,mass-unit", "--rows", "0.1"},
        {"--method", "exact,systematic", "--samples", "9"},
        {"--method", "systematic", "--rows", "0.1"},
        {"--method", "mass-unit,systematic", "--samples", "9", "--rows", "0.1"},
        {"--samples", "9", "--rows", "0.1"},
        {"--method", "exact,mass-unit", "--score", "int4", "--rows", "0.1"}})
    CHECK(sentence_of([&] { parse_options(arguments); }).empty());
}

TEST_CASE("a_number_is_all_of_its_text_in_decimals_and_finite") {
  CHECK(parse_number<int>("-12") == -12);
  CHECK(parse_number<double>("-1.5e2") == -150.);
  for (const char* const none : {"", "x", "1x", " 1", "1 ", "+1", "0x1", "2147483648"}) CHECK(!parse_number<int>(none));
  for (const char* const none :
       {"", "x", "1x", " 1", "1 ", "+1", "0x1p3", "nan", "-nan", "inf", "-inf", "1e400", "1e-400"})
    CHECK(!parse_number<double>(none));
  CHECK(parse_numbers<int, 2>("1,2") == std::array<int, 2>{1, 2});
  for (const char* const none : {"", "1", "1,", ",1", "1,2,", "1,2,3", "1;2"}) CHECK((!parse_numbers<int, 2>(none)));
}

TEST_CASE("whole_numbers_are_taken_whole_or_refused_with_name_given_and_accepted") {
  const std::vector<std::pair<std::string, std::string>> ranges = {{"--samples", "1 to 1073741824"},
                                                                   {"--draws", "1 to 128"},
                                                                   {"--rank", "1 to 256"},
                                                                   {"--features", "1 to 256"},
                                                                   {"--repeat", "0 to 100000"},
                                                                   {"--layer", "0 to 65535"},
                                                                   {"--seed", "0 to 18446744073709551615"}};
  for (const auto& [name, range] : ranges)
    for (const char* const bad : {"", "x", "5x", "x5", " 5", "5 ", "+5", "-1", "-0x1", "0x10", "1e1", "1.0", "1,5",
                                  "nan", "inf", "18446744073709551616", "99999999999999999999999999999"})
      CHECK(sentence_of([&, &option = name] {
              parse_options({option, bad});
            }) == name + " is " + quote(bad) + "; accepted: a whole number from " + range);
  for (const char* const name : {"--samples", "--draws", "--rank", "--features"})
    CHECK(contains(sentence_of([&] { parse_options({name, "0"}); }), std::string(name) + " is '0'; accepted: "));
  CHECK(contains(sentence_of([] { parse_options({"--samples", "4294967297"}); }), "--samples is '4294967297'"));
  CHECK(contains(sentence_of([] { parse_options({"--layer", "65536"}); }), "--layer is '65536'"));
  const std::string digits(300, '9');
  CHECK(sentence_of([&] { parse_options({"--seed", digits}); }).size() < 160);

  CHECK(parse_options({"--seed", "18446744073709551615"}).measure.seed == 18446744073709551615U);
  CHECK(parse_options({"--seed=0"}).measure.seed == 0);
  CHECK(parse_options({"--samples", "010"}).measure.budget.samples == 10);  // no octal
  CHECK(parse_options({"--layer", "7"}).layer == 7);
  CHECK(parse_options({"--repeat", "0"}).measure.repeat == 0);
  CHECK(!parse_options({}).layer);
}

TEST_CASE("numbers_are_finite_or_refused_with_name_given_and_accepted") {
  for (const char* const bad : {"", "many", "0.1x", " 0.1", "0.1 ", "+0.1", "0,1", "0x1p-3", "0", "-0", "-1", "nan",
                                "-nan", "inf", "1e400", "1e-400", "1e19"})
    CHECK(sentence_of([&] {
            parse_options({"--rows", bad});
          }) == "--rows is " + quote(bad) + "; accepted: a share above 0 and below 1, or 1 to 2^63 rows");
  for (const char* const bad : {"", "many", "1x", " 1", "+1", "0,1", "0x1", "-1", "nan", "inf", "1e400", "10000.1"})
    CHECK(sentence_of([&] {
            parse_options({"--synthetic", "1,1,1,8,8", "--sharpness", bad});
          }) == "--sharpness is " + quote(bad) + "; accepted: a number from 0 to 10000");
  CHECK(parse_options({"--rows", ".25"}).measure.budget.rows == .25);
  CHECK(parse_options({"--rows", "1e3"}).measure.budget.rows == 1000.);
}

TEST_CASE("a_number_of_rows_means_the_same_to_the_program_and_to_the_library") {
  const auto rows_of = [](const char* const text, std::int64_t visible) {
    return std::get<santa::MassUnit>(find_method("mass-unit").make(parse_options({"--rows", text}).measure.budget))
        .rows.of(visible);
  };
  CHECK(rows_of("0.1", 1000) == 100.);
  CHECK(rows_of("1", 1000) == 1.);
  CHECK(rows_of("250", 1000) == 250.);
  for (const char* const text : {"0.1", "0.999999999", "1", "1.5", "1000", "9e18"})
    for (const MethodEntry& method : all_methods())
      CHECK_NOTHROW(std::visit([](const auto& chosen) { chosen.check(); },
                               method.make(parse_options({"--rows", text}).measure.budget)));
}

TEST_CASE("synthetic_data_have_other_random_numbers_than_draws") {
  const santa::Shape shape{.batch = 1, .heads = 2, .kv_heads = 1, .length = 64, .dim = 8};
  const Capture capture = make_synthetic({shape, 3., 5});
  const auto keys = capture.layers.front().key.as<santa::bfloat16>();
  for (std::uint32_t step = 0; step < 4; ++step)
    for (const std::uint16_t stream : {std::uint16_t{0}, std::uint16_t{1}}) {
      const santa::StreamKey key{.seed = 5, .step = step, .stream = stream, .request = 0};
      std::size_t same = 0;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto bits = key.draw(0, static_cast<std::uint32_t>(i));
        const float radius = std::sqrt(-2.F * std::log((static_cast<float>(bits.word[0] >> 8) + 1.F) * 0x1p-24F));
        const float angle = 2.F * std::numbers::pi_v<float> * static_cast<float>(bits.word[1] >> 8) * 0x1p-24F;
        if (std::fabs(static_cast<float>(keys[i]) - radius * std::cos(angle)) < 0.01F) ++same;
      }
      CHECK(same < keys.size() / 10);
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
