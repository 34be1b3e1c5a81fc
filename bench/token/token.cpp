// Token sampling against the streaming-read ceiling, and against writing the logits first.
//
// Every iteration reads one copy of the head's weights plainly (the ceiling) and samples with another. Counters, of
// medians: us a step, GB/s of the weights, ceiling GB/s, their ratio. For machines that are shared, the least processor
// time of a step and of a read, of all threads together: to be read with one thread.
#include "ceiling.hpp"
#include "decode/rotation.hpp"
#include "unfused.hpp"
#include <santa/token/sample_tokens.hpp>

#include <Kokkos_Core.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

  Head(std::size_t rows, std::size_t features)
      : vocab(rows),
        dim(features),
        copies(std::max<std::size_t>(2, 2 * santa::example::last_level_cache_bytes() / bytes() + 1)),
        pool(Kokkos::view_alloc(Kokkos::WithoutInitializing, "weights"), copies * vocab * dim),
        hidden("hidden", 64, dim) {
    std::minstd_rand random(1);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < hidden.size(); ++i) hidden.data()[i] = 0.1F * normal(random);
    // One block of numbers, then memory copies at odd shifts: making them all would take minutes.
    const std::size_t some = std::min<std::size_t>(pool.size(), (std::size_t{1} << 20) + 24);
    for (std::size_t i = 0; i < some; ++i) pool(i) = Element(normal(random));
    for (std::size_t at = some; at < pool.size(); at += some)
      std::memcpy(static_cast<void*>(pool.data() + at), pool.data(),
                  std::min(some, pool.size() - at) * sizeof(Element));
  }
  [[nodiscard]] std::size_t bytes() const { return vocab * dim * sizeof(Element); }
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

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <class Step>
void measure(benchmark::State& state, const Head& head, const Step& step) {
  for (std::size_t warm = 0; warm < 2; ++warm) step(warm);
  Times steps, reads;
  std::size_t copy = 0;
  for (auto _ : state) {
    const auto* const data = reinterpret_cast<const std::byte*>(head.weights(copy).data());
    reads.add([&] { benchmark::DoNotOptimize(santa_bench::read_all(Space(), data, head.bytes())); });
    steps.add([&] { step(copy + head.copies / 2); });
    state.SetIterationTime(steps.wall.back());
    ++copy;
  }
  const auto bytes = static_cast<double>(head.bytes());
  state.counters["us"] = median(steps.wall) * 1e6;
  state.counters["GB/s"] = bytes / median(steps.wall) * 1e-9;
  state.counters["ceiling_GB/s"] = bytes / median(reads.wall) * 1e-9;
  state.counters["of_ceiling"] = median(reads.wall) / median(steps.wall);
  state.counters["processor_us"] = steps.least_processor() * 1e6;
  state.counters["reading_us"] = reads.least_processor() * 1e6;
}

void run(benchmark::State& state, std::size_t batch, std::size_t vocab, std::size_t dim, bool fused) {
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
    measure(state, head, [&](std::size_t copy) { sample_fused(copy, step++); });
  else
    measure(state, head, [&](std::size_t copy) { sample_unfused(copy, step++); });
}

}  // namespace

int main(int argc, char** argv) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  constexpr std::pair<std::size_t, std::size_t> heads[] = {{49152, 576}, {128256, 4096}};
  for (const auto& [vocab, dim] : heads)
    for (const std::size_t batch : {1, 8, 64})
      for (const bool fused : {true, false}) {
        const std::string name = "v:" + std::to_string(vocab) + "/d:" + std::to_string(dim) +
                                 "/b:" + std::to_string(batch) + (fused ? "/fused" : "/unfused");
        const auto body = [batch, vocab = vocab, dim = dim, fused](benchmark::State& state) {
          run(state, batch, vocab, dim, fused);
        };
        benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->Unit(benchmark::kMicrosecond);
      }
  benchmark::AddCustomContext("threads", std::to_string(Space().concurrency()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  current.reset();
  benchmark::Shutdown();
  return 0;
}
