// Scores of one's own: by the first few features of each key, which is exact enough for drawing where these are the
// largest, as after a rotation to principal directions. Link santa::santa.
#include "your_own.hpp"

#include <cstdio>

/// What stands for the keys of one (batch, kv head) where scores are made (concept santa::PieceRows): row i is a list
/// of pieces, its first features; its score is their product with the query.
struct LeadingRows {
  const float* keys;
  std::int64_t stride;
  int count;

  KOKKOS_FUNCTION int width() const { return count; }  // numbers that a query is prepared into
  KOKKOS_FUNCTION float prepared(const float* query, int place) const { return query[place]; }
  template <class F>
  KOKKOS_FUNCTION void for_each(std::int64_t i, F&& f) const {
    for (int d = 0; d < count; ++d) f(d, keys[i * stride + d]);
  }
};

/// The copy that a NarrowCache takes in place of its keys; this one lies in the keys themselves.
struct LeadingFeatures {
  View<float****> keys;  // [batch, length, kv_heads, dim]
  int count;

  struct Addresses {  // for kernels: pointers and numbers, copied as bytes
    const float* keys;
    std::int64_t length, kv_heads, dim;
    int count;
    KOKKOS_FUNCTION LeadingRows rows(std::int64_t batch, std::int64_t kv_head) const {
      return {keys + (batch * length * kv_heads + kv_head) * dim, kv_heads * dim, count};
    }
  };
  santa::Shape shape() const {
    const auto extent = [&](std::size_t i) { return static_cast<std::int64_t>(keys.extent(i)); };
    return {extent(0), extent(2), extent(2), extent(1), extent(3)};
  }
  Addresses addresses() const { return {keys.data(), shape().length, shape().kv_heads, shape().dim, count}; }
};

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Problem problem(8192, 16.F, 0.9F);
  const santa::ContiguousCache cache{problem.keys, problem.values};
  const santa::MassUnit method{.rows = santa::share(0.2)};
  const auto error = [&](const auto& by, int features, bool again) {
    const santa::NarrowCache narrow{cache, LeadingFeatures{problem.keys, features}};
    return again ? problem.error_of_mean(by, santa::rescored(narrow), 8) : problem.error_of_mean(by, narrow, 8);
  };
  const double whole = error(santa::Exact{}, 64, false);
  const double alone = error(method, 8, false), rescored = error(method, 8, true);
  std::printf("all 64 features: off from Exact by %.2g\n", whole);
  std::printf("MassUnit, a fifth of the rows by 8 features: by %.2g; with these rows' full keys by %.2g\n", alone,
              rescored);
  return whole < 1e-5 && rescored < 0.5 * alone ? 0 : 1;
}
