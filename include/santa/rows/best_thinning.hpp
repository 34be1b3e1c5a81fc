// The last rounds of thinning: all of a set's halves, the best of them, and the exchange of its rows.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/halve_rows.hpp>
#include <santa/rows/kernel_rows.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <limits>

namespace santa::detail::inline SANTA_BUILD {

/// Parts each set into both of its halves, one behind the other.
template <class Kernel, bool stein>
struct SplitSets : HalvingSets<Kernel, stein> {
  std::int64_t* halves;  // [sets][2][size / 2]

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t set) const {
    const std::int64_t size = this->size;
    const auto own = this->load(block, set);
    double* const sign = this->extra(set, 0);
    this->split(block, own, set, sign);
    const std::int64_t* const from = this->rows + set * size;
    std::int64_t* const to = halves + set * size;
    block.for_each(size, [&](std::int64_t i) { to[sign[i] > 0. ? i / 2 : size / 2 + i / 2] = from[i]; });
  }
};

/// A set of rows, and candidates of m of them each: rows c m to (c + 1) m - 1 of `own`, the last of which are copies of
/// every so many rows of the set.
template <class Kernel, bool stein>
struct Candidates {
  using Rows = KernelRows<Kernel, stein>;
  static constexpr int extras = 4;

  Rows all;
  const std::int64_t* rows;  // [size]: of `all`
  std::int64_t size, m;
  double* work;      // [features + extras][padded(size + m)]
  bool mean_zero;    // the kernel's mean is 0 where averages are to be right; else: near those of the set
  double* distance;  // [candidates()]: squared, up to what they share

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t count() const { return size + m; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t candidates() const { return size / m + 1; }
  [[nodiscard]] KOKKOS_FUNCTION Rows own() const { return {all.kernel, work, Rows::padded(count()), all.dim}; }
  [[nodiscard]] KOKKOS_FUNCTION double* extra(int which) const {
    return work + (all.features() + which) * Rows::padded(count());
  }
  [[nodiscard]] KOKKOS_FUNCTION double* mean() const { return extra(0); }  // of kernels with the set's rows
  [[nodiscard]] KOKKOS_FUNCTION double* unit() const { return extra(1); }  // 1 each
  /// The place in the set of row i of `own`.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t place(std::int64_t i) const {
    return i < size ? i : size - 1 - (m - 1 - (i - size)) * (size / m);
  }
};

/// Copies rows to the work. Index: a row of `own`.
template <class Kernel, bool stein>
struct LoadCandidates : Candidates<Kernel, stein> {
  const std::int64_t* in_order;  // [size]: the set before it was parted, of which every so many rows are a candidate

  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    const auto own = this->own();
    const bool real = i < this->count();
    const std::int64_t from = !real ? 0 : (i < this->size ? this->rows[i] : in_order[this->place(i)]);
    for (int f = 0; f < own.features(); ++f)
      this->work[f * own.stride + i] = real ? this->all.data[f * this->all.stride + from] : 0.;
    this->unit()[i] = 1.;
  }
};

/// The mean of kernels of each row with the set's.
template <class Kernel, bool stein>
struct MeanKernels : Candidates<Kernel, stein> {
  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    this->mean()[i] =
        this->mean_zero ? 0. : this->own().sum(i, this->size, this->unit()) / static_cast<double>(this->size);
  }
};

/// How far each candidate is from the set.
template <class Kernel, bool stein>
struct CandidateDistances : Candidates<Kernel, stein> {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t candidate) const {
    const std::int64_t first = candidate * this->m, m = this->m;
    const auto count = static_cast<double>(m);
    const auto rows = this->own().from(first);
    const double* const mean = this->mean() + first;
    const double* const unit = this->unit();
    const double sum = block.real_sum(m, [&](std::int64_t i) { return rows.sum(i, m, unit) / count - 2. * mean[i]; });
    block.single([&] { this->distance[candidate] = sum; });
  }
};

/// Takes the nearest candidate, and exchanges its rows, one after the other, for the row that brings it nearest; a row
/// may come more than once. One block.
template <class Kernel, bool stein>
struct BestCandidate : Candidates<Kernel, stein> {
  std::int64_t* kept;  // [m]: rows of `all`, not in order
  const std::int64_t* in_order;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t /*only*/) const {
    const auto own = this->own();
    const std::int64_t m = this->m, count = this->count();
    const double* const away = this->distance;
    const double least = -block.largest(this->candidates(), [&](std::int64_t c) { return -away[c]; });
    const std::int64_t found = block.first_of(this->candidates(), [&](std::int64_t c) { return away[c] <= least; });
    const std::int64_t first = found < this->candidates() ? found * m : this->size;
    double* const effect = this->extra(2);
    double* const value = this->extra(3);
    const auto share = 2. / static_cast<double>(m);
    block.for_each(count, [&](std::int64_t i) {
      effect[i] = share * (0.5 * own.at(i, i) + own.sum(i, m, this->unit(), first)) - 2. * this->mean()[i];
    });
    block.for_each(m, [&](std::int64_t k) { kept[k] = first + k; });
    bool moved = true;
    for (int sweep = 0; sweep < sweeps && moved; ++sweep) {
      moved = false;
      for (std::int64_t k = 0; k < m; ++k) moved = exchange(block, own, k, share, effect, value) || moved;
    }
    block.for_each(m, [&](std::int64_t k) {
      kept[k] = kept[k] < this->size ? this->rows[kept[k]] : in_order[this->place(kept[k])];
    });
  }

 private:
  static constexpr int sweeps = 8;  // at most: it ends where none helps

  /// Exchanges the k-th kept row, for which `kept` is its place in `own`, if another lowers the distance. effect: what
  /// each row would add to m / 2 times its square.
  template <class Block, class Rows>
  KOKKOS_FUNCTION bool exchange(const Block& block, const Rows& own, std::int64_t k, double share, double* effect,
                                double* value) const {
    const std::int64_t x = kept[k], count = this->count();
    for_each_value(block, own, x, count, [&](std::int64_t i, double v) { value[i] = v; });
    const auto gain = [&](std::int64_t i) { return Kokkos::fma(share, value[i], -effect[i]); };
    const double most = block.largest(count, gain);
    if (!(most > gain(x))) return false;
    const std::int64_t y = block.first_of(count, [&](std::int64_t i) { return gain(i) >= most; });
    if (y == count) return false;
    block.single([&] { kept[k] = y; });
    for_each_value(block, own, y, count, [&](std::int64_t i, double v) { effect[i] += share * (v - value[i]); });
    return true;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
