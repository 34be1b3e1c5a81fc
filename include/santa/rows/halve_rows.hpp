// Kernel halving: half of the rows of a set, chosen so that averages over both halves are close.
#pragma once

#include <santa/core/build.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/rows/kernel_rows.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <limits>

namespace santa::detail::inline SANTA_BUILD {

/// The random numbers of thinning: key (seed; step, stream, 0, 65533, index), the upper 53 bits of each.
struct HalvingNumbers {
  StreamKey key;
  std::uint32_t begin;  // of a level
  static constexpr std::uint16_t head = StreamKey::no_head - 2;
  static constexpr std::uint32_t of_features = std::uint32_t{1} << 31, of_debiasing = of_features + (1U << 30);

  [[nodiscard]] KOKKOS_FUNCTION double uniform(std::int64_t index) const {
    std::uint32_t word[4];
    key.draw(head, begin + static_cast<std::uint32_t>(index), word);
    return static_cast<double>((std::uint64_t{word[1]} << 32 | word[0]) >> 11) * 0x1p-53;
  }
};

/// Sets of rows of one size, an even number, each halved by a block. Of each, `features + 4` numbers a row of work.
template <class Kernel, bool stein>
struct HalvingSets {
  using Rows = KernelRows<Kernel, stein>;

  Rows all;
  const std::int64_t* rows;  // [sets][size]: rows of `all`
  std::int64_t size;
  double* work;
  double log_term;  // 2 log(2 size / chance of failing)
  HalvingNumbers numbers;

  KOKKOS_FUNCTION static std::int64_t work_of(const Rows& rows, std::int64_t sets, std::int64_t size) {
    return sets * (rows.features() + 4) * Rows::padded(size);
  }

  /// Copies a set's rows to its work.
  template <class Block>
  KOKKOS_FUNCTION Rows load(const Block& block, std::int64_t set) const {
    const std::int64_t stride = Rows::padded(size);
    double* const to = work + set * (all.features() + 4) * stride;
    const std::int64_t* const from = rows + set * size;
    for (int f = 0; f < all.features(); ++f)
      block.for_each(stride,
                     [&](std::int64_t i) { to[f * stride + i] = i < size ? all.data[f * all.stride + from[i]] : 0.; });
    return {all.kernel, to, stride, all.dim};
  }
  /// One of the four numbers that a set's rows have besides.
  [[nodiscard]] KOKKOS_FUNCTION double* extra(std::int64_t set, int which) const {
    return work + (set * (all.features() + 4) + all.features() + which) * Rows::padded(size);
  }

  /// Kernel halving (Dwivedi, Mackey): of each pair one row gets the sign 1, one -1, by chances that hold the signed
  /// sum of kernels small. Averages over either half are right on average.
  template <class Block>
  KOKKOS_FUNCTION void split(const Block& block, const Rows& own, std::int64_t set, double* sign) const {
    double variance = 0.;
    for (std::int64_t pair = 0; pair < size / 2; ++pair) {
      const std::int64_t a = 2 * pair, b = a + 1;
      const double square = own.at(a, a) - 2. * own.at(a, b) + own.at(b, b);
      const double threshold = next_threshold(variance, square);
      const double away = sum_of_values(block, own, b, a, sign) - sum_of_values(block, own, a, a, sign);
      const double of_first = numbers.uniform(set * (size / 2) + pair) <= 0.5 * (1. - away / threshold) ? -1. : 1.;
      block.single([&] {
        sign[a] = of_first;
        sign[b] = -of_first;
      });
    }
  }

 private:
  /// From where on a pair's sign is certain; moves the variance of the sum on. "Generalized kernel thinning", KT-split.
  KOKKOS_FUNCTION double next_threshold(double& variance, double square) const {
    const double spread = Kokkos::sqrt(variance * square * log_term);
    const double threshold = square > spread ? square : spread;
    if (!(threshold > 0.)) return 1.;
    if (variance == 0.) {
      variance = square;
    } else if (const double more = 1. + (square / threshold - 2.) * variance / threshold; more > 0.) {
      variance += square * more;
    }
    return threshold;
  }
};

/// Halves each set and keeps one of its halves, either by chance: first by pairs, or every second row if these are
/// nearer; then each kept row is exchanged for the left one that lowers the distance most.
template <class Kernel, bool stein>
struct HalveSets : HalvingSets<Kernel, stein> {
  std::int64_t* kept;       // [sets][size / 2]
  std::int64_t first_coin;  // index of its random number

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t set) const {
    const std::int64_t n = this->size;
    const auto own = this->load(block, set);
    double* const sign = this->extra(set, 0);
    double* const sum = this->extra(set, 1);
    double* const other = this->extra(set, 2);
    double* const value = this->extra(set, 3);
    this->split(block, own, set, sign);
    block.for_each(n, [&](std::int64_t i) { other[i] = i % 2 == 0 ? -1. : 1.; });
    block.for_each(n, [&](std::int64_t i) { own.sums(i, n, sign, other, sum[i], value[i]); });
    const double by_pairs = block.real_sum(n, [&](std::int64_t i) { return sign[i] * sum[i]; });
    const double by_turns = block.real_sum(n, [&](std::int64_t i) { return other[i] * value[i]; });
    if (by_turns < by_pairs)
      block.for_each(n, [&](std::int64_t i) {
        sign[i] = other[i];
        sum[i] = value[i];
      });
    block.for_each(n, [&](std::int64_t i) { other[i] = own.at(i, i); });
    exchange(block, own, sign, sum, other, value);
    const double wanted = this->numbers.uniform(this->first_coin + set) < 0.5 ? 1. : -1.;
    const std::int64_t* const from = this->rows + set * n;
    std::int64_t* const to = kept + set * (n / 2);
    block.scan(
        n, [&](std::int64_t i) { return std::uint64_t{sign[i] == wanted ? 1U : 0U}; },
        [&](std::int64_t i, std::uint64_t place) {
          if (sign[i] == wanted) to[place - 1] = from[i];
        });
  }

 private:
  /// sum: of kernels by sign, at each row; self: k(i, i).
  template <class Block, class Rows>
  KOKKOS_FUNCTION void exchange(const Block& block, const Rows& own, double* sign, double* sum, const double* self,
                                double* value) const {
    const std::int64_t n = this->size;
    for (std::int64_t x = 0; x < n; ++x) {
      if (sign[x] < 0.) continue;
      for_each_value(block, own, x, n, [&](std::int64_t i, double k) { value[i] = k; });
      const auto gain = [&](std::int64_t i) {
        return sign[i] < 0. ? 2. * value[i] - sum[i] - self[i] : -std::numeric_limits<double>::infinity();
      };
      const double most = block.largest(n, gain);
      if (!(most > self[x] - sum[x])) continue;
      const std::int64_t y = block.first_of(n, [&](std::int64_t i) { return gain(i) >= most; });
      if (y == n) continue;
      block.single([&] {
        sign[x] = -1.;
        sign[y] = 1.;
      });
      for_each_value(block, own, y, n, [&](std::int64_t i, double k) { sum[i] += 2. * (k - value[i]); });
    }
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
