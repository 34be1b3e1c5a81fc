// Prints the bits of what the unit for any processor computes: the same, whatever else the program is linked of.
#include "builds/unit.hpp"

#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace santa::test {

/// Numbers with all their bits in use, so that sums in another order show.
Step::Step() {
  std::uint64_t bits = 1;
  const auto next = [&bits] {
    bits = bits * 6364136223846793005U + 1442695040888963407U;
    return std::sqrt(static_cast<float>(bits >> 40)) / 1000.F - 2.F;
  };
  for (std::size_t i = 0; i < query.size(); ++i) query.data()[i] = next();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys.data()[i] = bfloat16(next());
    values.data()[i] = bfloat16(next());
  }
}

}  // namespace santa::test

namespace {

using namespace santa::test;

std::uint64_t digest(const Kokkos::View<float***, Memory>& view) {
  std::uint64_t result = 14695981039346656037U;  // FNV-1a
  for (std::size_t i = 0; i < view.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, view.data() + i, sizeof(bits));
    result = (result ^ bits) * 1099511628211U;
  }
  return result;
}

[[maybe_unused]] double difference(const Kokkos::View<float***, Memory>& a, const Kokkos::View<float***, Memory>& b) {
  double squares = 0., norm = 0.;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
    squares += (x - y) * (x - y);
    norm += y * y;
  }
  return std::sqrt(squares / norm);
}

}  // namespace

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Kokkos::View<float***, Memory> exact("exact", 1, Step::heads, Step::dim);
  const Step step;
  for (int number = 0; number < 4; ++number) {
    run_plain(step, step.plan, number, exact);
    std::printf("%016" PRIx64 " %016" PRIx64 "\n", digest(step.out), digest(exact));
  }
#if defined(SANTA_TEST_BESIDE)
  // A step by one unit, the next by the other, with one plan and one state: the same draws, sums within rounding.
  const Step first, second;
  const Kokkos::View<float***, Memory> other("other", 1, Step::heads, Step::dim);
  for (int number = 0; number < 4; ++number) {
    (number % 2 == 0 ? run_native : run_plain)(first, first.plan, number, exact);
    run_plain(second, second.plan, number, other);
    const double sampled = difference(first.out, second.out), whole = difference(exact, other);
    if (!(sampled < 2e-6 && whole < 2e-6)) {
      std::printf("step %d by units in turn differs by %g, exact attention by %g\n", number, sampled, whole);
      return 1;
    }
  }
  if (argc < 0) {  // there, but not for this processor to run
    run_for_avx512(step, step.plan, 0, exact);
    run_generic(step, step.plan, 0, exact);
  }
#endif
}
