// Steps of one cache on several ranks: time, what of it is the exchange, and whether the result is right.
#pragma once

#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace santa_bench {

/// What is measured: a step of `batch` requests of `length` keys each.
struct RankShape {
  std::int64_t batch, length;
  static constexpr std::int64_t heads = 32, kv_heads = 8, dim = 128;
};

/// A number that is about normal, by what it is for: the same on whatever rank it is made.
KOKKOS_INLINE_FUNCTION float number(std::uint32_t what, std::uint64_t at) {
  const auto random = santa::Philox4x32::generate(
      {{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32), what, 0}}, {{3, 4}});
  float sum = 0.F;
  for (const std::uint32_t word : random.word) sum += static_cast<float>(word >> 8) * 0x1p-24F - 0.5F;
  return 1.7320508F * sum;
}

/// The keys and values [first, first + count) of a whole, head-major, in memory that begins where rows should.
template <class Space>
struct ShardOfCache {
  using Memory = typename Space::memory_space;
  using Rows = Kokkos::View<santa::bfloat16****, Kokkos::LayoutRight, Memory>;
  using Heads = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;
  using Cache = santa::ContiguousCache<Rows>;

  RankShape whole;
  santa::Shard shard;
  Rows keys, values;
  Heads query;

  ShardOfCache(const Space& space, const RankShape& shape, std::int64_t first, std::int64_t count)
      : whole(shape),
        shard{.first_row = first, .length = shape.length},
        keys("keys", size(shape.batch), size(RankShape::kv_heads), size(count), size(RankShape::dim)),
        values("values", size(shape.batch), size(RankShape::kv_heads), size(count), size(RankShape::dim)),
        query("query", size(shape.batch), size(RankShape::heads), size(RankShape::dim)) {
    fill(space, 1, keys, 0.F);
    fill(space, 2, values, 0.5F);
    ask(space);
    space.fence();
  }

  [[nodiscard]] Cache cache() const { return Cache(keys, values, santa::CacheLayout::head_major); }
  [[nodiscard]] Heads output() const { return Heads("out", query.extent(0), query.extent(1), query.extent(2)); }

  void ask(const Space& space) const {
    const Heads to = query;
    Kokkos::parallel_for(
        "query", santa::detail::Range<Space>(space, 0, static_cast<std::int64_t>(to.size())),
        KOKKOS_LAMBDA(const std::int64_t i) { to.data()[i] = 3.F * number(3, static_cast<std::uint64_t>(i)); });
  }
  void fill(const Space& space, std::uint32_t what, const Rows& rows, float mean) const {
    const auto count = static_cast<std::int64_t>(rows.extent(2));
    const std::int64_t first = shard.first_row, length = shard.length;
    Kokkos::parallel_for(
        "rows", santa::detail::Range<Space>(space, 0, static_cast<std::int64_t>(rows.size())),
        KOKKOS_LAMBDA(const std::int64_t i) {
          const std::int64_t head = i / (count * RankShape::dim), at = i % (count * RankShape::dim);
          const std::int64_t place = (head * length + first) * RankShape::dim + at;
          rows.data()[i] = santa::bfloat16(mean + number(what, static_cast<std::uint64_t>(place)));
        });
  }

 private:
  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }
};

/// The norm of a difference over that of what is right.
template <class Heads>
double relative_error(const Heads& given, const Heads& right) {
  const auto a = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, given);
  const auto b = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, right);
  double difference = 0., all = 0.;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
    all += std::pow(static_cast<double>(b.data()[i]), 2);
  }
  return std::sqrt(difference / all);
}

/// The output of the first request's first head over all ranks, in double and from nothing of the library's but types.
template <class Space, class Ranks>
std::vector<double> reference_head(const Space& space, const Ranks& ranks, const ShardOfCache<Space>& shard) {
  using Policy = santa::detail::Range<Space>;
  constexpr std::int64_t dim = RankShape::dim;
  const auto keys = shard.keys, values = shard.values;
  const auto query = shard.query;
  const auto rows = static_cast<std::int64_t>(keys.extent(2));
  const Kokkos::View<double*, typename Space::memory_space> scores("scores", static_cast<std::size_t>(rows));
  double largest = 0.;
  Kokkos::parallel_reduce(
      "scores", Policy(space, 0, rows),
      KOKKOS_LAMBDA(const std::int64_t i, double& most) {
        double sum = 0.;
        for (std::int64_t d = 0; d < dim; ++d)
          sum += static_cast<double>(query(0, 0, d)) * static_cast<double>(static_cast<float>(keys(0, 0, i, d)));
        scores(i) = sum / Kokkos::sqrt(static_cast<double>(dim));
        most = scores(i) > most ? scores(i) : most;
      },
      Kokkos::Max<double>(largest));
  const auto size = static_cast<std::size_t>(ranks.size()), own = static_cast<std::size_t>(ranks.rank());
  const Kokkos::View<double**, Kokkos::LayoutRight, typename Space::memory_space> all("all", size, dim + 2);
  const auto here = Kokkos::create_mirror_view(all);
  here(own, dim) = largest;
  for (std::int64_t d = 0; d <= dim; ++d) {
    double sum = 0.;
    Kokkos::parallel_reduce(
        "sums", Policy(space, 0, rows),
        KOKKOS_LAMBDA(const std::int64_t i, double& so_far) {
          const double value = d < dim ? static_cast<double>(static_cast<float>(values(0, 0, i, d))) : 1.;
          so_far += Kokkos::exp(scores(i) - largest) * value;
        },
        sum);
    here(own, static_cast<std::size_t>(d < dim ? d : dim + 1)) = sum;
  }
  Kokkos::deep_copy(space, all, here);
  ranks.all_gather(space, all.data(), (dim + 2) * sizeof(double), 0);
  Kokkos::deep_copy(space, here, all);
  space.fence();
  std::vector<double> out(static_cast<std::size_t>(dim), 0.);
  double mass = 0.;
  for (std::size_t rank = 0; rank < size; ++rank) {
    const double weight = std::exp(here(rank, dim) - here(0, dim));
    mass += weight * here(rank, dim + 1);
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * here(rank, d);
  }
  for (double& x : out) x /= mass;
  return out;
}

/// The error of the first head of an output.
template <class Heads>
double error_of_head(const Heads& given, const std::vector<double>& right) {
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, given);
  double difference = 0., all = 0.;
  for (std::size_t d = 0; d < right.size(); ++d) {
    difference += std::pow(static_cast<double>(here.data()[d]) - right[d], 2);
    all += std::pow(right[d], 2);
  }
  return std::sqrt(difference / all);
}

/// One line of results, as those of h100.json but for what ranks add. Rank 0 writes them.
struct RankRow {
  const char* method;
  const char* score_stage;
  bool rescored;
  RankShape shape;
  double rows_read, microseconds, gather_microseconds, error;
  double bytes_read;  // of a rank
  int ranks, threads;
  std::int64_t gathered_bytes;  // sent by a rank

  void print(bool last) const {
    std::printf(
        "  {\"method\": \"%s\", \"score_stage\": \"%s\", \"rescored\": %s, \"batch\": %ld, \"length\": %ld, "
        "\"heads\": 32, \"kv_heads\": 8, \"dim\": 128, \"dtype\": \"bf16\", \"layout\": \"head-major\", "
        "\"sharpness\": 3, \"rows_read_fraction\": %.4f, \"microseconds\": %.3f, \"bytes_read\": %.0f, "
        "\"relative_error\": %.3g, \"ranks\": %d, \"threads\": %d, \"gather_microseconds\": %.3f, "
        "\"gathered_bytes\": %ld}%s\n",
        method, score_stage, rescored ? "true" : "false", static_cast<long>(shape.batch),
        static_cast<long>(shape.length), rows_read, microseconds, bytes_read, error, ranks, threads,
        gather_microseconds, static_cast<long>(gathered_bytes), last ? "" : ",");
    std::fflush(stdout);
  }
};

/// Rows read, as a share of the keys.
template <class Statistics>
double share_read(const Statistics& statistics, std::int64_t length) {
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, statistics);
  double rows = 0.;
  for (std::size_t i = 0; i < here.size(); ++i) rows += static_cast<double>(here.data()[i].rows_read);
  return rows / static_cast<double>(here.size()) / static_cast<double>(length);
}

}  // namespace santa_bench
