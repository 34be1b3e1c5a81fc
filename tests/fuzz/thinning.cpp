// A libFuzzer target: any bytes, read as rows, thin to rows of the set, and recombine to weights that hold sums.
#include <santa/rows/best_thinning.hpp>
#include <santa/rows/recombine.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

using namespace santa::detail;
using Indices = std::vector<std::int64_t>;

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

/// Bytes as numbers: doubles of any kind, or small ones, of which many are the same.
std::vector<double> numbers_of(const std::uint8_t* data, std::size_t size, bool doubles) {
  std::vector<double> result;
  if (doubles)
    for (; size >= 8; data += 8, size -= 8) {
      double number = 0.;
      std::memcpy(&number, data, 8);
      result.push_back(number);
    }
  else
    for (std::size_t i = 0; i < size; ++i) result.push_back(0.25 * (static_cast<double>(data[i]) - 128.));
  return result;
}

/// The kernels of thinning one after the other, without Kokkos' run time.
template <class Kernel, bool stein>
struct Thinning {
  KernelRows<Kernel, stein> rows;
  std::int64_t size;
  std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(BlockMemory::words);
  std::vector<double> work;

  ThreadBlock block() { return {{memory.data()}}; }
  template <class Sets>
  Sets of(const Indices& from, std::int64_t each) {
    Sets kernel{};
    kernel.all = rows;
    kernel.rows = from.data();
    kernel.size = each;
    work.assign(static_cast<std::size_t>(Sets::work_of(rows, size / each, each)), 0.);
    kernel.work = work.data();
    kernel.log_term = 8.;
    kernel.numbers = {{1, 2, 3, 4}, 0};
    return kernel;
  }

  Indices halve(const Indices& from) {
    Indices to(from.size() / 2);
    auto kernel = of<HalveSets<Kernel, stein>>(from, size);
    kernel.kept = to.data();
    kernel.first_coin = size;
    kernel(block(), 0);
    return to;
  }
  /// To a quarter.
  Indices thin(const Indices& from) {
    Indices halves(from.size()), parts(from.size()), kept(from.size() / 4);
    auto first = of<SplitSets<Kernel, stein>>(from, size);
    first.halves = halves.data();
    first(block(), 0);
    auto second = of<SplitSets<Kernel, stein>>(halves, size / 2);
    second.halves = parts.data();
    for (const int set : {0, 1}) second(block(), set);
    Candidates<Kernel, stein> candidates{rows, parts.data(), size, size / 4, nullptr, stein, nullptr};
    const std::int64_t padded = rows.padded(candidates.count());
    std::vector<double> places(static_cast<std::size_t>((rows.features() + candidates.extras) * padded)), distance(5);
    candidates.work = places.data();
    candidates.distance = distance.data();
    for (std::int64_t i = 0; i < padded; ++i) LoadCandidates<Kernel, stein>{candidates, from.data()}(i);
    for (std::int64_t i = 0; i < candidates.count(); ++i) MeanKernels<Kernel, stein>{candidates}(i);
    for (std::int64_t c = 0; c < candidates.candidates(); ++c)
      CandidateDistances<Kernel, stein>{candidates}(block(), c);
    BestCandidate<Kernel, stein>{candidates, kept.data(), from.data()}(block(), 0);
    return kept;
  }
};

void check_rows(const Indices& rows, std::int64_t size, bool once) {
  for (const std::int64_t row : rows) require(row >= 0 && row < size, "a kept row is one of the set");
  Indices sorted = rows;
  std::sort(sorted.begin(), sorted.end());
  if (once) require(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(), "halving keeps a row once");
}

template <class Kernel, bool stein>
void check_thinning(const std::vector<double>& data, std::int64_t size, int dim, const Kernel& kernel) {
  Thinning<Kernel, stein> thinning{{kernel, data.data(), size, dim}, size};
  Indices all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), 0);
  check_rows(thinning.halve(all), size, true);
  check_rows(thinning.thin(all), size, false);
}

void check_recombination(const std::vector<double>& data, std::int64_t size, int features) {
  if (!std::all_of(data.begin(), data.end(), [](double x) { return std::fabs(x) < 1e6; })) return;
  const std::vector<double> ones(static_cast<std::size_t>(size), 1.);
  WeightedColumns of;
  of.feature.push_back(ones.data());
  for (int f = 0; f < features; ++f) of.feature.push_back(data.data() + f * size);
  std::vector<double> before(of.feature.size(), 0.);
  for (std::int64_t i = 0; i < size; ++i) {
    of.column.push_back(i);
    of.weight.push_back(1. / static_cast<double>(size));
    for (std::size_t f = 0; f < before.size(); ++f) before[f] += of.feature[f][i] / static_cast<double>(size);
  }
  recombine(of);
  require(of.column.size() <= of.feature.size(), "no more columns than features");
  for (const double w : of.weight) require(w > 0. && w < 1.5, "weights are positive and none above the whole");
  double largest = 1.;
  for (const double x : data) largest = std::fmax(largest, std::fabs(x));
  require(most_off(of, before) < 1e-9 * largest, "sums are held");
}

}  // namespace

/// Two bytes: the rows, and how the others are read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::int64_t rows = 4 * (1 + data[0] % 40);
  const int dim = 1 + data[1] % 3;
  std::vector<double> numbers = numbers_of(data + 2, size - 2, data[1] >= 128);
  if (numbers.empty()) return 0;
  const std::vector<double> given = numbers;
  const auto wanted = static_cast<std::size_t>(2 * dim * rows);
  while (numbers.size() < wanted) numbers.insert(numbers.end(), given.begin(), given.end());
  numbers.resize(wanted);
  check_thinning<santa::GaussianKernel, false>(numbers, rows, dim, {1.});
  check_thinning<santa::InverseMultiquadric, true>(numbers, rows, dim, {2.});
  check_recombination(numbers, rows, 2 * dim);
  return 0;
}
