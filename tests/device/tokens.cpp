// Token sampling on a stream of its own: no fence, no allocation, and a replayed graph that draws by the step in
// memory.
#include "device/graph.hpp"
#include "device/instances.hpp"
#include "support/events.hpp"
#include "token/problem.hpp"

using namespace santa;
using namespace santa::test;

namespace {

using Memory = Device::memory_space;

/// A sampler with its data and what it gives, on a stream.
struct Sampling {
  using Data = TokenProblem<Device, bfloat16, float>;

  Data data;
  TokenSampler<Device> sampler;
  Kokkos::View<std::int64_t*, Memory> tokens;
  Kokkos::View<float*, Memory> score;

  explicit Sampling(std::size_t batch)
      : data(batch, 3000, 64),
        sampler(Device(), data.shape()),
        tokens("test::tokens", batch),
        score("test::score", batch) {
    data.fill(3);
    Kokkos::fence();
  }
  void launch(const Device& space, TokenOptions<Memory> options) const {
    options.results.score = score;
    sampler.run(space, data.hidden(), data.weights(), tokens, options);
  }
  [[nodiscard]] Sampled fetch() const { return {host_vector(tokens), host_vector(score), {}, {}}; }
};

}  // namespace

TEST_CASE("a_replayed_graph_samples_tokens_by_the_numbers_in_memory") {
  const Stream stream;
  const Device space(stream.get());
  const Kokkos::View<std::uint64_t, Memory> seed("test::seed");
  const Kokkos::View<std::uint32_t, Memory> step("test::step");
  Kokkos::deep_copy(seed, std::uint64_t{5} << 40);
  for (const std::size_t batch : {1, 9, 64}) {
    CAPTURE(batch);
    const Sampling sampling(batch);
    const auto plain = [&](std::uint32_t now) {
      return sampling.data.sample({.seed = std::uint64_t{5} << 40, .step = now});
    };
    const Sampled first = plain(3);
    const Sampled second = plain(9);
    CHECK(first.score != second.score);
    const Graph graph(stream.get(), [&] { sampling.launch(space, {.seed = seed, .step = step}); });
    plain(77);
    for (const std::uint32_t now : {3U, 9U, 3U}) {
      Kokkos::deep_copy(step, now);
      Kokkos::deep_copy(sampling.tokens, std::int64_t{-2});
      Kokkos::fence();
      graph.replay();
      const Sampled replayed = sampling.fetch();
      const Sampled& expected = now == 3 ? first : second;
      CHECK(replayed.tokens == expected.tokens);
      CHECK(replayed.score == expected.score);
    }
  }
}

TEST_CASE("sampling_tokens_on_a_stream_neither_allocates_nor_fences") {
  const Stream stream;
  const Device space(stream.get());
  for (const std::size_t batch : {1, 64}) {
    CAPTURE(batch);
    const Sampling sampling(batch);
    sampling.launch(space, {});
    space.fence();
    {
      const Events events;
      for (std::uint32_t step = 0; step < 4; ++step) sampling.launch(space, {.step = step});
    }
    CHECK(Events::allocations == 0);
    CHECK(Events::fences.empty());
    CHECK(Events::kernels.size() == 12);
    space.fence();
  }
}
