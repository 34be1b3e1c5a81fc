// Decode attention against the streaming-read ceiling of the machine.
//
// Every iteration reads one copy of the cache plainly (the ceiling, by the reader that was the fastest on this case;
// the label names it) and decodes against another copy, so that both meet the same conditions. Counters, all of
// medians: GB/s of the bytes that the method must read (all keys, the distinct value rows), ceiling GB/s, their ratio,
// and the share of the value rows read.
#include "ceiling.hpp"
#include "median.hpp"
#include "problem.hpp"
#include "readers.hpp"
#include "run_benchmarks.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

/// A shape and element type to measure at.
struct Case {
  santa::Shape shape;
  bool bf16 = true;

  [[nodiscard]] std::string name() const {
    return std::string(bf16 ? "bf16" : "f32") + "/b:" + std::to_string(shape.batch) +
           "/h:" + std::to_string(shape.heads) + ":" + std::to_string(shape.kv_heads) +
           "/d:" + std::to_string(shape.dim) + "/n:" + std::to_string(shape.length);
  }
};

/// Seconds that f takes on `space`.
template <class F>
double seconds(const Space& space, F&& f) {
  space.fence();
  const auto start = std::chrono::steady_clock::now();
  f();
  space.fence();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The data of one case and what reads it fastest: kept for the methods that follow on the same case, freed when
/// another comes, and by `free` before Kokkos ends.
class CurrentProblem {
 public:
  template <class T>
  static const santa_bench::Problem<Space, T>& of(const Case& at) {
    if (_name != at.name()) {
      free();
      const auto problem = std::make_shared<santa_bench::Problem<Space, T>>(at.shape, 3.F);
      const auto data = [&](std::size_t copy) { return problem->bytes(copy); };
      _reader = santa_bench::best_reader(Space(), problem->copies(), problem->copy_bytes(), 5, data).reader;
      _problem = problem;
      _name = at.name();  // tells T as well
    }
    return *static_cast<const santa_bench::Problem<Space, T>*>(_problem.get());
  }
  static const santa_bench::Reader& reader() { return *_reader; }
  static void free() {
    _problem.reset();
    _name.clear();
  }

 private:
  static inline std::string _name;
  static inline std::shared_ptr<void> _problem;
  static inline const santa_bench::Reader* _reader = nullptr;
};

santa_bench::CeilingCheck ceiling_check;

template <class T, class Method>
void run(benchmark::State& state, const std::string& name, const Case& at, const Method& method) {
  const Space space;
  const auto& problem = CurrentProblem::of<T>(at);
  const santa_bench::Reader& reader = CurrentProblem::reader();
  const santa::DecodePlan plan(space, method, problem.query, problem.cache(0));
  const typename decltype(plan)::State carried(space, at.shape);
  const Kokkos::View<santa::Statistics**, Memory> statistics("statistics", static_cast<std::size_t>(at.shape.batch),
                                                             static_cast<std::size_t>(at.shape.kv_heads));
  std::uint32_t step = 0;
  const auto decode = [&](std::size_t copy) {
    plan.run(space, problem.query, problem.cache(copy), problem.out,
             {.seed = 1, .step = step++, .statistics = statistics, .state = carried});
  };
  for (std::size_t warm = 0; warm < 4; ++warm) decode(warm);

  std::vector<double> times;
  std::vector<double> reads;
  std::size_t copy = 0;
  for (auto _ : state) {
    reads.push_back(seconds(space, [&] {
      benchmark::DoNotOptimize(santa_bench::read_all(space, reader, problem.bytes(copy), problem.copy_bytes()));
    }));
    times.push_back(seconds(space, [&] { decode(copy + problem.copies() / 2); }));
    state.SetIterationTime(times.back());
    ++copy;
  }

  const auto counts = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, statistics);
  double rows = 0.;
  for (std::size_t i = 0; i < counts.extent(0); ++i)
    for (std::size_t j = 0; j < counts.extent(1); ++j) rows += static_cast<double>(counts(i, j).rows_read);
  if (rows <= 0.) throw std::runtime_error("no row was read");
  const auto row_bytes = static_cast<double>(problem.row_bytes());
  const double bytes = 0.5 * static_cast<double>(problem.copy_bytes()) + rows * row_bytes;
  const double rate = bytes / santa_bench::median(times);
  const double ceiling = static_cast<double>(problem.copy_bytes()) / santa_bench::median(reads);
  ceiling_check.set(name, rate / ceiling);
  state.SetLabel(reader.name);
  state.counters["us"] = santa_bench::median(times) * 1e6;
  state.counters["GB/s"] = rate * 1e-9;
  state.counters["ceiling_GB/s"] = ceiling * 1e-9;
  state.counters["of_ceiling"] = rate / ceiling;
  state.counters["rows"] = rows * row_bytes / (0.5 * static_cast<double>(problem.copy_bytes()));
}

template <class Method>
void add(const std::string& method_name, const Case& at, const Method& method) {
  const std::string name = at.name() + "/" + method_name;
  const auto body = [name, at, method](benchmark::State& state) {
    if (at.bf16)
      run<santa::bfloat16>(state, name, at, method);
    else
      run<float>(state, name, at, method);
  };
  benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->Unit(benchmark::kMicrosecond);
}

/// One axis at a time around the base case: 32 query heads on 8 kv heads of 128, bf16, batch 1.
std::vector<Case> cases() {
  std::vector<Case> all;
  const auto shape = [](std::int64_t batch, std::int64_t group, std::int64_t length, std::int64_t dim) {
    return santa::Shape{batch, 8 * group, 8, length, dim};
  };
  for (const std::int64_t length : {1 << 10, 1 << 13, 1 << 15, 1 << 17})
    all.push_back({shape(1, 4, length, 128), true});
  for (const std::int64_t length : {1 << 10, 1 << 15}) all.push_back({shape(1, 4, length, 128), false});
  for (const std::int64_t length : {1 << 10, 1 << 15}) all.push_back({shape(1, 4, length, 64), true});
  for (const std::int64_t group : {1, 8}) all.push_back({shape(1, group, 1 << 15, 128), true});
  for (const std::int64_t length : {1 << 10, 1 << 15}) all.push_back({shape(8, 4, length, 128), true});
  return all;
}

void add_all() {
  for (const Case& at : cases()) {
    add("Exact", at, santa::Exact{});
    add("MassUnit", at, santa::MassUnit{.rows = santa::share(0.1)});
    add("MassUnitL2", at, santa::MassUnitOf<santa::Draws::joint_l2>{.rows = santa::share(0.1)});
    add("MassUnitSeparate", at, santa::MassUnitOf<santa::Draws::separate>{.rows = santa::share(0.1)});
    const std::int64_t samples = at.shape.length / 10;
    add("Systematic", at, santa::Systematic{.samples = samples});
    add("Stratified", at, santa::Stratified{.samples = samples});
    add("Multinomial", at, santa::Multinomial{.samples = samples});
    for (const int tile : {32, 256}) {
      const std::string name = "TileBudget" + std::to_string(tile);
      add("Fixed" + name, at, santa::FixedTileBudget{.samples = samples, .tile = tile});
      add("Proportional" + name, at, santa::ProportionalTileBudget{.samples = samples, .tile = tile});
    }
  }
  benchmark::AddCustomContext("backend", Space::name());
  benchmark::AddCustomContext("threads", std::to_string(Space().concurrency()));
  benchmark::AddCustomContext("last_level_cache_bytes", std::to_string(santa::example::last_level_cache_bytes()));
}

/// What is kept goes before Kokkos does.
void finish() {
  CurrentProblem::free();
  ceiling_check.finish();
}

}  // namespace

int main(int argc, char** argv) { return santa_bench::run_benchmarks("santa_bench", argc, argv, add_all, finish); }
