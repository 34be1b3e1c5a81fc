// The host's streaming-read ceiling: every reader reads everything, the fastest is found, and a part above it is told.
#include "ceiling.hpp"

#include "copies.hpp"
#include "median.hpp"
#include "readers.hpp"

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace santa_bench;

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;

std::vector<std::byte> random_bytes(std::size_t count) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

std::uint64_t plain_sum(const std::vector<std::byte>& bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += std::to_integer<std::uint64_t>(bytes[i]) << (8 * (i % 8));
  return sum;
}

std::string fault(const CeilingCheck& check) {
  try {
    check.finish();
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("every reader reads every byte once") {
  for (const std::size_t count : {0, 1, 8, 63, 64, 1000, 4096, 262144, 3145728, 3145789}) {
    const std::vector<std::byte> bytes = random_bytes(count);
    for (const Reader& reader : readers) {
      CAPTURE(count);
      CAPTURE(reader.name);
      CHECK(read_all(Space(), reader, bytes.data(), bytes.size()) == plain_sum(bytes));
    }
  }
}

TEST_CASE("readers differ in name and in what they do") {
  std::set<std::string> names;
  std::set<std::pair<std::uint64_t (*)(const std::byte*, std::size_t), bool>> ways;
  for (const Reader& reader : readers) {
    names.insert(reader.name);
    ways.insert({reader.add_up, reader.dealt});
  }
  CHECK(names.size() == std::size(readers));
  CHECK(ways.size() == std::size(readers));
}

TEST_CASE("the fastest reader is the one with the least median, not with the least time") {
  CHECK(fastest({{3., 3., 3.}, {1., 4., 4.}, {2., 2., 9.}, {3., 2.5, 2.5}}) == 2);
  CHECK(fastest({{1.}}) == 0);
  CHECK(median({5., 1., 3.}) == 3.);
}

TEST_CASE("the best reader is one of the table, and its rate is that of all copies") {
  const std::vector<std::byte> bytes = random_bytes(1 << 20);
  std::size_t taken = 0;
  const auto best = best_reader(Space(), 2, bytes.size() / 2, 3, [&](std::size_t copy) {
    ++taken;
    return bytes.data() + copy * bytes.size() / 2;
  });
  CHECK(taken == 2 * 4 * std::size(readers));  // rounds and one that does not count
  CHECK(best.reader >= std::begin(readers));
  CHECK(best.reader < std::end(readers));
  CHECK(best.gb_s > 0.);
  CHECK(std::isfinite(best.gb_s));
}

TEST_CASE("readers that disagree are no ceiling") {
  const std::vector<std::byte> bytes = random_bytes(4096);
  std::size_t taken = 0;
  const auto data = [&](std::size_t) { return bytes.data() + 8 * taken++; };
  CHECK_THROWS_WITH_AS(best_reader(Space(), 1, 64, 1, data), "readers disagree: 2 streams", std::runtime_error);
}

TEST_CASE("a row above its ceiling is told, up to 1.02 is not") {
  CeilingCheck check;
  CHECK(fault(check).empty());
  check.set("exact", 0.97);
  check.set("mass-unit", 1.02);
  CHECK(fault(check).empty());
  check.set("exact", 1.0201);
  CHECK(fault(check) ==
        "\"exact\" reaches 1.020 of its ceiling; accepted: up to 1.02 (1 of 2 rows are above): no reader was fast "
        "enough, "
        "or a cache held the data");
  check.set("systematic", 1.35);
  CHECK(fault(check).find("\"systematic\" reaches 1.350 of its ceiling; accepted: up to 1.02 (2 of 3 rows") == 0);
}

TEST_CASE("a part that is no number is told as well") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    CeilingCheck check;
    check.set("exact", 1.5);
    check.set("mass-unit", bad);
    check.set("systematic", 1.1);
    CHECK(fault(check).find("\"mass-unit\"") == 0);
  }
}

TEST_CASE("a row that is measured again replaces the former") {
  CeilingCheck check;
  check.set("exact", 1.5);
  check.set("exact", 0.8);
  CHECK(fault(check).empty());
}

TEST_CASE("last-level caches are added up, each once") {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "santa_test_bench_processors";
  const auto add = [&](const char* processor, const char* sharing, const char* size) {
    const auto cache = folder / processor / "cache" / "index3";
    std::filesystem::create_directories(cache);
    std::ofstream(cache / "shared_cpu_list") << sharing << '\n';
    std::ofstream(cache / "size") << size << '\n';
  };
  std::filesystem::remove_all(folder);
  CHECK(santa::example::last_level_cache_bytes(folder) == 64 << 20);  // nothing known
  std::filesystem::create_directories(folder / "cpufreq");
  CHECK(santa::example::last_level_cache_bytes(folder) == 64 << 20);
  add("cpu0", "0-1", "32768K");
  add("cpu1", "0-1", "32768K");
  CHECK(santa::example::last_level_cache_bytes(folder) == 32 << 20);
  add("cpu2", "2-3", "16M");
  CHECK(santa::example::last_level_cache_bytes(folder) == 48 << 20);
  std::filesystem::remove_all(folder);
}

TEST_CASE("copies are more than the last-level cache holds, at least two, and all filled") {
  CHECK(rotation_bytes() >= 8 * santa::example::last_level_cache_bytes());
  CHECK(copies_of(1 << 20) * (1 << 20) >= rotation_bytes());
  CHECK(copies_of(2 * rotation_bytes()) == 2);
  for (const std::size_t size : {1, 6, 7, 8, 1000}) {
    std::vector<int> data(3 * size, -1);
    fill_copies(Space(), data.data(), size, 3, std::vector<int>{0, 1, 2, 3, 4, 5, 6});
    for (std::size_t i = 0; i < data.size(); ++i) CHECK(data[i] == static_cast<int>(i % size % 7));
  }
}
