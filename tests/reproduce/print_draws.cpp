// Prints which rows every sampling method draws, for data made without any library function: the same text is expected
// from every build of this program, on any number of threads.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;

constexpr int heads = 6, kv_heads = 2, dim = 256, length = 256, long_length = 3000;

/// Small numbers with few bits, about evenly spread over [-1, 1).
class Numbers {
 public:
  float next() {
    _state = _state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<float>(static_cast<int>(_state >> 54) - 512) / 512.F;
  }

 private:
  std::uint64_t _state = 1;
};

struct Data {
  Kokkos::View<float***, Memory> query{"query", 1, heads, dim}, out{"out", 1, heads, dim};
  Kokkos::View<santa::bfloat16****, Memory> keys, values;
  Kokkos::View<santa::Statistics**, Memory> statistics{"statistics", 1, kv_heads};

  /// Value row i is 1 at element i: where `out` is not 0, the row was drawn.
  explicit Data(std::size_t keys_count)
      : keys("keys", 1, keys_count, kv_heads, dim), values("values", 1, keys_count, kv_heads, dim) {
    Numbers numbers;
    for (std::size_t i = 0; i < query.size(); ++i) query.data()[i] = 4.F * numbers.next();
    for (std::size_t i = 0; i < keys.size(); ++i) keys.data()[i] = santa::bfloat16(numbers.next());
    for (std::size_t i = 0; i < keys_count; ++i)
      for (std::size_t head = 0; head < kv_heads; ++head) values(0, i, head, i % dim) = santa::bfloat16(1.F);
  }
};

template <class Method>
void print(const char* name, const Data& data, const Method& method) {
  const Space space;
  const santa::ContiguousCache cache{data.keys, data.values};
  const santa::DecodePlan plan(space, method, data.query, cache);
  const santa::DecodeState<Memory> state(space, plan.shape());
  for (int step = 0; step < 6; ++step) {
    plan.run(space, data.query, cache, data.out,
             {.seed = 11, .step = step, .statistics = data.statistics, .state = state});
    space.fence();
    std::uint64_t digest = 14695981039346656037U;  // FNV-1a over "is this row in this head's sum?"
    for (std::size_t i = 0; i < data.out.size(); ++i)
      digest = (digest ^ (data.out.data()[i] != 0.F ? 1U : 0U)) * 1099511628211U;
    std::printf("%s step %d: %016" PRIx64, name, step, digest);
    for (std::size_t head = 0; head < kv_heads; ++head)
      std::printf(" rows %" PRId64 " samples %" PRId64, data.statistics(0, head).rows_read,
                  data.statistics(0, head).samples);
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  for (const int keys : {length, long_length}) {
    const Data data(static_cast<std::size_t>(keys));
    print("joint", data, santa::MassUnit{.rows = santa::share(0.1)});
    print("separate", data, santa::MassUnitOf<santa::Draws::separate>{.rows = santa::share(0.1)});
    print("joint-l2", data, santa::MassUnitOf<santa::Draws::joint_l2>{.rows = santa::share(0.1)});
    print("systematic", data, santa::Systematic{.samples = keys / 8});
    print("stratified", data, santa::Stratified{.samples = keys / 8});
    print("multinomial", data, santa::Multinomial{.samples = keys / 8});
    for (const int tile : {32, 64, 256}) {
      print("fixed", data, santa::FixedTileBudget{.samples = keys / 8, .tile = tile});
      print("proportional", data, santa::ProportionalTileBudget{.samples = keys / 8, .tile = tile});
    }
  }
}
