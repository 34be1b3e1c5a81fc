// The command lines of santa_accuracy and santa_portability.
#include "accuracy/options.hpp"

#include "../examples/files.hpp"
#include "portability/options.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using santa::example::quote;
using santa::example::test::contains;
using santa::example::test::sentence_of;

/// Those of the program run the library, minutes of compiling that no option needs.
const std::vector<santa::accuracy::Stage>& santa::accuracy::all_stages() {
  static const std::vector<Stage> none;
  return none;
}

namespace {

/// What santa_accuracy says of an option.
std::string of_accuracy(const std::string& name, const std::string& text) {
  return sentence_of([&] {
    santa::accuracy::parse_options({"file", "--output", "cases.json", "--stage", "all", name, text});
  });
}

std::string of_portability(const std::string& name, const std::string& text) {
  return sentence_of([&] { santa_bench::parse_options({name, text}); });
}

const std::vector<std::string> no_numbers = {"",       "abc",  "0.1x", " 0.1", "+0.1",
                                             "0x1p-3", "-0.1", "nan",  "inf",  "1e400"};

}  // namespace

TEST_CASE("numbers_for_santa_accuracy_are_taken_whole_or_refused") {
  for (const std::string& bad : no_numbers) {
    CHECK(of_accuracy("--budget", bad) == "--budget is " + quote(bad) + "; accepted: a number from 0.0001 to 0.9");
    CHECK(of_accuracy("--share", bad) == "--share is " + quote(bad) + "; accepted: a number from 0.001 to 1");
    CHECK(of_accuracy("--seeds", bad) == "--seeds is " + quote(bad) + "; accepted: a whole number from 4 to 65536");
    CHECK(of_accuracy("--layer", bad) == "--layer is " + quote(bad) + "; accepted: a whole number from 0 to 65535");
    CHECK(
        contains(of_accuracy("--extend", bad), "--extend is " + quote(bad) + "; accepted: a whole number from 64 to "));
  }
  CHECK(contains(of_accuracy("--budget", "0.1,nan"), "--budget is 'nan'"));
  CHECK(contains(of_accuracy("--seeds", "4294967300"), "--seeds is '4294967300'"));
  const auto options =
      santa::accuracy::parse_options({"file", "--output", "cases.json", "--budget", "0.1,0.2", "--layer", "3",
                                      "--layer", "010", "--seeds", "6", "--extend", "64"});
  CHECK(options.budgets == std::vector<double>{0.1, 0.2});
  CHECK(options.layers == std::vector<int>{3, 10});
  CHECK(options.seeds == 6);
  CHECK(options.extend == 64);
  CHECK(santa::accuracy::parse_options({"file", "--output", "cases.json"}).budgets == std::vector<double>{0.05, 0.1});
}

TEST_CASE("numbers_for_santa_portability_are_taken_whole_or_refused") {
  for (const std::string& bad : no_numbers) {
    CHECK(of_portability("--share", bad) == "--share is " + quote(bad) + "; accepted: a number above 0 and up to 1");
    CHECK(of_portability("--sharpness", bad) ==
          "--sharpness is " + quote(bad) + "; accepted: a number from 0 to 10000");
    CHECK(contains(of_portability("--repeats", bad),
                   "--repeats is " + quote(bad) + "; accepted: a whole number from 1 "));
  }
  CHECK(contains(of_portability("--share", "0"), "--share is '0'"));
  CHECK(contains(of_portability("--share", "1.5"), "--share is '1.5'"));
  CHECK(contains(of_portability("--repeats", "0"), "--repeats is '0'"));
  CHECK(contains(of_portability("--repeats", "4294967297"), "--repeats is '4294967297'"));
  for (const char* const bad : {"", "1,2,3,4", "1,2,3,4,5,", "1,2,3,4,x", "0,8,2,64,64", "1,8,-2,64,64", "1,8,2,64,64x",
                                "1099511627776,8,2,64,64", "1,8,2,18446744073709551617,64"})
    CHECK(contains(of_portability("--shape", bad), "--shape is " + quote(bad) + "; accepted: five whole numbers"));
  CHECK(of_portability("--method", "magic") ==
        "--method is 'magic'; accepted: mass-unit, mass-unit-steered, mass-unit-first, systematic, fixed-tile-budget, "
        "narrow, features");
  CHECK(contains(of_portability("--scenario", "odd"),
                 "--scenario is 'odd'; accepted: ragged-log, ragged-one, ragged-short, tokens-4, paged-16, prefix-16, "
                 "fp8-cache, all, clusters"));
  CHECK(contains(of_portability("--divide", "0"), "--divide is '0'"));
  CHECK(contains(of_portability("--layout", "odd"), "--layout is 'odd'; accepted: token-major, head-major"));
  CHECK(contains(of_portability("--frobnicate", ""), "'--frobnicate' is unknown"));
  CHECK(sentence_of([] { santa_bench::parse_options({"--share"}); }) == "--share needs a value");
  const auto options =
      santa_bench::parse_options({"--share", "0.05", "--shape", "1,8,2,64,32", "--repeats", "3", "--quick", "--method",
                                  "narrow", "--layout", "head-major", "--json", "file"});
  CHECK(options.share == 0.05);
  CHECK(options.shape == santa::Shape{1, 8, 2, 64, 32});
  CHECK(options.repeats == 3);
  CHECK(options.quick);
  CHECK(options.only == "narrow");
  CHECK(options.layout == "head-major");
  CHECK(options.json == "file");
}
