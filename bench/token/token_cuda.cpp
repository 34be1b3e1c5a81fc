// Token sampling on a CUDA device: fused, in two steps with cuBLAS, and a plain read of the weights. A table of medians
// of graph replays.
#include "ceiling.hpp"
#include "decode/program.hpp"
#include "portability/cache.hpp"
#include "portability/device_reader.hpp"
#include "portability/measure.hpp"
#include "token/two_steps_cuda.hpp"
#include <santa/token/sample_tokens.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

using Space = Kokkos::Cuda;
using Memory = Space::memory_space;
using Elements = Kokkos::View<santa::bfloat16*, Memory>;
using Rows = Kokkos::View<santa::bfloat16**, Kokkos::LayoutRight, Memory>;
using Tokens = Kokkos::View<std::int32_t*, Memory>;

void fill(const Space& space, const Elements& elements, std::uint32_t seed, float scale) {
  Kokkos::parallel_for(
      "santa::bench::fill", Kokkos::RangePolicy<Space, Kokkos::IndexType<std::size_t>>(space, 0, elements.size() / 4),
      KOKKOS_LAMBDA(const std::size_t i) {
        const santa_bench::Normals normals(seed, i);
        for (std::size_t k = 0; k < 4; ++k) elements(4 * i + k) = santa::bfloat16(scale * normals.number[k]);
      });
}

/// A head and hidden states; copies of the weights, more than the caches hold, are taken in turn.
struct Head {
  std::size_t vocab, dim, copies;
  Elements pool, hidden;

  Head(const Space& space, std::size_t rows, std::size_t features)
      : vocab(rows),
        dim(features),
        copies(std::max<std::size_t>(2, (std::size_t{512} << 20) / (rows * features * sizeof(santa::bfloat16)))),
        pool(Kokkos::view_alloc(Kokkos::WithoutInitializing, "weights"), copies * rows * features),
        hidden("hidden", 64 * features) {
    fill(space, pool, 1, 1.F);
    fill(space, hidden, 2, 0.1F);
  }
  [[nodiscard]] std::size_t bytes() const { return vocab * dim * sizeof(santa::bfloat16); }
  [[nodiscard]] Rows weights(std::size_t copy) const { return Rows(pool.data() + copy * vocab * dim, vocab, dim); }
};

std::size_t agreeing(const Tokens& a, const Tokens& b) {
  const auto one = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), a);
  const auto other = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), b);
  std::size_t count = 0;
  for (std::size_t i = 0; i < one.size(); ++i) count += one(i) == other(i) ? 1 : 0;
  return count;
}

void run(const Space& space, const Head& head, std::size_t batch, santa_bench::CeilingCheck& check) {
  constexpr int repeats = 21;
  const Rows hidden(head.hidden.data(), batch, head.dim);
  const Tokens tokens("tokens", batch), others("others", batch);
  const santa::TokenSampler<Space> sampler(space, {.batch = static_cast<std::int64_t>(batch),
                                                   .vocab = static_cast<std::int64_t>(head.vocab),
                                                   .dim = static_cast<std::int64_t>(head.dim)});
  const santa_bench::TwoSteps two_steps(space, batch, head.vocab, head.dim);
  const Kokkos::View<std::uint32_t, Memory> sink("sink");
  const auto read = santa_bench::time_copies(space, head.copies, repeats, [&](std::size_t copy) {
    const auto* const data = reinterpret_cast<const std::byte*>(head.weights(copy).data());
    santa_bench::read_on_device(space, data, head.bytes(), sink.data());
  });
  const auto fused = santa_bench::time_copies(space, head.copies, repeats, [&](std::size_t copy) {
    sampler.run(space, hidden, head.weights(copy), tokens, {.seed = 1, .step = 7});
  });
  const auto unfused = santa_bench::time_copies(space, head.copies, repeats, [&](std::size_t copy) {
    two_steps.run(space, hidden, head.weights(copy), others, {.seed = 1, .step = 7});
  });
  space.fence();
  std::printf("%7zu x %5zu %6zu %10.1f %10.1f %10.1f %10.2f %8.2f %10.1f %10.1f %6zu of %zu\n", head.vocab, head.dim,
              batch, read.microseconds(), fused.microseconds(), unfused.microseconds(),
              read.microseconds() / fused.microseconds(), unfused.microseconds() / fused.microseconds(),
              fused.launch_microseconds, unfused.launch_microseconds, agreeing(tokens, others), batch);
  std::fflush(stdout);
  const std::string row =
      std::to_string(head.vocab) + " x " + std::to_string(head.dim) + ", batch " + std::to_string(batch);
  check.set(row + ", fused", read.microseconds() / fused.microseconds());
  check.set(row + ", in two steps", read.microseconds() / unfused.microseconds());
}

void run_all() {
  const Space space;
  santa_bench::CeilingCheck check;
  std::printf(
      "vocabulary x dim  batch    read us   fused us two-step us  of ceiling  speed-up  launched, us: fused, two-step  "
      "same tokens\n");
  constexpr std::pair<std::size_t, std::size_t> heads[] = {{49152, 576}, {128256, 4096}};
  for (const auto& [vocab, dim] : heads) {
    const Head head(space, vocab, dim);
    for (const std::size_t batch : {1, 8, 64}) run(space, head, batch, check);
  }
  check.finish();
}

void measure(const std::vector<std::string>& arguments, const santa::example::KokkosOptions& kokkos) {
  if (!arguments.empty())
    throw santa::example::UserError(santa::example::quote(arguments.front()) +
                                    " is unknown; options are Kokkos' alone");
  const Kokkos::ScopeGuard started = kokkos.start();
  run_all();
}

}  // namespace

int main(int argc, char** argv) {
  return santa::example::run_program("santa_token_bench", "not enough memory", argc, argv, measure);
}
