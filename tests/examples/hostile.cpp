// Broken files, several hundred of them: each gets one sentence, soon and in little memory; right ones still load.
#include "decode/capture.hpp"
#include "hostile_files.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

using namespace santa::example;
using namespace santa::example::test;

namespace {

/// What the program would say: read_capture's own sentence, or nothing. Anything but a UserError escapes.
std::string complaint(const Folder& folder, const std::string& bytes) {
  write_bytes(folder / "file", bytes);
  return sentence_of([&] { (void)read_capture(folder / "file"); });
}

/// One line of a size that a terminal shows, in characters that do nothing to it.
bool is_clear(const std::string& sentence) {
  const auto harmless = [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7f'; };
  return sentence.size() < 1000 && contains(sentence, "file: ") && !contains(sentence, "\xc2\x9b") &&
         std::all_of(sentence.begin(), sentence.end(), harmless);
}

/// The most memory that this process has had, in MiB.
double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.;
}

}  // namespace

TEST_CASE("hundreds_of_broken_files_get_a_sentence_each") {
  const std::vector<HostileFile> files = HostileFiles().all();
  const Folder folder;
  std::set<std::string> distinct;
  const double memory = peak_memory();
  for (const HostileFile& file : files) {
    CAPTURE(file.what);
    const auto start = std::chrono::steady_clock::now();
    const std::string sentence = complaint(folder, file.bytes);
    CAPTURE(sentence);
    CHECK(is_clear(sentence));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
    distinct.insert(file.bytes);
  }
  CHECK(distinct.size() >= 200);
  MESSAGE(distinct.size() << " different broken files");
  // The largest is of one megabyte. What a sanitizer holds back is the rest.
  CHECK(peak_memory() - memory < 512.);
}

TEST_CASE("a_header_with_any_one_byte_changed_loads_or_gets_a_sentence") {
  const HostileFiles files;
  const Folder folder;
  std::string bytes = files.whole();
  int loaded = 0;
  const std::size_t end = 8 + files.header().size();
  for (std::size_t i = 0; i < end; ++i) {
    const char right = bytes[i];
    for (const int change : {0x01, 0x10, 0x80}) {
      bytes[i] = static_cast<char>(static_cast<unsigned char>(right) ^ static_cast<unsigned>(change));
      const std::string sentence = complaint(folder, bytes);
      CAPTURE(i);
      CAPTURE(sentence);
      loaded += sentence.empty() ? 1 : 0;
      CHECK((sentence.empty() || is_clear(sentence)));
    }
    bytes[i] = right;
  }
  CHECK(loaded > 0);  // "0.25" may become "0.24"
  CHECK(complaint(folder, bytes) == "");
}

TEST_CASE("unusual_but_right_files_load") {
  const HostileFiles files;
  const Folder folder;
  const nlohmann::json header = nlohmann::json::parse(files.header());
  nlohmann::json more = header;
  more["layers.x.query"] = {{"dtype", "U8"}, {"shape", {0}}, {"data_offsets", {0, 0}}};
  more["\n"] = {{"dtype", "F64"}, {"shape", {9223372036854775807, 0}}, {"data_offsets", {7, 7}}};
  more["layers.0.key"]["note"] = "unknown members are nothing to complain about";
  more["__metadata__"]["model"] = "\u001b[31m";
  std::string escaped = header.dump();
  escaped.replace(escaped.find("layers.0.key"), 12, "l\\u0061yers.0.key");
  CHECK(complaint(folder, files.whole()) == "");
  CHECK(complaint(folder, files.whole() + "trailing bytes") == "");
  CHECK(complaint(folder, files.with_header(header.dump(4))) == "");
  CHECK(complaint(folder, files.with_header(header.dump() + std::string(100'000, ' '))) == "");
  CHECK(complaint(folder, files.with_header(escaped)) == "");
  CHECK(complaint(folder, files.with_header(more.dump())) == "");
  CHECK(read_capture(folder / "file").model == "?[31m");
}

// Seeds for the fuzzer: CORPUS=folder santa_test_examples --test-case=write_the_broken_files --no-skip
TEST_CASE("write_the_broken_files" * doctest::skip()) {
  const char* const folder = std::getenv("CORPUS");
  REQUIRE(folder != nullptr);
  std::filesystem::create_directories(folder);
  const HostileFiles right;
  std::vector<HostileFile> files = right.all();
  files.push_back({"right", right.whole()});
  for (std::size_t i = 0; i < files.size(); ++i)
    if (files[i].bytes.size() < 8192)
      write_bytes(std::filesystem::path(folder) / ("file_" + std::to_string(i)), files[i].bytes);
}
