// Kernels for each instruction set that the library of kernels has and this processor can run: the same draws, outputs
// within rounding. The program itself is compiled for x86-64-v2.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>
#include <execinfo.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace santa;

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;

/// A query, and keys and values of T with narrow copies of the keys.
template <class T>
struct Case {
  using Rows = Kokkos::View<T****, Memory>;
  static constexpr std::int64_t heads = 8, kv_heads = 2, dim = 72, length = 3000;

  Kokkos::View<float***, Memory> query{"query", 2, heads, dim};
  Rows keys{"keys", 2, length, kv_heads, dim}, values{"values", 2, length, kv_heads, dim};
  ContiguousCache<Rows> cache{keys, values};
  NarrowKeys<std::int8_t, Memory> int8{Space{}, cache.shape()};
  NarrowKeys<float8, Memory> fp8{Space{}, cache.shape()};
  NarrowKeys<int4x2, Memory> int4{Space{}, cache.shape()};

  Case() {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < query.size(); ++i) query.data()[i] = 3.F * normal(random);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      keys.data()[i] = static_cast<T>(normal(random));
      values.data()[i] = static_cast<T>(normal(random));
    }
    const auto encode = [&](const auto& narrow) {
      calibrate(Space{}, cache, narrow);
      encode_keys(Space{}, cache, narrow);
    };
    encode(int8);
    encode(fp8);
    encode(int4);
  }
};

struct Outcome {
  std::vector<float> out;
  std::vector<std::int64_t> drawn;       // rows and samples of each request and kv head
  std::vector<const void*> launched_by;  // see Launches
};

/// While there is one, notes where kernels are launched from: addresses in the functions that called each other up to
/// there. Those of another build of the kernels are others.
class Launches {
 public:
  Launches() {
    _addresses.clear();
    Kokkos::Tools::Experimental::set_begin_parallel_for_callback(&note);
  }
  ~Launches() { Kokkos::Tools::Experimental::set_begin_parallel_for_callback(nullptr); }
  Launches(const Launches&) = delete;
  Launches& operator=(const Launches&) = delete;

  [[nodiscard]] static const std::vector<const void*>& addresses() { return _addresses; }

 private:
  static void note(const char* /*name*/, std::uint32_t /*device*/, std::uint64_t* /*kernel*/) {
    void* address[16];
    _addresses.insert(_addresses.end(), address, address + backtrace(address, 16));
  }
  static inline std::vector<const void*> _addresses;
};

/// Two steps, of which the second goes on from the first's state.
template <class T, class Cache, class Method>
Outcome decode_by(InstructionSet set, const Case<T>& given, const Cache& cache, const Method& method) {
  use_instruction_set(set);
  const Space space;
  Kokkos::View<float***, Memory> out("out", 2, given.heads, given.dim);
  Kokkos::View<Statistics**, Memory> statistics("statistics", 2, given.kv_heads);
  const DecodePlan plan(space, method, given.query, cache);
  const DecodeState<Memory> state(space, plan.shape());
  Outcome result;
  const Launches launches;
  for (std::uint32_t step = 0; step < 2; ++step) {
    RunOptions<Memory> options{.seed = 11, .step = step};
    options.statistics = statistics;
    options.state = state;
    plan.run(space, given.query, cache, out, options);
    space.fence();
    result.out.insert(result.out.end(), out.data(), out.data() + out.size());
    for (std::size_t i = 0; i < statistics.size(); ++i) {
      result.drawn.push_back(statistics.data()[i].rows_read);
      result.drawn.push_back(statistics.data()[i].samples);
    }
  }
  result.launched_by = launches.addresses();
  return result;
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0., norm = 0.;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double apart = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    squares += apart * apart;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(squares / norm);
}

/// Returns whether any instruction set has kernels of its own for this.
template <class T, class Cache, class Method>
bool compare(const Case<T>& given, const Cache& cache, const Method& method) {
  std::vector<InstructionSet> sets = {InstructionSet::compiled};  // and once more
  for (const InstructionSet set : instruction_sets()) sets.push_back(set);
  bool others = false;
  Outcome expected;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    CAPTURE(name_of(sets[i]));
    const Outcome outcome = decode_by(sets[i], given, cache, method);
    if (i == 0) expected = outcome;
    CHECK(outcome.drawn == expected.drawn);
    CHECK(difference(outcome.out, expected.out) < 2e-6);
    const bool own = outcome.launched_by != expected.launched_by;
    if (sets[i] == InstructionSet::compiled) CHECK(!own);
    others = others || own;
  }
  return others;
}

template <class T>
void compare_all(const Case<T>& given) {
  bool others = false;
  const auto by_every_method = [&](const auto& cache) {
    others |= compare(given, cache, MassUnit{.rows = 150});
    others |= compare(given, cache, MassUnitOf<Draws::joint_l2>{.rows = 150});
    others |= compare(given, cache, MassUnitOf<Draws::separate>{.rows = 150});
  };
  by_every_method(given.cache);
  by_every_method(NarrowCache{given.cache, given.int8});
  by_every_method(NarrowCache{given.cache, given.fp8});
  by_every_method(NarrowCache{given.cache, given.int4});
  by_every_method(rescored(NarrowCache{given.cache, given.int8}));
  by_every_method(rescored(NarrowCache{given.cache, given.fp8}));
  by_every_method(rescored(NarrowCache{given.cache, given.int4}));
  others |= compare(given, given.cache, Exact{});
  others |= compare(given, given.cache, Systematic{.samples = 200});
  others |= compare(given, given.cache, Stratified{.samples = 200});
  others |= compare(given, given.cache, Multinomial{.samples = 200});
  others |= compare(given, given.cache, FixedTileBudget{.samples = 200, .tile = 64});
  others |= compare(given, given.cache, ProportionalTileBudget{.samples = 200, .tile = 64});
  CHECK(others == (instruction_sets().size() > 1));
}

}  // namespace

TEST_CASE("the_best_that_the_processor_has_is_chosen") {
  const std::vector<InstructionSet> sets = instruction_sets();
  std::vector<InstructionSet> expected = {InstructionSet::compiled};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) expected.push_back(InstructionSet::avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
    expected.push_back(InstructionSet::avx512);
  if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi2"))
    expected.push_back(InstructionSet::avx512_bf16);
  CHECK(sets == expected);
  CHECK(instruction_set() == sets.back());
}

TEST_CASE("one_that_is_asked_for_is_taken") {
  for (const InstructionSet set : instruction_sets()) {
    use_instruction_set(set);
    CHECK(instruction_set() == set);
  }
  CHECK(std::string(name_of(InstructionSet::avx512_bf16)) == "avx512_bf16");
}

TEST_CASE("all_draw_the_same_rows_of_bfloat16") { compare_all(Case<bfloat16>()); }
TEST_CASE("all_draw_the_same_rows_of_half") { compare_all(Case<half>()); }
TEST_CASE("all_draw_the_same_rows_of_float") { compare_all(Case<float>()); }
