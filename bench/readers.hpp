// Ways in which all threads of a host read memory together: the fastest is the streaming-read ceiling.
#pragma once

#include "median.hpp"
#include <santa/lanes/simd.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace santa_bench {

/// What one thread reads: the sum of `bytes` bytes as 64-bit words (the last one filled up with zeros), so that no read
/// can be left out. Lines of 64 bytes of `streams` equal stretches in turn, each asked for `ahead` lines before.
template <int streams, int ahead>
std::uint64_t add_up(const std::byte* data, std::size_t bytes) {
  using Line = santa::lanes::Simd<std::uint64_t, 8>;
  const std::size_t lines = bytes / sizeof(Line) / streams;
  Line total[streams] = {};
  for (std::size_t line = 0; line < lines; ++line)
    santa::lanes::static_for<streams>([&](auto stream) SANTA_INLINE_LAMBDA {
      const std::byte* const at = data + (stream * lines + line) * sizeof(Line);
      if constexpr (ahead > 0) __builtin_prefetch(at + ahead * sizeof(Line));
      total[stream] += Line::load_bytes(at);
    });
  std::uint64_t sum = 0;
  for (const Line& one : total) sum += santa::lanes::sum(one);
  std::uint64_t word = 0;
  for (std::size_t at = streams * lines * sizeof(Line); at < bytes; at += sizeof word, sum += word, word = 0)
    std::memcpy(&word, data + at, std::min(sizeof word, bytes - at));
  return sum;
}

/// How a thread reads, and what: one stretch of its own, or pieces of 256 KiB as it comes to them.
struct Reader {
  const char* name;
  std::uint64_t (*add_up)(const std::byte* data, std::size_t bytes);
  bool dealt;
};

inline constexpr Reader readers[] = {
    {"1 stream", add_up<1, 0>, false},
    {"2 streams", add_up<2, 0>, false},
    {"4 streams", add_up<4, 0>, false},
    {"8 streams", add_up<8, 0>, false},
    {"1 stream, prefetch", add_up<1, 64>, false},
    {"2 streams, prefetch", add_up<2, 32>, false},
    {"4 streams, prefetch", add_up<4, 16>, false},
    {"8 streams, prefetch", add_up<8, 8>, false},
    {"1 stream, dealt", add_up<1, 0>, true},
    {"2 streams, dealt", add_up<2, 0>, true},
    {"4 streams, dealt", add_up<4, 0>, true},
    {"8 streams, dealt", add_up<8, 0>, true},
    {"1 stream, prefetch, dealt", add_up<1, 64>, true},
    {"2 streams, prefetch, dealt", add_up<2, 32>, true},
    {"4 streams, prefetch, dealt", add_up<4, 16>, true},
    {"8 streams, prefetch, dealt", add_up<8, 8>, true},
};

template <class Schedule, class Space>
std::uint64_t read_pieces(const Space& space, const Reader& reader, const std::byte* data, std::size_t bytes,
                          std::size_t pieces) {
  const auto begin = [=](std::size_t piece) { return piece == pieces ? bytes : bytes / 64 * piece / pieces * 64; };
  std::uint64_t sum = 0;
  Kokkos::parallel_reduce(
      "santa::bench::read",
      Kokkos::RangePolicy<Space, Schedule, Kokkos::IndexType<std::size_t>>(space, 0, pieces, Kokkos::ChunkSize(1)),
      [=](std::size_t piece, std::uint64_t& total) {
        total += reader.add_up(data + begin(piece), begin(piece + 1) - begin(piece));
      },
      sum);
  return sum;
}

/// Reads `bytes` bytes once by all threads: their sum as 64-bit words, the same by all readers.
template <class Space>
std::uint64_t read_all(const Space& space, const Reader& reader, const std::byte* data, std::size_t bytes) {
  constexpr std::size_t piece = std::size_t{256} << 10;
  if (reader.dealt)
    return read_pieces<Kokkos::Schedule<Kokkos::Dynamic>>(space, reader, data, bytes, (bytes + piece - 1) / piece);
  return read_pieces<Kokkos::Schedule<Kokkos::Static>>(space, reader, data, bytes,
                                                       static_cast<std::size_t>(space.concurrency()));
}

/// Which reader has the least median, of seconds by reader and round.
inline std::size_t fastest(const std::vector<std::vector<double>>& seconds) {
  std::vector<double> medians;
  for (const std::vector<double>& rounds : seconds) medians.push_back(median(rounds));
  return static_cast<std::size_t>(std::min_element(medians.begin(), medians.end()) - medians.begin());
}

struct BestReader {
  const Reader* reader = readers;
  double gb_s = 0.;
};

/// The reader that takes the least time for all copies, `bytes` bytes each at data(copy). Readers take turns, so that
/// what else the machine does meets all of them; the first of the `rounds` + 1 rounds does not count.
/// Errors: std::runtime_error where readers disagree on what they read.
template <class Space, class Data>
BestReader best_reader(const Space& space, std::size_t copies, std::size_t bytes, int rounds, const Data& data) {
  std::vector<std::vector<double>> seconds(std::size(readers));
  std::uint64_t expected = 0;
  for (int round = 0; round <= rounds; ++round)
    for (std::size_t i = 0; i < std::size(readers); ++i) {
      std::uint64_t sum = 0;
      const Kokkos::Timer timer;
      for (std::size_t copy = 0; copy < copies; ++copy) sum += read_all(space, readers[i], data(copy), bytes);
      if (round > 0) seconds[i].push_back(timer.seconds());
      if (round == 0 && i == 0) expected = sum;
      if (sum != expected) throw std::runtime_error("readers disagree: " + std::string(readers[i].name));
    }
  const std::size_t best = fastest(seconds);
  return {readers + best, static_cast<double>(copies * bytes) / median(seconds[best]) * 1e-9};
}

}  // namespace santa_bench
