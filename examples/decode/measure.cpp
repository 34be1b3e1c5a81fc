#include "decode/measure.hpp"

#include "decode/calibrate.hpp"
#include "decode/decoder.hpp"
#include "decode/rotation.hpp"
#include "decode/workload.hpp"
#include <santa/core/statistics.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace santa::example {
namespace {

using Clock = std::chrono::steady_clock;
using StatisticsView = Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory>;

/// The q-quantile, between neighbours where it falls between them.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// A method with its plan, its states and the times of its steps.
template <class T>
struct Runner {
  Measurement result;
  std::unique_ptr<Decoder<T>> decoder;
  std::vector<DecodeState<Memory>> states;  // a layer each
  std::vector<std::vector<double>> times;   // microseconds [step][run]
};

template <class T>
class Bench {
 public:
  Bench(const Capture& capture, const std::vector<const MethodEntry*>& methods, const MeasureOptions& options,
        Progress& progress)
      : _capture(capture),
        _shape(capture.shape),
        _options(options),
        _progress(progress),
        _work(_space, capture, options.scoring),
        _out("santa::example::out", 1, size(_shape.heads), size(_shape.dim)),
        _statistics("santa::example::statistics", 1, size(_shape.kv_heads)) {
    _shape.batch = 1;
    _next_copy.resize(layers());
    for (const MethodEntry* method : methods) _runners.push_back(make_runner(*method));
  }

  Measurements run() {
    for (Runner<T>& runner : _runners) decode_all(runner, "decoding");
    if (_options.repeat > 0) _work.copy_until(_space, rotation_copies(copy_bytes()));
    for (int i = 0; i < _options.repeat; ++i) time_all(i);
    Measurements results{{}, _work.copies(), copy_bytes()};
    for (Runner<T>& runner : _runners) results.methods.push_back(finish(runner));
    return results;
  }

 private:
  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

  [[nodiscard]] std::size_t layers() const { return _capture.layers.size(); }
  [[nodiscard]] std::size_t positions() const { return size(_capture.shape.batch); }
  [[nodiscard]] std::size_t steps() const { return layers() * positions(); }
  [[nodiscard]] std::size_t copy_bytes() const {
    return 2 * layers() * size(_shape.length * _shape.kv_heads * _shape.dim) * sizeof(T);
  }

  Runner<T> make_runner(const MethodEntry& method) {
    Runner<T> runner;
    runner.result.method = &method;
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      runner.states.emplace_back(_space, _shape);
      runner.result.out.push_back(make_tensor("F32", {_capture.shape.batch, _shape.heads, _shape.dim}));
    }
    runner.times.resize(steps());
    bind(runner, _options.budget);
    if (!_options.budget.samples && samples_of(runner.result.parameters)) calibrate(runner);
    return runner;
  }

  void bind(Runner<T>& runner, const Budget& budget) const {
    runner.result.parameters = runner.result.method->make(budget);
    const AnyMethod& method = runner.result.parameters;
    if (_options.scoring.by_copy() && takes_copies(method, _options.scoring.stage)) {
      const Scoring& scoring = runner.result.scoring = _options.scoring;
      if (scoring.stage == ScoreStage::clusters)
        runner.decoder = make_cluster_decoder<T>(_space, _shape, _capture.scale, scoring);
      else
        runner.decoder = reads_features(scoring.stage)
                             ? make_feature_decoder<T>(_space, method, _shape, _capture.scale, scoring)
                             : make_narrow_decoder<T>(_space, method, _shape, _capture.scale, scoring);
    } else {
      runner.decoder = make_decoder<T>(_space, method, _shape, _capture.scale);
    }
  }

  /// Chooses the number of draws, so that methods are compared where they read the same number of rows.
  void calibrate(Runner<T>& runner) {
    const double wanted = _options.budget.rows_of(_shape.length) / static_cast<double>(_shape.length);
    Budget budget = _options.budget;
    const auto rows_read = [&](std::int64_t samples) {
      budget.samples = samples;
      bind(runner, budget);
      decode_all(runner, "calibrating");
      return runner.result.rows_read;
    };
    budget.samples =
        samples_for(wanted, _shape.length, rows_read, fewest_samples(runner.result.parameters, _shape.length));
    bind(runner, budget);
  }

  RunOptions<Memory> options_of(const Runner<T>& runner, std::size_t layer, std::size_t position) const {
    RunOptions<Memory> options;
    options.seed = _options.seed;
    options.step = position;
    options.stream = static_cast<std::uint16_t>(_capture.layers[layer].index);
    options.state = runner.states[layer];
    if (runner.result.method->has_center) options.center = _work.center(layer, position);
    return options;
  }

  void reset(const Runner<T>& runner) const {
    for (const auto& state : runner.states) state.reset(_space);
    runner.decoder->reset(_space);
  }

  /// Calls f(layer, position) in the order of decoding, from fresh states.
  template <class F>
  void for_each_step(Runner<T>& runner, const std::string& what, const F& f) {
    reset(runner);
    for (std::size_t position = 0; position < positions(); ++position) {
      for (std::size_t layer = 0; layer < layers(); ++layer) f(layer, position);
      _progress.say(what + " " + std::string(runner.result.method->name), position, positions());
    }
  }

  /// The run that is looked at: outputs and statistics. The timed runs repeat it with the same draws.
  void decode_all(Runner<T>& runner, const std::string& what) {
    const double row = static_cast<double>(_shape.dim) * static_cast<double>(sizeof(T));
    const Scoring& scoring = runner.result.scoring;
    double read = 0.;
    double visible = 0.;
    double scored = 0.;  // bytes
    double told = 0.;    // bytes, by the decoder itself
    for_each_step(runner, what, [&](std::size_t layer, std::size_t position) {
      RunOptions<Memory> options = options_of(runner, layer, position);
      options.statistics = _statistics;
      runner.decoder->run(_space, _work.query(layer, position), _work.step(0, layer, position), _out, options);
      _space.fence("santa::example::decode");
      keep_output(runner.result.out[layer], position);
      read += rows_read();
      told += runner.decoder->bytes_read().value_or(0.);
      const auto keys = static_cast<double>(_work.visible(layer, position) * _shape.kv_heads);
      const auto features =
          runner.decoder->features_read(_space, _work.query(layer, position), _work.step(0, layer, position), options);
      visible += keys;
      scored += keys * (features ? *features * double{sizeof(T)} : scoring.bytes_of_key(_shape.dim, sizeof(T)));
    });
    runner.result.rows_read = read / visible;
    const double bytes = told > 0. ? told : scored + read * row * (scoring.rescored ? 2. : 1.);
    runner.result.bytes_read = bytes / static_cast<double>(steps());
  }

  void keep_output(Tensor& out, std::size_t position) const {
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _out);
    const std::size_t bytes = host.size() * sizeof(float);
    std::memcpy(out.data.data() + position * bytes, host.data(), bytes);
  }

  [[nodiscard]] double rows_read() const {
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), _statistics);
    double sum = 0.;
    for (std::size_t head = 0; head < host.extent(1); ++head) sum += static_cast<double>(host(0, head).rows_read);
    return sum;
  }

  /// Times all steps once. Methods take turns at every step, so that whatever else the machine does hits them alike.
  void time_all(int repeat) {
    for (const Runner<T>& runner : _runners) reset(runner);
    for (std::size_t position = 0; position < positions(); ++position) {
      for (std::size_t layer = 0; layer < layers(); ++layer)
        for (std::size_t i = 0; i < _runners.size(); ++i)
          time_step(_runners[(i + size(repeat)) % _runners.size()], layer, position);
      _progress.say("timing", size(repeat) * positions() + position, size(_options.repeat) * positions());
    }
  }

  void time_step(Runner<T>& runner, std::size_t layer, std::size_t position) {
    const auto query = _work.query(layer, position);
    const auto step = _work.step(_next_copy[layer]++, layer, position);
    const auto options = options_of(runner, layer, position);
    _space.fence("santa::example::before");
    const auto start = Clock::now();
    runner.decoder->run(_space, query, step, _out, options);
    _space.fence("santa::example::after");
    runner.times[position * layers() + layer].push_back(
        std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }

  Measurement finish(Runner<T>& runner) const {
    if (_options.repeat > 0) {
      double medians = 0.;
      double ranges = 0.;
      for (auto& runs : runner.times) {
        std::sort(runs.begin(), runs.end());
        medians += quantile(runs, 0.5);
        ranges += quantile(runs, 0.75) - quantile(runs, 0.25);
      }
      runner.result.microseconds = medians / static_cast<double>(steps());
      runner.result.spread = ranges / medians;
    }
    return std::move(runner.result);
  }

  Space _space;
  const Capture& _capture;
  Shape _shape;  // of one request
  const MeasureOptions& _options;
  Progress& _progress;
  Workload<T> _work;
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> _out;
  StatisticsView _statistics;
  std::vector<Runner<T>> _runners;
  std::vector<std::size_t> _next_copy;  // of each layer
};

}  // namespace

Measurements measure(const Capture& capture, const std::vector<const MethodEntry*>& methods,
                     const MeasureOptions& options, Progress& progress) {
  return with_elements(capture.layers.front().key, [&](auto elements) {
    using T = std::remove_const_t<typename decltype(elements)::element_type>;
    return Bench<T>(capture, methods, options, progress).run();
  });
}

}  // namespace santa::example
