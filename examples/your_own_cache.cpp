// A cache of one's own: a ring of slots that keeps the newest tokens. Any method decodes it. Link santa::santa.
#include "your_own.hpp"

#include <cstdio>
#include <utility>

/// As kernels see it (concept santa::CacheAddresses): row i of a request is in slot (oldest + i) % capacity.
struct RingAddresses {
  using Element = float;
  using ScoredElement = Element;
  static constexpr bool rescored = false;
  const float* key_data;
  const float* value_data;
  std::int64_t oldest, capacity, kv_heads, dim;

  struct Rows {
    const float* slots;
    std::int64_t oldest, capacity, stride;
    // Of rows beyond the last one too, which are named as hints: those are slots as well.
    KOKKOS_FUNCTION const float* operator[](std::int64_t i) const { return slots + (oldest + i) % capacity * stride; }
  };
  KOKKOS_FUNCTION Rows rows(const float* data, std::int64_t batch, std::int64_t kv_head) const {
    return {data + (batch * capacity * kv_heads + kv_head) * dim, oldest, capacity, kv_heads * dim};
  }
  KOKKOS_FUNCTION Rows keys(std::int64_t b, std::int64_t kv_head) const { return rows(key_data, b, kv_head); }
  KOKKOS_FUNCTION Rows values(std::int64_t b, std::int64_t kv_head) const { return rows(value_data, b, kv_head); }
  KOKKOS_FUNCTION Rows scored(std::int64_t b, std::int64_t kv_head) const { return keys(b, kv_head); }
  bool aligned() const { return dim % 4 == 0; }  // Kokkos allocates at multiples of 64 bytes
};

/// The cache (concept santa::AddressedCache): views [batch, capacity, kv_heads, dim], and the oldest token's slot.
struct RingCache {
  View<float****> keys, values;
  std::int64_t oldest = 0;

  using key_view = View<float****>;
  using value_view = View<float****>;
  using length_view = santa::NoLengths;
  using Addresses = RingAddresses;
  std::int64_t extent(std::size_t i) const { return static_cast<std::int64_t>(keys.extent(i)); }
  santa::Shape shape() const { return {extent(0), extent(2), extent(2), extent(1), extent(3)}; }
  Addresses addresses() const { return {keys.data(), values.data(), oldest, extent(1), extent(2), extent(3)}; }
  santa::RequestLengths length_data() const { return {}; }  // every slot has a token
};

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const std::int64_t length = 1000, oldest = 700;
  const Problem problem(length);
  const auto ring_of = [&](const View<float****>& rows) {  // the first token in slot `oldest`, the others from there on
    using Kokkos::ALL, std::pair;
    const View<float****> ring("ring", 1, length, Problem::kv_heads, Problem::dim);
    const auto copy = [&](std::int64_t from, std::int64_t to, std::int64_t count) {
      Kokkos::deep_copy(Kokkos::subview(ring, 0, pair(to, to + count), ALL, ALL),
                        Kokkos::subview(rows, 0, pair(from, from + count), ALL, ALL));
    };
    copy(0, oldest, length - oldest);
    copy(length - oldest, 0, oldest);
    return ring;
  };
  const RingCache ring{ring_of(problem.keys), ring_of(problem.values), oldest};
  const double all = problem.error_of_mean(santa::Exact{}, ring);
  const double sampled = problem.error_of_mean(santa::MassUnit{.rows = santa::share(0.5)}, ring);
  std::printf("ring against rows in order: Exact off by %.2g, half of the rows by %.2g\n", all, sampled);
  return all < 1e-6 && sampled > 0. && sampled < 0.3 ? 0 : 1;
}
