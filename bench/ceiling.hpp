// The streaming-read ceiling: how fast all threads together read memory that no cache holds.
#pragma once

#include <santa/lanes/simd.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa_bench {

/// Reads `bytes` bytes once and returns a checksum, so that no read can be left out.
/// Every thread takes one contiguous part; a read is a vector load and an addition.
template <class Space>
std::uint64_t read_all(const Space& space, const std::byte* data, std::size_t bytes) {
  using Vector = santa::lanes::Simd<std::uint64_t, 8>;
  constexpr std::size_t block = 4 * sizeof(Vector);
  const auto blocks = static_cast<std::int64_t>(bytes / block);
  const std::int64_t parts = space.concurrency();
  std::uint64_t checksum = 0;
  Kokkos::parallel_reduce(
      "santa::bench::read", Kokkos::RangePolicy<Space>(space, 0, parts),
      KOKKOS_LAMBDA(const std::int64_t part, std::uint64_t& sum) {
        Vector total[4] = {0, 0, 0, 0};
        const std::byte* end = data + static_cast<std::size_t>(blocks * (part + 1) / parts) * block;
        for (const std::byte* at = data + static_cast<std::size_t>(blocks * part / parts) * block; at < end;
             at += block)
          for (std::size_t i = 0; i < 4; ++i) total[i] += Vector::load_bytes(at + i * sizeof(Vector));
        for (const Vector& one : total) sum += santa::lanes::sum(one);
      },
      checksum);
  return checksum;
}

}  // namespace santa_bench
