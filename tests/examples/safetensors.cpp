// The reader and writer of safetensors files.
#include "decode/safetensors.hpp"

#include "files.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

namespace {

std::string complaint(const std::string& bytes) {
  const Folder folder;
  write_bytes(folder / "file", bytes);
  return sentence_of([&] { SafetensorsFile(folder / "file"); });
}

std::string complaint_about_header(const std::string& header, std::size_t data_bytes = 16) {
  return complaint(file_of(header, data_bytes));
}

}  // namespace

TEST_CASE("a_written_file_reads_back") {
  const Folder folder;
  const std::vector<float> floats = {1.F, -2.5F, 3e-30F, std::numeric_limits<float>::infinity(), 0.F, 7.F};
  const std::vector<std::int64_t> integers = {-1, std::numeric_limits<std::int64_t>::max()};
  write_safetensors(folder / "file",
                    {{"a", tensor_of("F32", {2, 3}, floats)},
                     {"b", tensor_of("I64", {2}, integers)},
                     {"empty", make_tensor("F16", {0, 4})},
                     {"scalar", tensor_of("BF16", {}, std::vector<std::uint16_t>{0x3f80})}},
                    {{"scale", "0.125"}, {"text", "a \"quoted\" line"}});
  const SafetensorsFile file(folder / "file");
  CHECK(file.tensors().size() == 4);
  CHECK(file.metadata().at("scale") == "0.125");
  CHECK(file.metadata().at("text") == "a \"quoted\" line");
  const Tensor a = file.read("a");
  CHECK(a.dtype == "F32");
  CHECK(a.shape == std::vector<std::int64_t>{2, 3});
  CHECK(std::vector<float>(a.as<float>().begin(), a.as<float>().end()) == floats);
  const Tensor b = file.read("b");
  CHECK(std::vector<std::int64_t>(b.as<std::int64_t>().begin(), b.as<std::int64_t>().end()) == integers);
  CHECK(file.read("empty").data.empty());
  const Tensor scalar = file.read("scalar");
  CHECK(scalar.as<std::uint16_t>()[0] == 0x3f80);
  CHECK(file.info("b").begin % 8 == 0);  // aligned in the file's data
}

TEST_CASE("gaps_between_tensors_and_spaces_after_the_header_are_allowed") {
  CHECK(complaint_about_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}}      )") == "");
  CHECK(complaint_about_header("{}", 0) == "");
}

TEST_CASE("a_file_that_is_no_safetensors_file_is_named_so") {
  const Folder folder;
  CHECK(sentence_of([&] { SafetensorsFile(folder / "none"); }) == "no such file");
  CHECK(sentence_of([&] { SafetensorsFile(std::filesystem::path(folder / ".")); }) == "not a regular file");
  CHECK(sentence_of([&] { SafetensorsFile("/dev/zero"); }) == "not a regular file");
  CHECK(contains(complaint(""), "it has 0 bytes"));
  CHECK(contains(complaint("1234567"), "it has 7 bytes"));
  CHECK(contains(complaint(length_bytes(3) + "{}"), "truncated"));
  CHECK(contains(complaint(length_bytes(100'000'001) + "{}"), "more than 100 MB"));
  CHECK(contains(complaint(length_bytes(~std::uint64_t{0}) + "{}"), "more than 100 MB"));
}

TEST_CASE("a_broken_header_gets_a_sentence") {
  const auto entry = [](const std::string& members) { return R"({"a":{)" + members + "}}"; };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not valid JSON"},
      {"{", "not valid JSON"},
      {"{\"a\": \xff}", "not valid JSON"},
      {"{} {}", "not valid JSON"},
      {"[]", "not an object"},
      {"7", "not an object"},
      {R"({"a":1})", "entry 'a' is not an object"},
      {R"({"a":{},"a":{}})", "'a' twice"},
      {entry(R"("dtype":"U8","dtype":"U8")"), "'dtype' twice"},
      {entry(R"("shape":[1],"data_offsets":[0,1])"), "no dtype"},
      {entry(R"("dtype":"U8","data_offsets":[0,1])"), "no shape"},
      {entry(R"("dtype":"U8","shape":[1])"), "no data_offsets"},
      {entry(R"("dtype":8,"shape":[1],"data_offsets":[0,1])"), "dtype that is not a string"},
      {entry(R"("dtype":"U9","shape":[1],"data_offsets":[0,1])"), "unknown dtype 'U9'"},
      {entry(R"("dtype":"U8","shape":1,"data_offsets":[0,1])"), "shape that is not a list"},
      {entry(R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])"), "whole numbers"},
      {entry(R"("dtype":"U8","shape":[1.5],"data_offsets":[0,1])"), "whole numbers"},
      {entry(R"("dtype":"U8","shape":[1e999],"data_offsets":[0,1])"), "beyond all ranges"},
      {entry(R"("dtype":"U8","shape":["1"],"data_offsets":[0,1])"), "whole numbers"},
      {entry(R"("dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1])"), "whole numbers"},
      {entry(R"("dtype":"U8","shape":[1],"data_offsets":[0])"), "not a pair"},
      {entry(R"("dtype":"U8","shape":[1],"data_offsets":[0,1,2])"), "not a pair"},
      {entry(R"("dtype":"U8","shape":[1],"data_offsets":[1,0])"), "end before they begin"},
      {entry(R"("dtype":"U8","shape":[1],"data_offsets":[16,17])"), "the file has only 16"},
      {entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,16])"), "has 16 bytes, but F32 [3] takes 12"},
      {entry(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"), "more than 2^63"},
      {entry(R"("dtype":"I64","shape":[2305843009213693952],"data_offsets":[0,0])"), "more than 2^63"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
       "'a' and 'b' overlap"},
      {R"({"__metadata__":[]})", "__metadata__ is not an object"},
      {R"({"__metadata__":{"scale":0.125}})", "'scale' is not a string"},
      {R"({"a":{"shape":[[1]]}})", "nested too deeply"},
      {R"({"a":)" + std::string(1'000'000, '['), "nested too deeply"},
      {R"({"a":{"b":)" + std::string(100'000, '{'), "not valid JSON"},
      {entry(R"("shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])"), "more than 16 elements"},
      {"{}" + std::string(1, '\0'), "not valid JSON"},
      {"[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "more than 16 elements"},
      {R"({"a":[{},[],{},[],{},[],{},[],{},[],{},[],{},[],{},[],{}]})", "more than 16 elements"},
  };
  for (const auto& [header, expected] : cases) {
    const std::string sentence = complaint_about_header(header);
    CAPTURE(header.substr(0, 80));
    CAPTURE(sentence);
    CHECK(contains(sentence, expected));
    CHECK(!contains(sentence, "\n"));
  }
}

TEST_CASE("a_shape_with_a_zero_has_no_bytes_however_large_the_rest") {
  CHECK(bytes_of("F32", {std::numeric_limits<std::int64_t>::max(), 0, 7}) == 0);
}

TEST_CASE("names_from_a_file_can_not_write_to_the_terminal") {
  const std::string sentence = complaint_about_header("{\"\\u001b[31mred\\n\\u009b31m \\u00c2\\u00a0\":1}");
  CHECK(contains(sentence, "'?[31mred??31m \u00c2\u00a0'"));
}

TEST_CASE("many_tensors_take_no_more_than_their_share_of_time_and_too_many_are_refused") {
  const auto header = [](int tensors) {
    std::string text = "{";
    for (int i = 0; i < tensors; ++i)
      text.append(i > 0 ? ",\"" : "\"")
          .append(std::to_string(i))
          .append("\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[")
          .append(std::to_string(i) + "," + std::to_string(i + 1) + "]}");
    return text + "}";
  };
  const auto start = std::chrono::steady_clock::now();
  CHECK(complaint_about_header(header(100'000), 100'000) == "");
  CHECK(contains(complaint_about_header(header(300'000), 300'000), "more than 262144 names"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
}

TEST_CASE("a_missing_tensor_and_an_unwritable_file_are_named") {
  const Folder folder;
  write_safetensors(folder / "file", {});
  CHECK(sentence_of([&] { (void)SafetensorsFile(folder / "file").read("x"); }) == "tensor 'x' is missing");
  CHECK(contains(sentence_of([&] { write_safetensors(folder / "none/file", {}); }), "can't be written"));
}
