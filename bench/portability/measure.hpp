// One method at one shape: time, bytes that must be read, rows, error.
#pragma once

#include "cache.hpp"
#include "timing.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace santa_bench {

/// The seed of all runs, and the step that is timed: after as many as it takes for carried deltas to settle.
inline constexpr std::uint64_t run_seed = 7;
inline constexpr std::uint32_t timed_step = 5;

struct Measured {
  double launch_microseconds = 0.;
  double graph_microseconds = 0.;  // 0 where there are no graphs
  double rows_fraction = 0.;
  double bytes = 0.;
  std::vector<float> out;

  [[nodiscard]] double microseconds() const {
    return graph_microseconds > 0. ? graph_microseconds : launch_microseconds;
  }
};

/// Times work(copy) over all copies: microseconds of one copy.
template <class Space, class Work>
Measured time_copies(const Space& space, std::size_t copies, int repeats, const Work& work) {
  const auto all = [&] {
    for (std::size_t copy = 0; copy < copies; ++copy) work(copy);
  };
  Measured result;
  result.launch_microseconds = time_launches(space, repeats, all) / static_cast<double>(copies);
#if defined(KOKKOS_ENABLE_CUDA)
  if constexpr (std::is_same_v<Space, Kokkos::Cuda>) {
    const Graph graph(space, all);
    std::vector<double> times;
    for (int i = 0; i < repeats + 2; ++i) {
      const double time = graph.replay();
      if (i >= 2) times.push_back(time / static_cast<double>(copies));
    }
    result.graph_microseconds = median(times);
  }
#endif
  return result;
}

/// Times step(index, number of the step, false): first of all copies as many steps as it takes for what is carried to
/// settle, then `timed` of them together. Then calls step(0, number, true), which counts.
template <class Space, class Step>
Measured time_steps(const Space& space, std::size_t copies, std::size_t timed, int repeats, const Step& step) {
  for (std::uint32_t number = 0; number < timed_step; ++number)
    for (std::size_t copy = 0; copy < copies; ++copy) step(copy, number, false);
  Measured result = time_copies(space, timed, repeats, [&](std::size_t index) { step(index, timed_step, false); });
  step(0, timed_step, true);
  space.fence();
  return result;
}

/// What the requests and kv heads of a step have read, in rows.
template <class Counts>
double rows_of(const Counts& statistics) {
  const auto counts = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, statistics);
  double rows = 0.;
  for (std::size_t i = 0; i < counts.size(); ++i) rows += static_cast<double>(counts.data()[i].rows_read);
  return rows;
}

/// Outputs on the host.
template <class Outputs>
std::vector<float> outputs_of(const Outputs& out) {
  const auto outputs = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, out);
  return {outputs.data(), outputs.data() + outputs.size()};
}

/// Bytes of a cache's keys, or of its values.
inline double bytes_of_rows(const santa::Shape& shape) {
  return static_cast<double>(shape.batch * shape.length * shape.kv_heads * shape.dim) * sizeof(santa::bfloat16);
}

/// Scores by the full keys: which cache a copy is, and the bytes that must be read of it.
template <class Space>
struct FullStage {
  const Caches<Space>& caches;

  [[nodiscard]] auto cache(std::size_t copy) const { return caches.cache(copy); }
  [[nodiscard]] double bytes(double rows_fraction) const { return bytes_of_rows(caches.shape) * (1. + rows_fraction); }
};

template <class Space, class Stage, class Method>
Measured measure(const Space& space, const Caches<Space>& caches, const Stage& stage, const Method& method, int repeats,
                 bool first_steps = false) {
  using Memory = typename Space::memory_space;
  const santa::Shape& shape = caches.shape;
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  typename Caches<Space>::Outputs out("out", size(shape.batch), size(shape.heads), size(shape.dim));
  Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", size(shape.batch),
                                                                            size(shape.kv_heads));
  const santa::DecodePlan plan(space, method, caches.query, stage.cache(0));
  std::vector<santa::DecodeState<Memory>> states;
  if (!first_steps)
    for (std::size_t copy = 0; copy < caches.copies(); ++copy) states.emplace_back(space, shape);
  Measured result = time_steps(space, caches.copies(), caches.copies(), repeats,
                               [&](std::size_t copy, std::uint32_t step, bool count) {
                                 santa::RunOptions<Memory> options{.seed = run_seed, .step = step};
                                 if (!first_steps) options.state = states[copy];
                                 if (count) options.statistics = statistics;
                                 plan.run(space, caches.query, stage.cache(copy), out, options);
                               });
  result.rows_fraction = rows_of(statistics) / static_cast<double>(shape.batch * shape.kv_heads * shape.length);
  result.bytes = stage.bytes(result.rows_fraction);
  result.out = outputs_of(out);
  return result;
}

/// |a - b| / |b|.
inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0.;
  double norm = 0.;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

}  // namespace santa_bench
