// A bootstrap particle filter, resampled at every step by each of four rules. Link santa::santa.
//
//   particle_filter [particles [runs]]       default: 1000000 particles, 8 runs
//
// The model is the usual hard one (Kitagawa 1987; Gordon, Salmond, Smith 1993): a state that jumps and is seen squared,
//   x_t = x_{t-1} / 2 + 25 x_{t-1} / (1 + x_{t-1}^2) + 8 cos(1.2 t) + N(0, 10),    y_t = x_t^2 / 20 + N(0, 1),
// so that what is known of it has two humps at most times. The same equations on a dense grid tell what is right:
// the evidence log p(y_1 ... y_50), and the mean of the state at each step. The same source runs on hosts and devices.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Doubles = Kokkos::View<double*, Memory>;
using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;

constexpr int steps = 50;
constexpr double state_variance = 10.;  // of the start, and of each step's noise
constexpr double pi = 3.14159265358979323846;

// --- The model -----------------------------------------------------------------------------------------------------

KOKKOS_FUNCTION double moved(double x, int t) { return 0.5 * x + 25. * x / (1. + x * x) + 8. * Kokkos::cos(1.2 * t); }

KOKKOS_FUNCTION double log_likelihood(double y, double x) {
  const double away = y - x * x / 20.;
  return -0.5 * away * away - 0.5 * Kokkos::log(2. * pi);
}

struct Normals {
  double value[2];

  /// Two numbers by their name (Box and Muller).
  KOKKOS_FUNCTION Normals(std::uint64_t seed, std::uint32_t step, std::uint64_t index) {
    const auto random = santa::Philox4x32::generate(
        {{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), step, 0xf117e2U}},
        {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
    const auto uniform = [&](int i) {  // in (0, 1)
      const std::uint64_t word = std::uint64_t{random.word[2 * i]} << 32 | random.word[2 * i + 1];
      return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52;
    };
    const double radius = Kokkos::sqrt(-2. * Kokkos::log(uniform(0)));
    const double angle = 2. * pi * uniform(1);
    value[0] = radius * Kokkos::cos(angle);
    value[1] = radius * Kokkos::sin(angle);
  }
};

struct Record {
  std::vector<double> state, seen;  // of times 1 to `steps`
};

Record simulate() {
  Record record;
  double x = std::sqrt(state_variance) * Normals(2024, 0, 0).value[0];
  for (int t = 1; t <= steps; ++t) {
    const Normals noise(2024, static_cast<std::uint32_t>(t), 0);
    x = moved(x, t) + std::sqrt(state_variance) * noise.value[0];
    record.state.push_back(x);
    record.seen.push_back(x * x / 20. + noise.value[1]);
  }
  return record;
}

// --- The reference -------------------------------------------------------------------------------------------------

struct Truth {
  double log_evidence = 0.;
  std::vector<double> mean;  // of the state, given all that was seen up to then
};

/// The filter's integrals by the trapezoid rule, whose error here is far below what is printed.
Truth on_grid(const std::vector<double>& seen) {
  constexpr int points = 1801;
  constexpr double width = 0.05, first = -0.5 * width * (points - 1);
  const Doubles density("grid", points), next("grid", points);
  Kokkos::parallel_for(
      "start", Range(0, points), KOKKOS_LAMBDA(std::int64_t i) {
        const double x = first + width * static_cast<double>(i);
        density(i) = Kokkos::exp(-0.5 * x * x / state_variance) / Kokkos::sqrt(2. * pi * state_variance);
      });
  Truth truth;
  for (int t = 1; t <= steps; ++t) {
    const double y = seen[static_cast<std::size_t>(t - 1)];
    Kokkos::parallel_for(
        "predict", Range(0, points), KOKKOS_LAMBDA(std::int64_t i) {
          const double x = first + width * static_cast<double>(i);
          double sum = 0.;
          for (int j = 0; j < points; ++j) {
            const double away = x - moved(first + width * j, t);
            sum += density(j) * Kokkos::exp(-0.5 * away * away / state_variance);
          }
          next(i) = sum * width / Kokkos::sqrt(2. * pi * state_variance) * Kokkos::exp(log_likelihood(y, x));
        });
    double mass = 0., moment = 0.;
    Kokkos::parallel_reduce(
        "normalise", Range(0, points),
        KOKKOS_LAMBDA(std::int64_t i, double& sum, double& first_moment) {
          sum += width * next(i);
          first_moment += width * next(i) * (first + width * static_cast<double>(i));
        },
        mass, moment);
    Kokkos::parallel_for(
        "divide", Range(0, points), KOKKOS_LAMBDA(std::int64_t i) { density(i) = next(i) / mass; });
    truth.log_evidence += std::log(mass);
    truth.mean.push_back(moment / mass);
  }
  return truth;
}

// --- The filter ----------------------------------------------------------------------------------------------------

constexpr int columns = 66;
constexpr double most = 33.;  // of the picture: states from -33 to 33
using Picture = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;

struct Outcome {
  double log_evidence = 0., mean_error = 0., effective = 0.;  // root mean square over time; share of the particles
};

/// A filter with all its memory: steps neither allocate nor wait for the device.
template <class Rule>
class Filter {
 public:
  Filter(const Space& space, std::int64_t particles)
      : _space(space),
        _particles(particles),
        _plan(space, Rule{.samples = particles}, 1, particles),
        _state("state", particles),
        _moved("moved", particles),
        _log_weights("log_weights", particles),
        _ancestors("ancestors", particles),
        _evidence("evidence", steps),
        _effective("effective", steps),
        _mean("mean", steps) {}

  Outcome run(const std::vector<double>& seen, const Truth& truth, std::uint64_t seed, const Picture& picture = {}) {
    start(seed);
    for (int t = 1; t <= steps; ++t) {
      move_and_weigh(t, seen[static_cast<std::size_t>(t - 1)], seed);
      resample(t, seed);
      add_up(t, picture);
    }
    _space.fence();
    return sum_up(truth);
  }

  /// Seconds of one resampling of the weights that are there: the median of several.
  double time_resampling() {
    std::vector<double> seconds;
    for (int i = 0; i < 7; ++i) {
      const Kokkos::Timer timer;
      resample(1, 1);
      _space.fence();
      seconds.push_back(timer.seconds());
    }
    std::nth_element(seconds.begin(), seconds.begin() + 3, seconds.end());
    return seconds[3];
  }

 private:
  /// Two particles for each pair of random numbers.
  template <class Work>
  void for_pairs(const char* label, const Work& work) const {
    Kokkos::parallel_for(label, Range(_space, 0, (_particles + 1) / 2), work);
  }

 public:  // device lambdas have to be in public functions
  void start(std::uint64_t seed) {
    const std::int64_t particles = _particles;
    const Doubles state = _state;
    const auto ancestors = _ancestors;
    for_pairs(
        "start", KOKKOS_LAMBDA(std::int64_t pair) {
          const Normals normal(seed, 0, static_cast<std::uint64_t>(pair));
          for (int k = 0; k < 2; ++k)
            if (const std::int64_t i = 2 * pair + k; i < particles) {
              state(i) = Kokkos::sqrt(state_variance) * normal.value[k];
              ancestors(i) = static_cast<std::int32_t>(i);
            }
        });
  }
  void move_and_weigh(int t, double y, std::uint64_t seed) {
    const std::int64_t particles = _particles;
    const Doubles from = _state, to = _moved, log_weights = _log_weights;
    const auto ancestors = _ancestors;
    for_pairs(
        "move", KOKKOS_LAMBDA(std::int64_t pair) {
          const Normals normal(seed, static_cast<std::uint32_t>(t), static_cast<std::uint64_t>(pair));
          for (int k = 0; k < 2; ++k)
            if (const std::int64_t i = 2 * pair + k; i < particles) {
              to(i) = moved(from(ancestors(i)), t) + Kokkos::sqrt(state_variance) * normal.value[k];
              log_weights(i) = log_likelihood(y, to(i));
            }
        });
    std::swap(_state, _moved);
  }
  /// The ancestors of the next step; the evidence and the effective sample size of this one stay on the device.
  void resample(int t, std::uint64_t seed) {
    const auto here = std::pair(t - 1, t);
    _plan.run(_space, _log_weights, _ancestors,
              {.seed = seed,
               .step = t,
               .log_evidence = Kokkos::subview(_evidence, here),
               .effective_sample_size = Kokkos::subview(_effective, here)});
  }
  /// The mean of the state by all weights, and the picture's line by the ancestors.
  void add_up(int t, const Picture& picture) {
    const Doubles state = _state, log_weights = _log_weights, evidence = _evidence;
    const auto particles = static_cast<double>(_particles);
    Kokkos::parallel_reduce(
        "mean", Range(_space, 0, _particles),
        KOKKOS_LAMBDA(std::int64_t i, double& sum) {
          sum += Kokkos::exp(log_weights(i) - evidence(t - 1)) / particles * state(i);
        },
        Kokkos::subview(_mean, t - 1));
    if (picture.data() == nullptr) return;
    const auto ancestors = _ancestors;
    Kokkos::parallel_for(
        "picture", Range(_space, 0, _particles), KOKKOS_LAMBDA(std::int64_t i) {
          const double place = (state(ancestors(i)) + most) / (2. * most) * columns;
          if (place >= 0. && place < columns) Kokkos::atomic_add(&picture(t - 1, static_cast<int>(place)), 1.F);
        });
  }

 private:
  Outcome sum_up(const Truth& truth) const {
    const auto here = [](const Doubles& view) {
      return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
    };
    const auto evidence = here(_evidence), effective = here(_effective), mean = here(_mean);
    Outcome outcome;
    for (std::size_t t = 0; t < steps; ++t) {
      outcome.log_evidence += evidence(t);
      outcome.effective += effective(t) / static_cast<double>(_particles) / steps;
      outcome.mean_error += (mean(t) - truth.mean[t]) * (mean(t) - truth.mean[t]) / steps;
    }
    outcome.mean_error = std::sqrt(outcome.mean_error);
    return outcome;
  }

  Space _space;
  std::int64_t _particles;
  santa::ResamplePlan<Space, Rule> _plan;
  Doubles _state, _moved, _log_weights;
  Kokkos::View<std::int32_t*, Memory> _ancestors;
  Doubles _evidence, _effective, _mean;  // [steps]
};

// --- The table -----------------------------------------------------------------------------------------------------

/// Runs one rule and prints its line. Returns whether the evidence is right on average, in so far as this can be seen.
template <class Rule>
bool report(const char* name, std::int64_t particles, int runs, const Record& record, const Truth& truth,
            const Picture& picture) {
  const Space space;
  Filter<Rule> filter(space, particles);
  filter.run(record.seen, truth, 0);  // warm
  double sum = 0., squares = 0., mean_error = 0., effective = 0., seconds = 0.;
  for (int run = 1; run <= runs; ++run) {
    const Kokkos::Timer timer;
    const Outcome outcome = filter.run(record.seen, truth, static_cast<std::uint64_t>(run));
    seconds += timer.seconds();
    const double off = outcome.log_evidence - truth.log_evidence;
    sum += off;
    squares += off * off;
    mean_error += outcome.mean_error / runs;
    effective += outcome.effective / runs;
  }
  const double mean = sum / runs;
  const double variance = std::max(0., squares - runs * mean * mean) / (runs - 1);
  std::printf("%-12s %10.5f %10.5f %12.3e %12.5f %8.1f %% %10.3f %12.3f\n", name, mean, std::sqrt(variance / runs),
              variance, mean_error, 100. * effective, 1e3 * seconds / runs / steps, 1e3 * filter.time_resampling());
  if (picture.data() != nullptr) filter.run(record.seen, truth, 1, picture);
  // The evidence itself is unbiased: its logarithm is low by half its variance.
  return std::fabs(mean + 0.5 * variance) <= 6. * std::sqrt(variance / runs) + 1e-9;
}

void draw(const Picture& there, const Record& record, std::int64_t particles) {
  const auto picture = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, there);
  const char shades[] = " .:-=+*#%@";
  std::printf("\nwhere the particles are (darker: more), and the true state, o\n\n   t  -33%*s0%*s33\n",
              columns / 2 - 3, "", columns / 2 - 3, "");
  for (int t = 1; t <= steps; t += 2) {
    char line[columns + 1] = {};
    for (int c = 0; c < columns; ++c) {
      const double share = 8. * static_cast<double>(picture(t - 1, c)) / static_cast<double>(particles);
      line[c] = shades[static_cast<int>(9. * std::min(1., std::sqrt(share)))];
    }
    const double place = (record.state[static_cast<std::size_t>(t - 1)] + most) / (2. * most) * columns;
    if (place >= 0. && place < columns) line[static_cast<int>(place)] = 'o';
    std::printf("%4d  %s\n", t, line);
  }
}

/// A whole number of the command line, or `fallback` where there is none; -1: no such number.
std::int64_t argument(int argc, char* argv[], int i, std::int64_t fallback, std::int64_t least, std::int64_t largest) {
  if (i >= argc) return fallback;
  std::int64_t number = 0;
  const char* const end = argv[i] + std::strlen(argv[i]);
  const auto read = std::from_chars(argv[i], end, number);
  return read.ec == std::errc() && read.ptr == end && number >= least && number <= largest ? number : -1;
}

}  // namespace

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const std::int64_t particles = argument(argc, argv, 1, 1000000, 1, std::int64_t{1} << 30);
  const auto runs = static_cast<int>(argument(argc, argv, 2, 8, 2, 1000));
  if (particles < 0 || runs < 0 || argc > 3) {
    std::fprintf(stderr, "usage: particle_filter [particles, 1 to 2^30 [runs, 2 to 1000]]\n");
    return 2;
  }
  const Record record = simulate();
  const Truth truth = on_grid(record.seen);
  std::printf("growth model, %d steps; %ld particles, %d runs a rule; log evidence by a grid: %.5f\n\n", steps,
              static_cast<long>(particles), runs, truth.log_evidence);
  std::printf(
      "                 log evidence, less the grid's          mean state  effective       step   resampling\n");
  std::printf("rule               mean         +-     variance    rms error  particles         ms           ms\n");
  const Picture picture("picture", steps, columns);
  bool right = report<santa::Systematic>("systematic", particles, runs, record, truth, picture);
  right = report<santa::Stratified>("stratified", particles, runs, record, truth, {}) && right;
  right = report<santa::Residual>("residual", particles, runs, record, truth, {}) && right;
  right = report<santa::Multinomial>("multinomial", particles, runs, record, truth, {}) && right;
  draw(picture, record, particles);
  return right ? 0 : 1;
}
