// Token sampling against the streaming-read ceiling, and against writing the logits first.
//
// Every iteration reads one copy of the head's weights plainly (the ceiling, by the reader that was the fastest on this
// head; the label names it) and samples with another. Counters, of medians: us a step, GB/s of the weights, ceiling
// GB/s, their ratio. For machines that are shared, the least processor time of a step and of a read, of all threads
// together: to be read with one thread.
#include "ceiling.hpp"
#include "copies.hpp"
#include "median.hpp"
#include "readers.hpp"
#include "run_benchmarks.hpp"
#include "unfused.hpp"
#include <santa/token/sample_tokens.hpp>

#include <Kokkos_Core.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
using Element = santa::bfloat16;
using Weights =
    Kokkos::View<Element**, Kokkos::LayoutRight, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

/// Copies of a head's weights, more than the caches hold, and hidden states for up to 64 requests.
struct Head {
  std::size_t vocab, dim, copies;
  Kokkos::View<Element*, Kokkos::HostSpace> pool;
  Kokkos::View<float**, Kokkos::LayoutRight, Kokkos::HostSpace> hidden;
  const santa_bench::Reader* reader = nullptr;  // the fastest

  Head(std::size_t rows, std::size_t features)
      : vocab(rows),
        dim(features),
        copies(santa_bench::copies_of(bytes())),
        pool(Kokkos::view_alloc(Kokkos::WithoutInitializing, "weights"), copies * vocab * dim),
        hidden("hidden", 64, dim) {
    std::minstd_rand random(1);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < hidden.size(); ++i) hidden.data()[i] = 0.1F * normal(random);
    std::vector<Element> block((std::size_t{1} << 20) + 24);
    for (Element& number : block) number = Element(normal(random));
    santa_bench::fill_copies(Space(), pool.data(), vocab * dim, copies, block);
    const auto read = [&](std::size_t copy) { return data(copy); };
    reader = santa_bench::best_reader(Space(), copies, bytes(), 5, read).reader;
  }
  [[nodiscard]] std::size_t bytes() const { return vocab * dim * sizeof(Element); }
  [[nodiscard]] const std::byte* data(std::size_t copy) const {
    return reinterpret_cast<const std::byte*>(weights(copy).data());
  }
  [[nodiscard]] Weights weights(std::size_t copy) const {
    return Weights(pool.data() + copy % copies * vocab * dim, vocab, dim);
  }
};

/// Kept for the benchmarks that follow on the same head.
std::shared_ptr<const Head> current;
const Head& head_of(std::size_t vocab, std::size_t dim) {
  if (current == nullptr || current->vocab != vocab || current->dim != dim) {
    current.reset();
    current = std::make_shared<Head>(vocab, dim);
  }
  return *current;
}

/// Seconds, and seconds of processor time.
struct Times {
  std::vector<double> wall, processor;

  template <class F>
  void add(F&& f) {
    const std::clock_t before = std::clock();
    const auto start = std::chrono::steady_clock::now();
    f();
    Space().fence();
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    processor.push_back(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC);
  }
  [[nodiscard]] double least_processor() const { return *std::min_element(processor.begin(), processor.end()); }
};

santa_bench::CeilingCheck ceiling_check;

template <class Step>
void measure(benchmark::State& state, const std::string& name, const Head& head, const Step& step) {
  for (std::size_t warm = 0; warm < 2; ++warm) step(warm);
  Times steps, reads;
  std::size_t copy = 0;
  for (auto _ : state) {
    reads.add(
        [&] { benchmark::DoNotOptimize(santa_bench::read_all(Space(), *head.reader, head.data(copy), head.bytes())); });
    steps.add([&] { step(copy + head.copies / 2); });
    state.SetIterationTime(steps.wall.back());
    ++copy;
  }
  const auto bytes = static_cast<double>(head.bytes());
  const double step_seconds = santa_bench::median(steps.wall);
  const double read_seconds = santa_bench::median(reads.wall);
  ceiling_check.set(name, read_seconds / step_seconds);
  state.SetLabel(head.reader->name);
  state.counters["us"] = step_seconds * 1e6;
  state.counters["GB/s"] = bytes / step_seconds * 1e-9;
  state.counters["ceiling_GB/s"] = bytes / read_seconds * 1e-9;
  state.counters["of_ceiling"] = read_seconds / step_seconds;
  state.counters["processor_us"] = steps.least_processor() * 1e6;
  state.counters["reading_us"] = reads.least_processor() * 1e6;
}

void run(benchmark::State& state, const std::string& name, std::size_t batch, std::size_t vocab, std::size_t dim,
         bool fused) {
  const Head& head = head_of(vocab, dim);
  const auto hidden = Kokkos::subview(head.hidden, std::pair<std::size_t, std::size_t>(0, batch), Kokkos::ALL);
  const Kokkos::View<std::int32_t*, Kokkos::HostSpace> tokens("tokens", batch), others("tokens", batch);
  const santa::TokenSampler<Space> sampler(Space(), {.batch = static_cast<std::int64_t>(batch),
                                                     .vocab = static_cast<std::int64_t>(vocab),
                                                     .dim = static_cast<std::int64_t>(dim)});
  const santa_bench::UnfusedSampler<Space, Element> unfused(batch, vocab, dim);
  const auto sample_fused = [&](std::size_t copy, std::uint32_t step) {
    sampler.run(Space(), hidden, head.weights(copy), tokens, {.seed = 1, .step = step});
  };
  const auto sample_unfused = [&](std::size_t copy, std::uint32_t step) {
    unfused.run(Space(), hidden, head.weights(copy), others, {.seed = 1, .step = step});
  };
  sample_fused(0, 7);
  sample_unfused(0, 7);
  Space().fence();
  for (std::size_t b = 0; b < batch; ++b)
    if (tokens(b) != others(b)) throw std::runtime_error("fused and unfused tokens differ");
  std::uint32_t step = 0;
  if (fused)
    measure(state, name, head, [&](std::size_t copy) { sample_fused(copy, step++); });
  else
    measure(state, name, head, [&](std::size_t copy) { sample_unfused(copy, step++); });
}

void add_all() {
  constexpr std::pair<std::size_t, std::size_t> heads[] = {{49152, 576}, {128256, 4096}};
  for (const auto& [vocab, dim] : heads)
    for (const std::size_t batch : {1, 8, 64})
      for (const bool fused : {true, false}) {
        const std::string name = "v:" + std::to_string(vocab) + "/d:" + std::to_string(dim) +
                                 "/b:" + std::to_string(batch) + (fused ? "/fused" : "/unfused");
        const auto body = [name, batch, vocab = vocab, dim = dim, fused](benchmark::State& state) {
          run(state, name, batch, vocab, dim, fused);
        };
        benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->Unit(benchmark::kMicrosecond);
      }
  benchmark::AddCustomContext("threads", std::to_string(Space().concurrency()));
}

/// What is kept goes before Kokkos does.
void finish() {
  current.reset();
  ceiling_check.finish();
}

}  // namespace

int main(int argc, char** argv) {
  return santa_bench::run_benchmarks("santa_token_bench", argc, argv, add_all, finish);
}
