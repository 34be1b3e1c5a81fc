// One cache on several processes: mpirun -n 4 sharded_decode. Link santa::santa and MPI.
//
// Each rank has a share of the keys of a long context, and of the rows of a vocabulary. A step is decoded over all of
// them, exactly and sampled, and a token drawn: every rank gets the result. Run it on 1, 2, 3 or 4 ranks: the rows that
// are drawn, the tokens, and the bits of the outputs (their last column) are the same.
#include <santa/ranks/mpi.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Element = santa::bfloat16;
using Rows = Kokkos::View<Element****, Kokkos::LayoutRight, Memory>;
using Heads = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;

constexpr std::int64_t parts = 12;  // of the whole, which ranks share out: the same on any number of them
constexpr std::int64_t length = parts * 4096;
constexpr std::int64_t heads = 8, kv_heads = 2, dim = 64;
constexpr std::int64_t vocab = 12000;
constexpr std::uint32_t steps = 12;

/// A number that is about normal, named by what it is for: the same on whatever rank it is made.
KOKKOS_FUNCTION float number(std::uint32_t what, std::uint32_t row, std::uint32_t column) {
  const auto random = santa::Philox4x32::generate({{row, column, what, 0}}, {{1, 2}});
  float sum = 0.F;
  for (const std::uint32_t word : random.word) sum += static_cast<float>(word >> 8) * 0x1p-24F - 0.5F;
  return 1.7320508F * sum;
}

/// Rows [first, first + count) of keys, of values, or of the vocabulary.
Rows make_rows(const Space& space, std::uint32_t what, std::int64_t first, std::int64_t count, std::int64_t of_row) {
  const Rows rows("rows", 1, static_cast<std::size_t>(count), static_cast<std::size_t>(of_row), dim);
  Kokkos::parallel_for(
      "rows", Kokkos::RangePolicy<Space>(space, 0, count * of_row * dim), KOKKOS_LAMBDA(const std::int64_t i) {
        const auto row = static_cast<std::uint32_t>(first + i / (of_row * dim));
        const float mean = what == 2 ? 0.5F : 0.F;
        rows.data()[i] = Element(mean + number(what, row, static_cast<std::uint32_t>(i % (of_row * dim))));
      });
  return rows;
}

/// A step's queries; scores have a standard deviation of 2.5.
void ask(const Space& space, const Heads& query, std::uint32_t step) {
  Kokkos::parallel_for(
      "query", Kokkos::RangePolicy<Space>(space, 0, heads * dim), KOKKOS_LAMBDA(const std::int64_t i) {
        const auto place = static_cast<std::uint32_t>(i);
        query.data()[i] = 2.5F * (0.9F * number(3, 0, place) + 0.43F * number(4, step, place));
      });
}

/// The norm of a difference over that of what is right, and a number that says the bits of what is given.
double error_of(const Heads& given, const Heads& right) {
  const auto a = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, given);
  const auto b = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, right);
  double difference = 0., all = 0.;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
    all += std::pow(static_cast<double>(b.data()[i]), 2);
  }
  return std::sqrt(difference / all);
}
std::uint32_t bits_of(const Heads& given) {
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, given);
  std::uint32_t hash = 2166136261U;  // FNV-1a
  std::vector<unsigned char> bytes(here.size() * sizeof(float));
  std::memcpy(bytes.data(), here.data(), bytes.size());
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 16777619U;
  return hash;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// What a rank has, and what all of them get.
struct Whole {
  santa::MpiRanks ranks;
  Space space;
  santa::Shard shard;
  std::int64_t rows;
  Rows keys, values;
  Heads query{"query", 1, heads, dim}, exact{"exact", 1, heads, dim}, out{"out", 1, heads, dim};

  explicit Whole(const santa::MpiRanks& all)
      : ranks(all),
        shard{.first_row = length / ranks.size() * ranks.rank(), .length = length},
        rows(length / ranks.size()),
        keys(make_rows(space, 1, shard.first_row, rows, kv_heads)),
        values(make_rows(space, 2, shard.first_row, rows, kv_heads)) {}

  [[nodiscard]] bool speaks() const { return ranks.rank() == 0; }
};

template <class Method>
void decode(const Whole& whole, const char* name, const Method& method, const Heads& out) {
  const Space& space = whole.space;
  const santa::ContiguousCache cache{whole.keys, whole.values};
  const santa::DecodePlan own{space, method, whole.query, cache, {.keys_per_split = 1024, .shard = whole.shard}};
  const santa::ShardedPlan plan{space, whole.ranks, own, parts / whole.ranks.size()};
  const santa::DecodeState<Memory> state{space, own.shape()};
  const Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", 1, kv_heads);
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> bars("bars", 1, heads);
  std::vector<double> times;
  for (std::uint32_t step = 0; step < steps; ++step) {
    ask(space, whole.query, step);
    space.fence();
    const double begin = MPI_Wtime();
    plan.run(space, whole.ranks, whole.query, cache, out,
             {.seed = 7, .step = step, .error = bars, .statistics = statistics, .state = state});
    space.fence();
    times.push_back(1e6 * (MPI_Wtime() - begin));
  }
  if (!whole.speaks()) return;
  const auto counts = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, statistics);
  double read = 0.;
  for (std::size_t kv = 0; kv < kv_heads; ++kv) read += static_cast<double>(counts(0, kv).rows_read);
  std::printf("%-18s %5.1f %%  %8.4f  %7.1f  %9.0f  %9.0f   %08x\n", name,
              100. * read / static_cast<double>(kv_heads * length), error_of(out, whole.exact),
              1e-3 * static_cast<double>(plan.bytes_of_states(1)), times[0],
              median(std::vector<double>(times.begin() + 1, times.end())), bits_of(out));
}

/// Draws a few tokens from the heads' outputs, as if they were a hidden state.
void draw_tokens(const Whole& whole) {
  const std::int64_t rows = vocab / whole.ranks.size();
  const std::int64_t first = rows * whole.ranks.rank();
  const Rows all = make_rows(whole.space, 5, first, rows, 1);
  const Kokkos::View<const Element**, Kokkos::LayoutRight, Memory> weights(all.data(), static_cast<std::size_t>(rows),
                                                                           dim);
  const Kokkos::View<const float**, Kokkos::LayoutRight, Memory> hidden(whole.query.data(), heads, dim);
  const santa::ShardedSampler<Space> sampler(whole.space, whole.ranks, {.batch = heads, .vocab = rows, .dim = dim});
  const Kokkos::View<std::int32_t*, Memory> tokens("tokens", heads);
  santa::TokenOptions<Memory> options;
  options.seed = 7;
  options.first_row = first;
  sampler.run(whole.space, whole.ranks, hidden, weights, tokens, options);
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, tokens);
  if (!whole.speaks()) return;
  std::printf("\ntokens of %d drawn from %ld:", static_cast<int>(heads), static_cast<long>(vocab));
  for (std::size_t i = 0; i < here.extent(0); ++i) std::printf(" %d", here(i));
  std::printf("\n");
}

}  // namespace

int main(int argc, char* argv[]) {
  MPI_Init(&argc, &argv);
  int result = 0;
  {
    const Kokkos::ScopeGuard kokkos(argc, argv);
    const santa::MpiRanks ranks(MPI_COMM_WORLD);
    if (parts % ranks.size() != 0) {
      std::fprintf(stderr, "sharded_decode: 1, 2, 3, 4, 6 or 12 ranks; given: %d\n", ranks.size());
      result = 2;
    } else {
      const Whole whole(ranks);
      if (whole.speaks())
        std::printf(
            "%ld tokens on %d ranks, %d heads on %d kv heads of dim %d, in BF16\n\n"
            "                     rows            states of  first step    a step   bits of\n"
            "method               read     error  a rank, kB      us          us      out\n",
            static_cast<long>(length), ranks.size(), static_cast<int>(heads), static_cast<int>(kv_heads),
            static_cast<int>(dim));
      decode(whole, "exact", santa::Exact{}, whole.exact);
      decode(whole, "mass-unit", santa::MassUnit{.rows = santa::share(0.1)}, whole.out);
      decode(whole, "mass-unit-steered", santa::MassUnit{.rows = santa::share(0.1), .steered = true}, whole.out);
      decode(whole, "systematic", santa::Systematic{.samples = 4000}, whole.out);
      draw_tokens(whole);
    }
  }
  MPI_Finalize();
  return result;
}
