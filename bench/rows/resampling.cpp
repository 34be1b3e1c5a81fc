// Resampling n rows by n double log-weights, beside what codes do without the library: one table.
//
//   santa_resampling_bench [rows,rows,... [repeats [folder]]]        default: 100000,1000000,10000000, 5 repeats
//
// std::discrete_distribution draws one by one, on one thread, up to 10^6 times: its time is that of its table and n
// times that of a draw. "prefix sum and search" is exp, a scan and a binary search for each of n systematic points, on
// all threads (CUDA: CUB's scan, in memory that is given, and thrust's search). It finds the largest log-weight; the
// other is given weights. Times are the least of the repeats, for machines that are shared; the ceiling is the fastest
// reading of the log-weights, once, by all threads (hosts: of the 16 readers of readers.hpp). Every result is checked:
// ancestors in range, and by systematic rules each row floor or ceil of n p times. Into the folder go
// log_weights.<rows>.f64, which beside_particle_filters.py gives to others.
//
// "of ceiling": the time that reading the log-weights takes, as often as the rule must read them, in that of the rule.
#include "readers.hpp"
#include <santa/rows/resample.hpp>

#include <Kokkos_Core.hpp>

#if defined(KOKKOS_ENABLE_CUDA)
#include <thrust/binary_search.h>
#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>

#include <cub/device/device_scan.cuh>
#endif

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
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

/// A device's reader of words.
struct AddWord {
  Kokkos::View<const std::uint64_t*, Memory> data;
  KOKKOS_FUNCTION void operator()(std::int64_t i, std::uint64_t& sum) const { sum += data(i); }
};

/// Bytes that all threads read in a second.
template <class Of>
double reading_ceiling(const Of& space, int repeats) {
  constexpr std::int64_t words = std::int64_t{1} << 27;
  const Kokkos::View<std::uint64_t*, Memory> data("ceiling", words);
  double seconds = HUGE_VAL;
  std::uint64_t total = 0;  // of zeros
  if constexpr (Kokkos::SpaceAccessibility<Kokkos::HostSpace, typename Of::memory_space>::accessible) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(data.data());
    for (const auto& reader : santa_bench::readers)
      seconds = std::min(seconds, least_seconds(repeats, [&](int) {
                           total += santa_bench::read_all(space, reader, bytes, 8 * words);
                         }));
  } else {
    seconds = least_seconds(
        repeats, [&](int) { Kokkos::parallel_reduce("read", Range(space, 0, words), AddWord{data}, total); });
  }
  return total == 0 ? 8. * words / seconds : 0.;
}

/// exp, scan, search: memory is given, as a plan's is.
class PrefixSum {
 public:
  PrefixSum(const Doubles& log_weights, const Ancestors& ancestors)
      : _log_weights(log_weights), _ancestors(ancestors), _sums("sums", log_weights.extent(0)), _largest("largest") {
#if defined(KOKKOS_ENABLE_CUDA)
    std::size_t bytes = 0;
    if (scan(nullptr, bytes) != cudaSuccess) Kokkos::abort("cub::DeviceScan");
    _memory = Kokkos::View<char*, Memory>("memory of the scan", bytes);
#endif
  }

  void run(double offset) {
    const Doubles log_weights = _log_weights;
    Kokkos::parallel_reduce(
        "largest", Range(0, count()),
        KOKKOS_LAMBDA(std::int64_t i, double& most) {
          if (log_weights(i) > most) most = log_weights(i);
        },
        Kokkos::Max<double, Memory>(_largest));
    scan();
    search(offset);
  }

#if defined(KOKKOS_ENABLE_CUDA)
  /// The weight of row i.
  struct Weight {
    Doubles log_weights;
    Kokkos::View<double, Memory> largest;
    KOKKOS_FUNCTION double operator()(std::int64_t i) const { return Kokkos::exp(log_weights(i) - largest()); }
  };
  /// Where point k is.
  struct Point {
    Doubles sums;
    double offset;
    KOKKOS_FUNCTION double operator()(std::int64_t k) const {
      const auto n = static_cast<std::int64_t>(sums.extent(0));
      return (static_cast<double>(k) + offset) / static_cast<double>(n) * sums(n - 1);
    }
  };
  static auto each(const auto& of) {
    return thrust::make_transform_iterator(thrust::counting_iterator<std::int64_t>(0), of);
  }
  cudaError_t scan(void* memory, std::size_t& bytes) const {
    return cub::DeviceScan::InclusiveSum(memory, bytes, each(Weight{_log_weights, _largest}), _sums.data(), count(),
                                         Space().cuda_stream());
  }
  void scan() const {
    std::size_t bytes = _memory.size();
    if (scan(_memory.data(), bytes) != cudaSuccess) Kokkos::abort("cub::DeviceScan");
  }
  void search(double offset) const {
    const auto points = each(Point{_sums, offset});
    thrust::upper_bound(thrust::cuda::par_nosync.on(Space().cuda_stream()), _sums.data(), _sums.data() + (count() - 1),
                        points, points + count(), _ancestors.data());
  }
#else
  void scan() const {
    const Doubles log_weights = _log_weights, sums = _sums;
    const auto largest = _largest;
    Kokkos::parallel_scan(
        "scan", Range(0, count()), KOKKOS_LAMBDA(std::int64_t i, double& sum, bool final) {
          sum += Kokkos::exp(log_weights(i) - largest());
          if (final) sums(i) = sum;
        });
  }
  void search(double offset) const {
    const Doubles sums = _sums;
    const Ancestors ancestors = _ancestors;
    const std::int64_t n = count();
    Kokkos::parallel_for(
        "points", Range(0, n), KOKKOS_LAMBDA(std::int64_t k) {
          const double point = (static_cast<double>(k) + offset) / static_cast<double>(n) * sums(n - 1);
          const double* const found = std::upper_bound(sums.data(), sums.data() + (n - 1), point);
          ancestors(k) = static_cast<std::int32_t>(found - sums.data());
        });
  }
#endif

 private:
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(_log_weights.extent(0)); }

  Doubles _log_weights;
  Ancestors _ancestors;
  Doubles _sums;
  Kokkos::View<double, Memory> _largest;
  Kokkos::View<char*, Memory> _memory;
};

/// One by one, on the host: fills the ancestors, which may be fewer than there are weights. Returns the seconds that as
/// many as the weights take.
template <class HostAncestors>
double seconds_one_by_one(const std::vector<double>& weights, const HostAncestors& ancestors, std::int64_t draws,
                          int seed) {
  const Kokkos::Timer timer;
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::discrete_distribution<std::int32_t> draw(weights.begin(), weights.end());
  const double table = timer.seconds();
  for (std::int64_t i = 0; i < draws; ++i) ancestors(i) = draw(random);
  const double drawn = timer.seconds() - table;
  return table + drawn * static_cast<double>(weights.size()) / static_cast<double>(draws);
}

class Table {
 public:
  /// ceiling: bytes that are read in a second.
  Table(std::int64_t n, int repeats, double ceiling)
      : _n(n),
        _repeats(repeats),
        _log_weights(random_log_weights(n)),
        _ancestors("ancestors", n),
        _reading(bytes() / ceiling) {
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _log_weights);
    _weights.reserve(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) _weights.push_back(std::exp(here(i)));
    std::printf("\n%ld rows; reading them once: %.4f ms\n", static_cast<long>(n), 1e3 * _reading);
    std::printf("%-28s %12s %10s %12s %10s %11s\n", "", "ms", "ns a row", "GB/s read", "readings", "of ceiling");
  }

  template <class Rule>
  void rule(const char* name, int passes, double most_off) {
    const santa::ResamplePlan plan(Space(), Rule{.samples = _n}, 1, _n);
    line(name, passes, most_off,
         least_seconds(_repeats, [&](int i) { plan.run(Space(), _log_weights, _ancestors, {.seed = 7, .step = i}); }));
  }
  void others() {
    PrefixSum prefix(_log_weights, _ancestors);
    line("prefix sum and search", 2, 1., least_seconds(_repeats, [&](int i) { prefix.run(0.1 + 0.05 * (i % 10)); }));
    const auto here = Kokkos::create_mirror_view(_ancestors);
    double seconds = HUGE_VAL;
    for (int i = 0; i < std::min(2, _repeats); ++i)
      seconds = std::min(seconds, seconds_one_by_one(_weights, here, std::min<std::int64_t>(_n, 1000000), i));
    Kokkos::deep_copy(_ancestors, here);
    line("std::discrete_distribution", 1, HUGE_VAL, seconds);
  }
  [[nodiscard]] bool right() const { return _right; }
  [[nodiscard]] bool write(const std::string& folder) const {
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _log_weights);
    std::ofstream file(folder + "/log_weights." + std::to_string(_n) + ".f64", std::ios::binary);
    file.write(reinterpret_cast<const char*>(here.data()), static_cast<std::streamsize>(bytes()));
    file.close();
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
  double _reading;  // seconds
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
  const double ceiling = reading_ceiling(Space(), static_cast<int>(repeats[0]));
  std::printf("all threads read %.1f GB/s\n", 1e-9 * ceiling);
  bool right = true;
  for (const std::int64_t n : rows) {
    Table table(n, static_cast<int>(repeats[0]), ceiling);
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
