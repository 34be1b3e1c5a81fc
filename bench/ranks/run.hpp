// All methods at all shapes on the ranks that are given, by a clock that is given.
#pragma once

#include "measure.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace santa_bench {

/// Times a step: microseconds(space, ranks, step) calls step() as often as it likes, on all ranks alike.
template <class Space, class Ranks, class Clock>
class RankBench {
  using Shard = ShardOfCache<Space>;
  using Memory = typename Space::memory_space;
  using Heads = typename Shard::Heads;

 public:
  RankBench(const Space& space, const Ranks& ranks, const Clock& clock) : _space(space), _ranks(ranks), _clock(clock) {}

  /// Whether all results were right.
  bool run(const std::vector<RankShape>& shapes) {
    for (std::size_t i = 0; i < shapes.size(); ++i) run(shapes[i], i + 1 == shapes.size());
    return _right;
  }

 private:
  void run(const RankShape& shape, bool last) {
    const std::int64_t rows = shape.length / _ranks.size();
    const Shard shard(_space, shape, rows * _ranks.rank(), rows);
    const auto cache = shard.cache();
    const Heads exact = shard.output();
    measure("exact", "bf16", false, santa::Exact{}, shard, cache, exact, exact, 0.3, false);
    const double error = error_of_head(exact, reference_head(_space, _ranks, shard));
    if (!(error < 1e-4)) std::fprintf(stderr, "exact attention is off by %g\n", error);
    _right = _right && error < 1e-4;
    const Heads out = shard.output();
    measure("mass-unit", "bf16", false, santa::MassUnit{.rows = santa::share(0.1)}, shard, cache, out, exact, 0.3,
            false);
    santa::NarrowKeys<santa::int4x2, Memory> narrow(_space, cache.shape());
    santa::calibrate(_space, cache, narrow);
    take_channels_of_first_rank(narrow.center);
    take_channels_of_first_rank(narrow.spread);
    santa::encode_keys(_space, cache, narrow);
    measure("mass-unit", "int4", true, santa::MassUnit{.rows = santa::share(0.1)}, shard,
            santa::rescored(santa::NarrowCache{cache, narrow}), out, exact, 0.3, last);
  }

  /// Codes of all shards are by the same mean and spread of each channel.
  template <class View>
  void take_channels_of_first_rank(const View& channels) {
    const std::size_t count = channels.size();
    const Kokkos::View<float**, Kokkos::LayoutRight, Memory> all("channels", static_cast<std::size_t>(_ranks.size()),
                                                                 count);
    const Kokkos::View<float*, Memory> own(channels.data(), count);
    Kokkos::deep_copy(_space, Kokkos::subview(all, static_cast<std::size_t>(_ranks.rank()), Kokkos::ALL), own);
    _ranks.all_gather(_space, all.data(), count * sizeof(float), 0);
    Kokkos::deep_copy(_space, own, Kokkos::subview(all, std::size_t{0}, Kokkos::ALL));
    _space.fence();
  }

  template <class Method, class Cache>
  void measure(const char* name, const char* stage, bool rescored, const Method& method, const Shard& shard,
               const Cache& cache, const Heads& out, const Heads& exact, double most_error, bool last) {
    const santa::DecodePlan own{_space, method, shard.query, cache, {.shard = shard.shard}};
    const santa::ShardedPlan plan{_space, _ranks, own};
    const santa::DecodeState<Memory> state{_space, own.shape()};
    const Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics(
        "statistics", shard.query.extent(0), static_cast<std::size_t>(RankShape::kv_heads));
    const auto step = [&](bool with_statistics) {
      santa::RunOptions<Memory> options;
      options.seed = 7;
      options.state = state;
      if (with_statistics) options.statistics = statistics;
      plan.run(_space, _ranks, shard.query, cache, out, options);
    };
    step(true);  // a first step
    step(true);
    _space.fence();
    const double read = share_read(statistics, shard.whole.length);
    const double error = relative_error(out, exact);
    _right = _right && error < most_error && (&out == &exact || read < 0.2);
    const std::size_t bytes = plan.bytes_of_states(shard.whole.batch);
    const Kokkos::View<std::byte*, Memory> block("block", bytes * static_cast<std::size_t>(_ranks.size()));
    RankRow row{name,
                stage,
                rescored,
                shard.whole,
                read,
                0.,
                0.,
                error,
                0.,
                _ranks.size(),
                _space.concurrency(),
                static_cast<std::int64_t>(bytes)};
    row.microseconds = _clock.microseconds(_space, _ranks, [&] { step(false); });
    row.gather_microseconds =
        _clock.microseconds(_space, _ranks, [&] { _ranks.all_gather(_space, block.data(), bytes, 0); });
    const double key_bytes = row.score_stage[0] == 'i' ? RankShape::dim / 2. + 2. : 2. * RankShape::dim;
    const double drawn_bytes = (rescored ? 4. : 2.) * RankShape::dim * read;
    row.bytes_read = static_cast<double>(shard.whole.batch * RankShape::kv_heads * shard.whole.length) / _ranks.size() *
                     (key_bytes + drawn_bytes);
    if (_ranks.rank() == 0) row.print(last);
  }

  Space _space;
  Ranks _ranks;
  Clock _clock;
  bool _right = true;
};

}  // namespace santa_bench
