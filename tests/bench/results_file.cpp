// Files of results that can't be written are told, before the work where that is possible.
#include "results_file.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

using namespace santa_bench;

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("a file of results keeps what it holds until there is something to write") {
  const auto path = std::filesystem::temp_directory_path() / "santa_test_results.json";
  write_results(path.string(), "old");
  require_writable(path.string());
  CHECK(content_of(path) == "old");
  write_results(path.string(), "new");
  CHECK(content_of(path) == "new");
  std::filesystem::remove(path);
}

TEST_CASE("a file of results that can't be opened or filled is an error") {
  CHECK_THROWS_WITH_AS(require_writable("/no/such/folder/file"), "can't write /no/such/folder/file",
                       std::runtime_error);
  CHECK_THROWS_AS(write_results("/no/such/folder/file", "text"), std::runtime_error);
  if (std::filesystem::exists("/dev/full")) CHECK_THROWS_AS(write_results("/dev/full", "text"), std::runtime_error);
}
