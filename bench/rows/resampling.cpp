// Resampling n rows by n double log-weights, beside what codes do without the library: one table.
//
//   santa_resampling_bench [rows,rows,... [repeats [folder]]]        default: 100000,1000000,10000000, 5 repeats
//
// std::discrete_distribution draws one by one, on one thread; "prefix sum and search" is exp, a scan and a binary
// search for each of n systematic points, on all threads (CUDA: thrust's scan and search, which are CUB's). Both are
// given the largest log-weight. Times are the least of the repeats, for machines that are shared; the ceiling is a sum
// of the log-weights, read once. Every result is checked: ancestors in range, and by systematic rules each row floor or
// ceil of n p times. Into the folder go log_weights.<rows>.f64, which beside_particle_filters.py gives to others.
//
// "of ceiling": the time that reading the log-weights takes, as often as the rule must read them, in that of the rule.
#include <santa/rows/resample.hpp>

#include <Kokkos_Core.hpp>

#if defined(KOKKOS_ENABLE_CUDA)
#include <thrust/binary_search.h>
#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/scan.h>
#endif

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <system_error>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Doubles = Kokkos::View<double*, Memory>;
using Ancestors = Kokkos::View<std::int32_t*, Memory>;
using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;

Doubles random_log_weights(std::int64_t n) {
  const Doubles result(Kokkos::view_alloc(Kokkos::WithoutInitializing, "log_weights"), n);
  Kokkos::parallel_for(
      "log_weights", Range(0, n), KOKKOS_LAMBDA(std::int64_t i) {  // nearly normal, of spread 2
        const auto random = santa::Philox4x32::generate({{static_cast<std::uint32_t>(i), 0, 0, 0}}, {{1, 2}});
        double sum = 0.;
        for (const std::uint32_t word : random.word) sum += static_cast<double>(word) * 0x1p-32 - 0.5;
        result(i) = 2. * Kokkos::sqrt(3.) * sum;
      });
  return result;
}

template <class F>
double least_seconds(int repeats, const F& f) {
  std::vector<double> seconds;
  for (int i = -1; i < repeats; ++i) {  // one to warm up
    Space().fence();
    const Kokkos::Timer timer;
    f(i + 1);
    Space().fence();
    if (i >= 0) seconds.push_back(timer.seconds());
  }
  return *std::min_element(seconds.begin(), seconds.end());
}

/// exp, scan, search: memory is given, as a plan's is.
class PrefixSum {
 public:
  explicit PrefixSum(std::int64_t n) : _sums("sums", n), _largest("largest") {}

  void run(const Doubles& log_weights, const Ancestors& ancestors, double offset) const {
    const auto n = static_cast<std::int64_t>(log_weights.extent(0));
    const Doubles sums = _sums;
    const auto largest = _largest;
    Kokkos::parallel_reduce(
        "largest", Range(0, n),
        KOKKOS_LAMBDA(std::int64_t i, double& most) {
          if (log_weights(i) > most) most = log_weights(i);
        },
        Kokkos::Max<double, Memory>(largest));
    scan(log_weights, n);
    Kokkos::parallel_for(
        "points", Range(0, n), KOKKOS_LAMBDA(std::int64_t k) {
          const double point = (static_cast<double>(k) + offset) / static_cast<double>(n) * sums(n - 1);
          std::int64_t low = 0, high = n - 1;
          while (low < high) {
            const std::int64_t middle = (low + high) / 2;
            if (sums(middle) > point)
              high = middle;
            else
              low = middle + 1;
          }
          ancestors(k) = static_cast<std::int32_t>(low);
        });
  }

  void scan(const Doubles& log_weights, std::int64_t n) const {
    const Doubles sums = _sums;
    const auto largest = _largest;
#if defined(KOKKOS_ENABLE_CUDA)
    const auto weights = thrust::make_transform_iterator(
        thrust::counting_iterator<std::int64_t>(0),
        KOKKOS_LAMBDA(std::int64_t i) { return Kokkos::exp(log_weights(i) - largest()); });
    thrust::inclusive_scan(thrust::cuda::par.on(Space().cuda_stream()), weights, weights + n, sums.data());
#else
    Kokkos::parallel_scan(
        "scan", Range(0, n), KOKKOS_LAMBDA(std::int64_t i, double& sum, bool final) {
          sum += Kokkos::exp(log_weights(i) - largest());
          if (final) sums(i) = sum;
        });
#endif
  }

 private:
  Doubles _sums;
  Kokkos::View<double, Memory> _largest;
};

/// One by one, on the host.
template <class HostAncestors>
void draw_one_by_one(const std::vector<double>& weights, const HostAncestors& ancestors, int seed) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::discrete_distribution<std::int32_t> draw(weights.begin(), weights.end());
  for (std::size_t i = 0; i < ancestors.extent(0); ++i) ancestors(i) = draw(random);
}

class Table {
 public:
  Table(std::int64_t n, int repeats)
      : _n(n), _repeats(repeats), _log_weights(random_log_weights(n)), _ancestors("ancestors", n) {
    begin();
  }

  void begin() {
    const std::int64_t n = _n;
    const Doubles log_weights = _log_weights;
    double sum = 0.;
    _reading = least_seconds(_repeats, [&](int) {
      Kokkos::parallel_reduce(
          "read", Range(0, n), KOKKOS_LAMBDA(std::int64_t i, double& total) { total += log_weights(i); }, sum);
    });
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, log_weights);
    _weights.reserve(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) _weights.push_back(std::exp(here(i)));
    std::printf("\n%ld rows; reading them once: %.3f ms, %.1f GB/s (a sum of %.3g)\n", static_cast<long>(n),
                1e3 * _reading, bytes() / _reading * 1e-9, sum);
    std::printf("%-28s %12s %10s %12s %10s %11s\n", "", "ms", "ns a row", "GB/s read", "readings", "of ceiling");
  }

  template <class Rule>
  void rule(const char* name, int passes, double most_off) {
    const santa::ResamplePlan plan(Space(), Rule{.samples = _n}, 1, _n);
    line(name, passes, most_off,
         least_seconds(_repeats, [&](int i) { plan.run(Space(), _log_weights, _ancestors, {.seed = 7, .step = i}); }));
  }
  void others() {
    const PrefixSum prefix(_n);
    line("prefix sum and search", 2, 1.,
         least_seconds(_repeats, [&](int i) { prefix.run(_log_weights, _ancestors, 0.1 + 0.05 * (i % 10)); }));
    const auto here = Kokkos::create_mirror_view(_ancestors);
    const double seconds =
        least_seconds(_repeats > 2 ? 2 : _repeats, [&](int i) { draw_one_by_one(_weights, here, i); });
    Kokkos::deep_copy(_ancestors, here);
    line("std::discrete_distribution", 1, HUGE_VAL, seconds);
  }
  [[nodiscard]] bool right() const { return _right; }
  [[nodiscard]] bool write(const std::string& folder) const {
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _log_weights);
    std::ofstream file(folder + "/log_weights." + std::to_string(_n) + ".f64", std::ios::binary);
    file.write(reinterpret_cast<const char*>(here.data()), static_cast<std::streamsize>(bytes()));
    return file.good();
  }

 private:
  [[nodiscard]] double bytes() const { return 8. * static_cast<double>(_n); }

  void line(const char* name, int passes, double most_off, double seconds) {
    std::printf("%-28s %12.3f %10.2f %12.1f %10.1f %11.2f%s\n", name, 1e3 * seconds,
                1e9 * seconds / static_cast<double>(_n), passes * bytes() / seconds * 1e-9, seconds / _reading,
                passes * _reading / seconds, check(most_off) ? "" : "   WRONG");
  }
  /// Whether no row comes more than this more or less often than n p times, but for what sums of doubles lose.
  bool check(double most_off) {
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _ancestors);
    std::vector<std::int32_t> counts(static_cast<std::size_t>(_n), 0);
    bool good = true;
    for (std::int64_t i = 0; i < _n; ++i) {
      if (here(i) < 0 || here(i) >= _n) return _right = false;
      ++counts[static_cast<std::size_t>(here(i))];
    }
    double sum = 0.;
    for (const double w : _weights) sum += w;
    for (std::size_t i = 0; i < counts.size(); ++i)
      good = good && std::fabs(counts[i] - static_cast<double>(_n) * _weights[i] / sum) < most_off + 1e-3;
    _right = _right && good;
    return good;
  }

  std::int64_t _n;
  int _repeats;
  Doubles _log_weights;
  Ancestors _ancestors;
  std::vector<double> _weights;
  double _reading = 0.;
  bool _right = true;
};

/// Whole numbers by comma; none where the text is no such list.
std::vector<std::int64_t> numbers(const char* text, std::int64_t least, std::int64_t most) {
  std::vector<std::int64_t> result;
  const char* const end = text + std::strlen(text);
  for (const char* at = text;; ++at) {
    std::int64_t number = 0;
    const auto read = std::from_chars(at, end, number);
    if (read.ec != std::errc() || number < least || number > most) return {};
    result.push_back(number);
    if (read.ptr == end) return result;
    if (*read.ptr != ',') return {};
    at = read.ptr;
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const auto rows =
      argc > 1 ? numbers(argv[1], 1, std::int64_t{1} << 30) : std::vector<std::int64_t>{100000, 1000000, 10000000};
  const auto repeats = argc > 2 ? numbers(argv[2], 1, 1000) : std::vector<std::int64_t>{5};
  if (rows.empty() || repeats.size() != 1 || argc > 4) {
    std::fprintf(stderr, "usage: santa_resampling_bench [rows,rows,... [repeats [folder]]], rows up to 2^30\n");
    return 2;
  }
  std::printf("resampling n rows by n double log-weights on %s, %d threads; the least of %ld\n", Space::name(),
              Space().concurrency(), static_cast<long>(repeats[0]));
  bool right = true;
  for (const std::int64_t n : rows) {
    Table table(n, static_cast<int>(repeats[0]));
    table.rule<santa::Systematic>("santa, systematic", 2, 1.);
    table.rule<santa::Stratified>("santa, stratified", 2, 2.);
    table.rule<santa::Residual>("santa, residual", 3, HUGE_VAL);
    table.rule<santa::Multinomial>("santa, multinomial", 2, HUGE_VAL);
    table.others();
    right = right && table.right();
    if (argc == 4 && !table.write(argv[3])) {
      std::fprintf(stderr, "santa_resampling_bench: can't write into %s\n", argv[3]);
      return 1;
    }
  }
  return right ? 0 : 1;
}
