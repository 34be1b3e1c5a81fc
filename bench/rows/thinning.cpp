// Thinning a Monte Carlo chain: the error against the rows that are kept, beside independent and systematic draws.
//
//   santa_thinning_bench [rows [folder]]        default: 16384; 1024 to 2^24
//
// The chain is random-walk Metropolis on a bent normal distribution in the plane, begun far away, burn-in
// and all. First the chain's own averages are wanted: the error is the maximum mean discrepancy by a Gaussian kernel of
// the median distance. Then the target's: every fourth row and its score are given, and the error is the discrepancy by
// Stein's kernel, of an inverse multiquadric, and that of the mean. Root mean squares over 5 seeds, the least time.
// Into the folder go chain.f64 and scores.f64, and results.csv, which beside_goodpoints.py reads.
#include <santa/rows/discrepancy.hpp>
#include <santa/rows/thin_rows.hpp>

#include <Kokkos_Core.hpp>

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
#include <utility>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Matrix = Kokkos::View<double**, Kokkos::LayoutRight, Memory>;
using HostMatrix = Kokkos::View<double**, Kokkos::LayoutRight, Kokkos::HostSpace>;
using Vector = Kokkos::View<double*, Memory>;
using Drawn = santa::DrawnRows<Memory, double>;

constexpr int seeds = 5;

/// A bent normal distribution: x normal, y normal around 0.6 (x^2 - 1), of deviation 0.5. Its mean is 0.
struct Banana {
  static constexpr double bend = 0.6, variance = 0.25;

  /// The logarithm of the density, up to a constant, and its gradient.
  static double log_density(const double* x, double* score) {
    const double away = x[1] - bend * (x[0] * x[0] - 1.);
    score[1] = -away / variance;
    score[0] = -x[0] - 2. * bend * x[0] * score[1];
    return -0.5 * (x[0] * x[0] + away * away / variance);
  }
};

/// Rows of the chain and their scores.
struct Chain {
  HostMatrix rows, scores;

  explicit Chain(std::size_t n) : rows("rows", n, 2), scores("scores", n, 2) {
    std::mt19937_64 random(20240412);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    double at[2] = {5., -4.}, score[2];
    double density = Banana::log_density(at, score);
    for (std::size_t i = 0; i < n; ++i) {
      const double step = i < n / 20 ? 0.05 : 0.7;  // short ones first: a long burn-in
      const double to[2] = {at[0] + step * normal(random), at[1] + step * normal(random)};
      double there[2];
      const double other = Banana::log_density(to, there);
      if (uniform(random) < std::exp(other - density)) {
        density = other;
        for (int f = 0; f < 2; ++f) {
          at[f] = to[f];
          score[f] = there[f];
        }
      }
      for (std::size_t f = 0; f < 2; ++f) {
        rows(i, f) = at[f];
        scores(i, f) = score[f];
      }
    }
  }
  [[nodiscard]] Chain every(std::size_t stride) const {
    Chain result(0);
    const std::size_t n = rows.extent(0) / stride;
    Kokkos::resize(result.rows, n, 2);
    Kokkos::resize(result.scores, n, 2);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t f = 0; f < 2; ++f) {
        result.rows(i, f) = rows(i * stride + stride - 1, f);
        result.scores(i, f) = scores(i * stride + stride - 1, f);
      }
    return result;
  }
};

struct Line {
  std::string of, method;
  std::int64_t m;
  double error, mean_error, seconds;
};

/// What all methods are given, and how their lists are measured.
template <class Kernel>
class Study {
 public:
  Study(std::string name, const Chain& chain, bool target, const Kernel& kernel, double mean_x, double mean_y)
      : _name(std::move(name)),
        _rows(Kokkos::create_mirror_view_and_copy(Memory{}, chain.rows)),
        _scores(Kokkos::create_mirror_view_and_copy(Memory{}, chain.scores)),
        _log_weights("log_weights", chain.rows.extent(0)),
        _kernel(kernel),
        _mean{mean_x, mean_y} {
    if (target) _options.scores = _scores;
  }

  template <class F>
  void measure(const char* method, std::int64_t m, const F& list) {
    Line line{_name, method, m, 0., 0., HUGE_VAL};
    const Drawn drawn(Space(), 1, m);
    for (int seed = 0; seed < seeds; ++seed) {
      Space().fence();
      const Kokkos::Timer timer;
      list(drawn, seed);
      Space().fence();
      line.seconds = std::min(line.seconds, timer.seconds());
      const double error = santa::discrepancy(Space(), _log_weights, _rows, drawn, _options, _kernel);
      line.error += error * error / seeds;
      line.mean_error += mean_error(drawn) / seeds;
    }
    line.error = std::sqrt(line.error);
    line.mean_error = std::sqrt(line.mean_error);
    std::printf("%-10s %6ld  %-22s %12.4e %12.4e %10.4f\n", line.of.c_str(), static_cast<long>(m), method, line.error,
                line.mean_error, line.seconds);
    lines.push_back(line);
  }
  template <class Rule>
  void draws(const char* method, std::int64_t m) {
    const Kokkos::View<std::int64_t*, Memory> picked("picked", m);
    measure(method, m, [&](const Drawn& to, int seed) {
      santa::resample(Space(), Rule{.samples = m}, _log_weights, picked, {.seed = seed});
      santa::list_ancestors(Space(), picked, to);
    });
  }
  void thinning(const char* method, std::int64_t m, santa::ThinnedWeights weights, int oversampling, int rank = 0) {
    auto options = _options;
    options.rank = rank;
    options.weights = weights;
    options.oversampling = oversampling;
    measure(method, m, [&](const Drawn& to, int seed) {
      options.seed = seed;
      santa::thin_rows(Space(), m, _log_weights, _rows, to, options, _kernel);
    });
  }

  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(_rows.extent(0)); }

  std::vector<Line> lines;

 private:
  [[nodiscard]] double mean_error(const Drawn& drawn) const {
    const auto rows = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.rows);
    const auto weights = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.weights);
    const auto count = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.count);
    const auto all = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, _rows);
    double off[2] = {-_mean[0], -_mean[1]};
    for (std::size_t i = 0; i < static_cast<std::size_t>(count(0)); ++i)
      for (std::size_t f = 0; f < 2; ++f) off[f] += weights(0, i) * all(static_cast<std::size_t>(rows(0, i)), f);
    return off[0] * off[0] + off[1] * off[1];
  }

  std::string _name;
  Matrix _rows, _scores;
  Vector _log_weights;  // equal
  Kernel _kernel;
  double _mean[2];
  santa::ThinOptions<Memory> _options;
};

template <class Kernel>
std::vector<Line> all_methods(Study<Kernel> study, const std::vector<std::int64_t>& kept, bool target) {
  using santa::ThinnedWeights;
  for (const std::int64_t m : kept) {
    study.template draws<santa::Multinomial>("independent draws", m);
    study.template draws<santa::Systematic>("systematic draws", m);
    study.thinning("thinned, g = 0", m, ThinnedWeights::equal, 0);
    study.thinning("thinned", m, ThinnedWeights::equal, 4);
    if (m > 3) study.thinning("recombined", m, ThinnedWeights::simplex, 0);
    if (target) study.thinning("thinned, rank 64", m, ThinnedWeights::equal, 4, 64);
    if (target) study.thinning("recombined, rank 64", m, ThinnedWeights::simplex, 0, 64);
  }
  if (target) study.template draws<santa::Systematic>("all rows", study.count());
  return study.lines;
}

bool write_numbers(const std::string& path, const HostMatrix& numbers) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(numbers.data()),
             static_cast<std::streamsize>(numbers.extent(0) * numbers.extent(1) * sizeof(double)));
  file.close();
  return file.good();
}

bool write_lines(const std::string& path, const std::vector<Line>& lines, double bandwidth) {
  std::ofstream file(path);
  file.precision(9);
  file << "of,m,method,error,mean_error,seconds,bandwidth\n";
  for (const Line& line : lines)
    file << line.of << ',' << line.m << ",\"" << line.method << "\"," << line.error << ',' << line.mean_error << ','
         << line.seconds << ',' << bandwidth << '\n';
  file.close();
  return file.good();
}

int usage() {
  std::fprintf(stderr, "usage: santa_thinning_bench [rows, 1024 to 2^24 [folder]]\n");
  return 2;
}

}  // namespace

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  std::int64_t rows = 16384;
  if (argc > 1) {
    const char* const end = argv[1] + std::strlen(argv[1]);
    const auto read = std::from_chars(argv[1], end, rows);
    if (read.ec != std::errc() || read.ptr != end || rows < 1024 || rows > (1 << 24)) return usage();
  }
  if (argc > 3) return usage();
  const Chain chain(static_cast<std::size_t>(rows));
  const Chain fourth = chain.every(4);
  double mean[2] = {};
  for (std::size_t i = 0; i < chain.rows.extent(0); ++i)
    for (std::size_t f = 0; f < 2; ++f) mean[f] += chain.rows(i, f) / static_cast<double>(rows);
  const Vector log_weights("log_weights", chain.rows.extent(0));
  const double bandwidth =
      santa::median_distance(Space(), log_weights, Kokkos::create_mirror_view_and_copy(Memory{}, chain.rows));
  std::printf("thinning %ld rows of a chain on %s, %d threads; bandwidth %.4f; root mean squares of %d seeds\n\n",
              static_cast<long>(rows), Space::name(), Space().concurrency(), bandwidth, seeds);
  std::printf("%-10s %6s  %-22s %12s %12s %10s\n", "averages", "m", "method", "discrepancy", "of the mean", "seconds");
  const std::vector<std::int64_t> kept = {16, 32, 64, 128, 256};
  std::vector<Line> lines =
      all_methods(Study("chain", chain, false, santa::GaussianKernel{bandwidth}, mean[0], mean[1]), kept, false);
  std::printf("\n");
  for (const Line& line :
       all_methods(Study("target", fourth, true, santa::InverseMultiquadric{bandwidth}, 0., 0.), kept, true))
    lines.push_back(line);
  if (argc < 3) return 0;
  const std::string folder = argv[2];
  const bool written = write_numbers(folder + "/chain.f64", chain.rows) &&
                       write_numbers(folder + "/scores.f64", chain.scores) &&
                       write_lines(folder + "/results.csv", lines, bandwidth);
  if (!written) std::fprintf(stderr, "santa_thinning_bench: can't write into %s\n", folder.c_str());
  return written ? 0 : 1;
}
