// Problems with low-rank and sparse keys, and what these stand for.
#pragma once

#include "narrow/narrow_problem.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace santa::test {

template <class View>
auto on_host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}

/// The element (batch, row, kv head, i) of a host's view in either layout.
template <class View>
auto& element(const View& view, CacheLayout layout, std::int64_t b, std::int64_t row, std::int64_t kv, std::int64_t i) {
  return layout == CacheLayout::token_major ? view(b, row, kv, i) : view(b, kv, row, i);
}

/// Calls f(batch, row, kv head) for all valid keys.
template <class Problem, class F>
void for_each_key(const Problem& problem, F&& f) {
  for (std::int64_t b = 0; b < problem.shape.batch; ++b)
    for (std::int64_t i = 0; i < problem.lengths[static_cast<std::size_t>(b)]; ++i)
      for (std::int64_t kv = 0; kv < problem.shape.kv_heads; ++kv) f(b, i, kv);
}

/// Low-rank keys by a random projection, in which nothing is orthonormal.
template <class Space, class T, class Q>
LowRankKeys<T, typename Space::memory_space> low_rank_keys(const Problem<Space, T, Q>& problem, std::int64_t rank,
                                                           CacheLayout layout = CacheLayout::token_major) {
  const LowRankKeys<T, typename Space::memory_space> narrow(Space{}, problem.shape, rank, layout);
  const auto projection = Kokkos::create_mirror_view(narrow.projection);
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.F, 1.F / std::sqrt(static_cast<float>(problem.shape.dim)));
  for (std::size_t i = 0; i < projection.size(); ++i) projection.data()[i] = normal(random);
  Kokkos::deep_copy(narrow.projection, projection);
  encode_keys(Space{}, problem.cache(), narrow);
  return narrow;
}

/// What low-rank keys stand for: <P q, x> = <q, P^T x>.
template <class Space, class T, class Q>
Problem<Space, T, Q> stand_in(const Problem<Space, T, Q>& problem,
                              const LowRankKeys<T, typename Space::memory_space>& narrow) {
  Problem<Space, T, Q> result = problem;
  const auto keys = on_host(narrow.keys);
  const auto projection = on_host(narrow.projection);
  for_each_key(problem, [&](std::int64_t b, std::int64_t i, std::int64_t kv) {
    for (std::int64_t d = 0; d < problem.shape.dim; ++d) {
      double sum = 0.;
      for (std::int64_t r = 0; r < narrow.rank(); ++r)
        sum += static_cast<double>(projection(kv, r, d)) *
               static_cast<double>(static_cast<float>(element(keys, narrow.layout, b, i, kv, r)));
      result.key(b, i, kv, d) = static_cast<float>(sum);
    }
  });
  return result;
}

/// Sets all but the k largest features to 0, by the definition: sorted by magnitude, of equal ones the first.
inline void cut(std::vector<float>& x, std::int64_t k) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return std::fabs(x[i]) > std::fabs(x[j]); });
  for (std::size_t i = static_cast<std::size_t>(k); i < x.size(); ++i) x[order[i]] = 0.F;
}

template <class Space, class T, class Q>
SparseKeys<typename Space::memory_space> sparse_keys(const Problem<Space, T, Q>& problem, std::int64_t k,
                                                     std::int64_t query_k = 0,
                                                     CacheLayout layout = CacheLayout::token_major) {
  const SparseKeys<typename Space::memory_space> narrow(Space{}, problem.shape, k, query_k, layout);
  encode_keys(Space{}, problem.cache(), narrow);
  return narrow;
}

/// What sparse keys stand for, by the definition.
template <class Space, class T, class Q>
Problem<Space, T, Q> cut_to_largest(const Problem<Space, T, Q>& problem, std::int64_t k, std::int64_t query_k = 0) {
  Problem<Space, T, Q> result = problem;
  const Shape& shape = problem.shape;
  std::vector<float> row(static_cast<std::size_t>(shape.dim));
  for_each_key(problem, [&](std::int64_t b, std::int64_t i, std::int64_t kv) {
    for (std::size_t d = 0; d < row.size(); ++d) row[d] = problem.key(b, i, kv, static_cast<std::int64_t>(d));
    cut(row, k);
    for (std::size_t d = 0; d < row.size(); ++d)
      result.key(b, i, kv, static_cast<std::int64_t>(d)) = static_cast<float>(bfloat16(row[d]));
  });
  for (std::int64_t b = 0; b < shape.batch && query_k > 0; ++b)
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      for (std::size_t d = 0; d < row.size(); ++d) row[d] = problem.query(b, h, static_cast<std::int64_t>(d));
      cut(row, query_k);
      for (std::size_t d = 0; d < row.size(); ++d) result.query(b, h, static_cast<std::int64_t>(d)) = row[d];
    }
  return result;
}

}  // namespace santa::test
