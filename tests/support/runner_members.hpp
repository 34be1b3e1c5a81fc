// The members of Runner, for the one file of a folder that instantiates them:
//   #define SANTA_TEST_RUNNERS(space) template class santa::test::Runner<space, float>;
//   SANTA_TEST_FOR_SPACES(SANTA_TEST_RUNNERS)
#pragma once

#include "support/runner.hpp"

namespace santa::test {

/// A contiguous view as a matrix. No lambda: nvcc makes something of a template in a member that compilers refuse.
template <class E, class Memory>
auto as_matrix(const Kokkos::View<E*, Memory>& view, std::int64_t rows, std::int64_t columns) {
  const auto width = static_cast<std::size_t>(columns);
  return Kokkos::View<E**, Kokkos::LayoutStride, Memory>(
      view.data(), Kokkos::LayoutStride(static_cast<std::size_t>(rows), width, width, 1));
}

template <class Space, class T, class Q, class O, class Modifier>
Runner<Space, T, Q, O, Modifier>::Runner(const Data& problem, const AnyMethod& method, const PlanOptions& options,
                                         const Modifier& modifier)
    : Runner(problem.shape, method, options, modifier) {
  _problem = &problem;
}

template <class Space, class T, class Q, class O, class Modifier>
Runner<Space, T, Q, O, Modifier>::Runner(const Shape& shape, const AnyMethod& method, const PlanOptions& options,
                                         const Modifier& modifier)
    : _shape(shape),
      _plan(std::visit(
          [&](const auto& m) -> decltype(_plan) {
            return Plan<std::decay_t<decltype(m)>>(Space{}, m, shape, cache_of<typename Data::Cache>, options,
                                                   modifier);
          },
          method)) {
  const auto count = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  _out = Kokkos::View<O*, Memory>("test::out", count(shape.batch * shape.heads * shape.dim));
  _lse = Kokkos::View<float*, Memory>("test::lse", count(shape.batch * shape.heads));
  _error = Kokkos::View<float*, Memory>("test::error", count(shape.batch * shape.heads));
  _statistics = Kokkos::View<Statistics*, Memory>("test::statistics", count(shape.batch * shape.kv_heads));
}

template <class Space, class T, class Q, class O, class Modifier>
void Runner<Space, T, Q, O, Modifier>::launch(const Settings<Space>& settings, const typename Data::Queries& queries,
                                              const typename Data::Cache& cache) {
  const Shape& shape = _shape;
  const auto count = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const Kokkos::View<O***, Kokkos::LayoutStride, Memory> out(
      _out.data(), Kokkos::LayoutStride(count(shape.batch), count(shape.heads * shape.dim), count(shape.heads),
                                        count(shape.dim), count(shape.dim), 1));
  RunOptions<Memory> options;
  options.seed = settings.seed;
  options.step = settings.step;
  if (settings.seed_in_memory.data() != nullptr) options.seed = settings.seed_in_memory;
  if (settings.step_in_memory.data() != nullptr) options.step = settings.step_in_memory;
  options.stream = settings.stream;
  options.lse = as_matrix(_lse, shape.batch, shape.heads);
  options.error = as_matrix(_error, shape.batch, shape.heads);
  options.statistics = as_matrix(_statistics, shape.batch, shape.kv_heads);
  options.state = settings.state;
  options.schedule = settings.schedule;
  Kokkos::View<std::uint32_t*, Memory> requests;
  if (!settings.requests.empty()) {
    requests = to_space<Space>(settings.requests, "test::requests");
    options.requests = requests;
  }
  Kokkos::View<float*, Memory> center;
  if (!settings.center.empty()) {
    center = to_space<Space>(settings.center, "test::center");
    options.center = Kokkos::View<const float***, Kokkos::LayoutStride, Memory>(
        center.data(), Kokkos::LayoutStride(count(shape.batch), count(shape.kv_heads * shape.dim),
                                            count(shape.kv_heads), count(shape.dim), count(shape.dim), 1));
  }
  Kokkos::View<float*, Memory> sinks;
  if (!settings.sinks.empty()) {
    sinks = to_space<Space>(settings.sinks, "test::sinks");
    options.sinks = sinks;
  }
  std::visit([&](const auto& plan) { plan.run(settings.space, queries, cache, out, options); }, _plan);
  if (!settings.requests.empty() || !settings.center.empty() || !settings.sinks.empty())
    settings.space.fence();  // they go out of scope
}

template <class Space, class T, class Q, class O, class Modifier>
void Runner<Space, T, Q, O, Modifier>::mark() const {
  Kokkos::deep_copy(_out, O(-77.F));
  Kokkos::deep_copy(_lse, -77.F);
  Kokkos::deep_copy(_error, -77.F);
}

template <class Space, class T, class Q, class O, class Modifier>
const Result& Runner<Space, T, Q, O, Modifier>::fetch() {
  _result.out = to_host<float>(_out);
  _result.lse = to_host<float>(_lse);
  _result.error = to_host<float>(_error);
  _result.statistics = to_host<Statistics>(_statistics);
  return _result;
}

template <class Space, class T, class Q, class O, class Modifier>
const Result& Runner<Space, T, Q, O, Modifier>::run(const Settings<Space>& settings,
                                                    const typename Data::Queries& queries,
                                                    const typename Data::Cache& cache) {
  mark();
  launch(settings, queries, cache);
  settings.space.fence();
  return fetch();
}

template <class Space, class T, class Q, class O, class Modifier>
std::string Runner<Space, T, Q, O, Modifier>::describe() const {
  return std::visit([](const auto& plan) { return plan.describe(); }, _plan);
}

}  // namespace santa::test
