// From random data to what is printed.
#include "decode/report.hpp"

#include "decode/run.hpp"
#include "files.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

namespace {

Options small_run(const std::vector<std::string>& more = {}, int repeat = 1) {
  std::vector<std::string> arguments = {"--synthetic", "3,4,2,2048,64"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  Options options = parse_options(arguments);
  options.measure.repeat = repeat;
  return options;
}

const MethodReport& row_of(const Report& report, const std::string& method) {
  const auto found = std::find_if(report.methods.begin(), report.methods.end(),
                                  [&](const MethodReport& row) { return row.method == method; });
  REQUIRE(found != report.methods.end());
  return *found;
}

}  // namespace

TEST_CASE("every_method_decodes_within_its_budget") {
  const Report report = run(small_run());
  CHECK(report.methods.size() == all_methods().size());
  const MethodReport& exact = row_of(report, "exact");
  CHECK(exact.accuracy.percentile95 < 1e-5);
  CHECK(exact.rows_read_fraction == 1.);
  CHECK(exact.speedup == 1.);
  CHECK(!exact.rows_budget);
  CHECK(!exact.samples);
  // Keys and values of 2046, 2047 and 2048 rows, 2 kv heads, dim 64, 2 bytes: the mean.
  CHECK(exact.bytes_read == 2. * 2047. * 2. * 64. * 2.);
  for (const MethodReport& row : report.methods) {
    CAPTURE(row.method);
    CHECK(row.accuracy.mean <= 0.3);
    CHECK(row.accuracy.cosine > 0.9);
    CHECK(row.bytes_read == doctest::Approx(0.5 * exact.bytes_read * (1. + row.rows_read_fraction)));
    CHECK(*row.microseconds > 0.);
    CHECK(*row.gigabytes_per_second == doctest::Approx(row.bytes_read / *row.microseconds / 1e3));
  }
  CHECK(row_of(report, "mass-unit").rows_budget == doctest::Approx(204.8));
  CHECK(row_of(report, "mass-unit").rows_read_fraction == doctest::Approx(0.1).epsilon(0.3));
  CHECK(row_of(report, "systematic").rows_read_fraction == doctest::Approx(0.1).epsilon(0.1));
}

TEST_CASE("json_has_one_object_a_method") {
  const Report report = run(small_run({"--method", "systematic", "--samples", "100", "--seed", "5"}));
  const nlohmann::json json = nlohmann::json::parse(to_json(report).dump());
  CHECK(json.at("seed") == 5);
  CHECK(json.at("threads").get<int>() >= 1);
  CHECK(json.at("shape").at("kv_heads") == 2);
  REQUIRE(json.at("methods").size() == 1);  // the exact run for comparison isn't shown
  const nlohmann::json& row = json.at("methods").at(0);
  CHECK(row.at("method") == "systematic");
  CHECK(row.at("samples") == 100);
  CHECK(row.at("rows_budget").is_null());
  for (const char* const key : {"relative_error", "relative_error_p95", "rows_read_fraction", "bytes_read",
                                "microseconds", "gigabytes_per_second", "speedup"})
    CHECK(row.at(key).is_number());
}

TEST_CASE("without_timing_times_are_null") {
  const nlohmann::json json = to_json(run(small_run({"--method", "mass-unit"}, 0)));
  const nlohmann::json& row = json.at("methods").at(0);
  for (const char* const key : {"microseconds", "gigabytes_per_second", "speedup"}) CHECK(row.at(key).is_null());
  CHECK(row.at("samples").is_null());
}

TEST_CASE("the_table_has_a_line_for_each_method") {
  std::ostringstream stream;
  print_table(stream, run(small_run()));
  for (const MethodEntry& method : all_methods()) CHECK(contains(stream.str(), std::string(method.name) + "  "));
  CHECK(contains(stream.str(), "4 heads on 2 kv heads of dim 64, 2048 keys"));
}

TEST_CASE("the_same_seed_gives_the_same_outputs_and_another_gives_others") {
  const Folder folder;
  const auto outputs = [&](const std::string& seed, const std::string& name) {
    Options options = small_run({"--method", "mass-unit", "--output", (folder / name).string()}, 0);
    options.measure.seed = std::stoull(seed);
    (void)run(options);
    return SafetensorsFile(folder / name).read("layers.0.out");
  };
  const Tensor first = outputs("1", "a");
  CHECK(first.dtype == "F32");
  CHECK(first.shape == std::vector<std::int64_t>{3, 4, 64});
  CHECK(first.data == outputs("1", "b").data);
  CHECK(first.data != outputs("2", "c").data);
}

TEST_CASE("outputs_are_named_by_layer_and_never_overwrite_the_capture") {
  const Folder folder;
  write_safetensors(folder / "capture", small_capture({2, 3}));
  const auto options = [&](const std::string& output) {
    return parse_options(
        {(folder / "capture").string(), "--method", "exact", "--repeat", "0", "--output", (folder / output).string()});
  };
  (void)run(options("out"));
  const SafetensorsFile file(folder / "out");
  CHECK(file.tensors().size() == 2);
  const Tensor out = file.read("layers.3.out");
  for (const float x : out.as<float>()) CHECK(x == doctest::Approx(1.));
  CHECK(contains(sentence_of([&] { (void)run(options("capture")); }), "would overwrite the capture"));
}

TEST_CASE("a_file_that_can_not_be_written_is_named_before_any_work") {
  const Folder folder;
  // Work that ends in another complaint: fewer draws than the method has tiles.
  const auto complaint = [&](const std::string& output) -> std::string {
    try {
      (void)run(parse_options({"--synthetic", "1,2,1,600,8", "--method", "fixed-tile-budget", "--samples", "1",
                               "--output", (folder / output).string()}));
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  };
  CHECK(contains(complaint("out"), "FixedTileBudget.samples"));
  CHECK(contains(complaint("none/file"), "can't be written"));
}
