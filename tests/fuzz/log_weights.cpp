// A libFuzzer target: any bytes, read as log-weights, resample to ancestors that are rows of weight, or to none.
#include <santa/rows/ancestors.hpp>
#include <santa/rows/cell_table.hpp>
#include <santa/rows/residual.hpp>
#include <santa/rows/whole_mass.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

namespace {

using namespace santa::detail;

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

/// The kernels of resampling one after the other, without Kokkos' run time.
struct Resampling {
  std::vector<double> log_weights;
  std::int64_t samples;
  std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(BlockMemory::words);
  std::vector<BlockSum> sums;
  std::vector<double> share;
  std::vector<std::uint64_t> begin;
  std::vector<BlockRest> rests;
  std::vector<std::uint32_t> groups, table;
  std::vector<std::int64_t> ancestors;
  WholeMass whole{};
  double log_mean = 0., effective = 0.;

  Resampling(const std::vector<double>& given, std::int64_t count) : log_weights(given), samples(count) {
    const auto blocks = static_cast<std::size_t>(rows().blocks());
    sums.resize(blocks);
    share.resize(blocks);
    begin.resize(blocks + 1);
    rests.resize(blocks + 1);
    table.resize(static_cast<std::size_t>(samples));
    ancestors.assign(table.size(), -7);
    run(SumBlocks<double, false>{rows(), sums.data(), &whole, true}, blocks);
    run(LayOutBlocks{rows().blocks(), rows().rows, static_cast<std::uint64_t>(samples), sums.data(), share.data(),
                     begin.data(), &whole, &log_mean, &effective},
        1);
  }

  [[nodiscard]] LogRows<double> rows() const {
    return {log_weights.data(), {0, 1}, static_cast<std::int64_t>(log_weights.size())};
  }
  AncestorList<std::int64_t> list() { return {ancestors.data(), samples, samples, nullptr}; }
  BlockPlaces<double> places() {
    return {rows(), sums.data(), begin.data(), &whole, static_cast<std::uint64_t>(samples)};
  }
  template <class Kernel>
  void run(const Kernel& kernel, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) kernel(ThreadBlock{{memory.data()}}, static_cast<std::int64_t>(i));
  }
  template <class Points>
  void draw() {
    run(WriteAncestors<double, std::int64_t, Points, false>{places(), {}, table.data(), list()}, sums.size());
  }
  void draw_residual() {
    run(SumRests<double>{places(), rests.data()}, sums.size());
    run(LayOutRests{rows().blocks(), static_cast<std::uint64_t>(samples), rests.data(), &whole}, 1);
    CellTable cells{{}, samples, &whole, nullptr, table.data()};
    groups.assign(static_cast<std::size_t>(cells.group_count()) + 1, 0);
    cells.groups = groups.data();
    for (std::int64_t i = 0; i < cells.pairs(); ++i) CountGroups{cells}(i);
    run(SumGroups{cells}, 1);
    run(FillCells{cells}, static_cast<std::size_t>(cells.group_count()));
    run(WriteResidualAncestors<double, std::int64_t>{places(), {}, table.data(), list(), rests.data()}, sums.size());
  }
};

/// What holds for any log-weights; rows come within `more` and `less` of their expected number.
void check(const Resampling& of, double more, double less) {
  const auto is_bad = [](double x) { return !(x < HUGE_VAL); };
  const auto n = of.log_weights.size();
  const bool bad = std::any_of(of.log_weights.begin(), of.log_weights.end(), is_bad);
  double most = -HUGE_VAL;
  for (const double x : of.log_weights) most = std::fmax(most, x);
  if (bad || most == -HUGE_VAL) {
    for (const std::int64_t a : of.ancestors) require(a == -1, "no ancestors where nothing can be drawn");
    require(bad ? std::isnan(of.log_mean) : of.log_mean == -HUGE_VAL, "evidence of nothing");
    require(bad ? std::isnan(of.effective) : of.effective == 0., "effective sample size of nothing");
    return;
  }
  long double sum = 0.L;
  for (const double x : of.log_weights) sum += std::exp(static_cast<long double>(x) - most);
  const double log_mean = static_cast<double>(most + std::log(sum / static_cast<long double>(n)));
  // A double is the reference: what lies within its rounding of the largest is told to be as large.
  require(std::fabs(of.log_mean - log_mean) <= 1e-12 + 1e-15 * std::fabs(most), "evidence");
  require(of.effective > 1. - 1e-12 && of.effective < static_cast<double>(n) * (1. + 1e-12), "effective sample size");
  std::vector<double> counts(n, 0.);
  for (std::size_t i = 0; i < of.ancestors.size(); ++i) {
    const std::int64_t a = of.ancestors[i];
    require(a >= 0 && a < static_cast<std::int64_t>(n), "an ancestor is a row");
    require(i == 0 || of.ancestors[i - 1] <= a, "ancestors are in order");
    require(of.log_weights[static_cast<std::size_t>(a)] > -HUGE_VAL, "an ancestor has a weight");
    counts[static_cast<std::size_t>(a)] += 1.;
  }
  for (std::size_t i = 0; i < n; ++i) {
    const auto expected = static_cast<double>(static_cast<long double>(of.samples) *
                                              std::exp(static_cast<long double>(of.log_weights[i]) - most) / sum);
    require(counts[i] - expected < more + 1e-9 && expected - counts[i] < less + 1e-9, "as often as its weight says");
  }
}

double of_byte(std::uint8_t byte) {
  if (byte == 255) return -HUGE_VAL;
  if (byte == 254) return HUGE_VAL;
  if (byte == 253) return std::numeric_limits<double>::quiet_NaN();
  return 0.5 * (static_cast<double>(byte) - 128.);
}

}  // namespace

/// Two bytes: the samples, and how often the numbers that follow are repeated; then doubles, or bytes as small numbers.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::int64_t samples = 1 + 37 * std::int64_t{data[0]};
  const std::size_t repeats = 1 + data[1] % 64;
  const bool doubles = data[1] >= 64;
  data += 2;
  size -= 2;
  std::vector<double> numbers;
  if (doubles)
    for (; size >= 8; data += 8, size -= 8) {
      double number = 0.;
      std::memcpy(&number, data, 8);
      numbers.push_back(number);
    }
  else
    for (std::size_t i = 0; i < size; ++i) numbers.push_back(of_byte(data[i]));
  std::vector<double> log_weights;
  for (std::size_t i = 0; i < repeats && log_weights.size() < 10000; ++i)
    log_weights.insert(log_weights.end(), numbers.begin(), numbers.end());
  if (log_weights.empty()) return 0;
  Resampling systematic(log_weights, samples), stratified(log_weights, samples), residual(log_weights, samples);
  systematic.draw<SpacedPoints>();
  check(systematic, 1., 1.);
  stratified.draw<StratumPoints>();
  check(stratified, 2., 2.);
  residual.draw_residual();
  check(residual, HUGE_VAL, 1.);
  return 0;
}
