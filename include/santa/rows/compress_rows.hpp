// Thinning a sequence of rows: a tree of halvings, and the last rounds on what it leaves.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/rows/best_thinning.hpp>
#include <santa/rows/halve_rows.hpp>
#include <santa/rows/kernel_rows.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// How a sequence of m 2^halvings rows is thinned to m: `levels` of a tree whose sets are halved, each of four halves
/// of the level before; then `last` rounds on the m 2^last rows that are left. "Distribution compression in near-linear
/// time" (Compress++), for any m.
struct ThinningTree {
  std::int64_t m;
  int halvings = 0, last, levels;

  /// The shortest sequence with room for all rows. oversampling: g of the paper.
  ThinningTree(std::int64_t rows, std::int64_t kept, int oversampling) : m(kept) {
    while (m << halvings < rows) ++halvings;
    int twos = 0;  // of m
    while (twos < 40 && (m >> twos & 1) == 0) ++twos;
    // 4^levels divides the sequence.
    last = std::min(halvings, std::max(oversampling + 1, (halvings - twos + 1) / 2));
    levels = halvings - last;
  }
  [[nodiscard]] std::int64_t length() const { return m << halvings; }
  [[nodiscard]] std::int64_t sets(int level) const { return std::int64_t{1} << 2 * (levels - 1 - level); }
  [[nodiscard]] std::int64_t size(int level) const { return (length() >> 2 * levels) << (2 + level); }
};

/// Thins by one kernel on an execution space.
template <class Space, class Kernel, bool stein>
class Thinning {
 public:
  using Rows = KernelRows<Kernel, stein>;
  using Indices = Kokkos::View<std::int64_t*, typename Space::memory_space>;
  using Numbers = Kokkos::View<double*, typename Space::memory_space>;

  Thinning(const Space& space, const Rows& rows, const ThinningTree& tree, const StreamKey& key)
      : _space(space), _rows(rows), _tree(tree), _key(key) {}

  /// m rows of the sequence, not in order. mean_zero: see Candidates.
  Indices run(Indices sequence, bool mean_zero) {
    for (int level = 0; level < _tree.levels; ++level) sequence = halve(sequence, level);
    return _tree.last > 0 ? finish(sequence, mean_zero) : sequence;
  }

 private:
  static constexpr double failure = 0.5;  // chance that a bound on the error does not hold, over all halvings
  static constexpr std::int64_t most_work = std::int64_t{1} << 25;

  Indices indices(std::int64_t count) const {
    return allocate<Indices, Fresh::unset>(_space, "santa::thinning::rows", count);
  }
  Numbers work(std::int64_t count) const {
    return allocate<Numbers, Fresh::unset>(_space, "santa::thinning::work", count);
  }
  [[nodiscard]] static double log_term(std::int64_t size, double chance) {
    return 2. * std::log(2. * static_cast<double>(size) / chance);
  }

  /// Batches of sets share work, which is bounded.
  Indices halve(const Indices& from, int level) {
    const std::int64_t sets = _tree.sets(level), size = _tree.size(level);
    const Indices to = indices(sets * size / 2);
    const std::int64_t of_set = HalvingSets<Kernel, stein>::work_of(_rows, 1, size);
    const std::int64_t batch = std::min(sets, std::max<std::int64_t>(1, most_work / of_set));
    const Numbers memory = work(batch * of_set);
    const double chance = 0.5 * failure * static_cast<double>(size) / static_cast<double>(_tree.size(0)) *
                          static_cast<double>(size) / static_cast<double>(_tree.length()) / _tree.levels;
    const std::int64_t pairs = size / 2;
    for (std::int64_t set = 0; set < sets; set += batch) {
      const std::int64_t first = set * pairs;
      HalveSets<Kernel, stein> kernel{};
      kernel.all = _rows;
      kernel.rows = from.data() + set * size;
      kernel.size = size;
      kernel.work = memory.data();
      kernel.log_term = log_term(size, chance);
      kernel.numbers = {_key, _used + static_cast<std::uint32_t>(first)};
      kernel.kept = to.data() + first;
      kernel.first_coin = sets * pairs + set - first;
      launch_blocks("santa::halve", _space, std::min(batch, sets - set), kernel);
    }
    _used += static_cast<std::uint32_t>(sets * pairs + sets);
    _space.fence("santa::halve");  // the work is freed
    return to;
  }

  Indices finish(const Indices& in_order, bool mean_zero) {
    const std::int64_t all = _tree.m << _tree.last;
    std::int64_t most = 0;
    for (int round = 0; round < _tree.last; ++round)
      most = std::max(most, HalvingSets<Kernel, stein>::work_of(_rows, std::int64_t{1} << round, all >> round));
    const Numbers memory = work(most);
    Indices from = in_order;
    for (int round = 0; round < _tree.last; ++round) {
      const Indices to = indices(all);
      SplitSets<Kernel, stein> kernel{};
      kernel.all = _rows;
      kernel.rows = from.data();
      kernel.size = all >> round;
      kernel.work = memory.data();
      kernel.log_term = log_term(kernel.size, 0.5 * failure * static_cast<double>(1 << round) / _tree.last);
      kernel.numbers = {_key, _used};
      kernel.halves = to.data();
      launch_blocks("santa::split", _space, std::int64_t{1} << round, kernel);
      _used += static_cast<std::uint32_t>(all / 2);
      _space.fence("santa::split");
      from = to;
    }
    return best(from, in_order, mean_zero);
  }

  Indices best(const Indices& parted, const Indices& in_order, bool mean_zero) {
    Candidates<Kernel, stein> of{
        _rows, parted.data(), static_cast<std::int64_t>(parted.extent(0)), _tree.m, nullptr, mean_zero, nullptr};
    const std::int64_t padded = Rows::padded(of.count());
    const Numbers memory = work((_rows.features() + Candidates<Kernel, stein>::extras) * padded);
    const Numbers distance = work(of.candidates());
    const Indices kept = indices(_tree.m);
    of.work = memory.data();
    of.distance = distance.data();
    Kokkos::parallel_for("santa::load_candidates", Range<Space>(_space, 0, padded),
                         LoadCandidates<Kernel, stein>{of, in_order.data()});
    Kokkos::parallel_for("santa::mean_kernels", Range<Space>(_space, 0, of.count()), MeanKernels<Kernel, stein>{of});
    launch_blocks("santa::candidates", _space, of.candidates(), CandidateDistances<Kernel, stein>{of});
    launch_blocks("santa::best_candidate", _space, 1, BestCandidate<Kernel, stein>{of, kept.data(), in_order.data()});
    _space.fence("santa::best_candidate");
    return kept;
  }

  Space _space;
  Rows _rows;
  ThinningTree _tree;
  StreamKey _key;
  std::uint32_t _used = 0;  // random numbers so far
};

}  // namespace santa::detail::inline SANTA_BUILD
