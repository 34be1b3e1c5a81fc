// A decode step over a cache of any elements and scales, contiguous and in pages, with the numbers that it stands for.
#pragma once

#include "support/data.hpp"
#include "support/outputs.hpp"
#include "support/runner.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

namespace santa::test {

/// Which scales keys or values have.
enum class ScaleKind : std::uint8_t { none, tensor, head, token };

inline std::size_t index_of(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Keys of K and values of V. What lies beyond a request's length, and in pages of no request, is NaN where elements or
/// scales have one.
template <class Space, class K, class V>
class ScaledProblem {
 public:
  using Memory = typename Space::memory_space;
  template <class T>
  using Rows = Kokkos::View<const T****, Kokkos::LayoutStride, Memory>;
  using Numbers = Kokkos::View<const float***, Kokkos::LayoutStride, Memory>;
  static constexpr float tensor_scales[2] = {0.025F, 0.0375F};  // of keys, of values

  ScaledProblem(const Shape& extents, std::vector<std::int64_t> given, unsigned seed, float sigma = 2.F)
      : shape(extents), lengths(std::move(given)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < shape.batch * shape.heads * shape.dim; ++i) _query.push_back(sigma * normal(random));
    _elements[0] = fill<K>(shape.dim, 0.F, random);
    _elements[1] = fill<V>(shape.values(), 0.5F, random);
    for (int of = 0; of < 2; ++of) {
      for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
        _head_scales[of].push_back(tensor_scales[of] * (1.F + 0.25F * static_cast<float>(kv)));
      for (std::int64_t i = 0; i < shape.batch * shape.length * shape.kv_heads; ++i)
        _token_scales[of].push_back(tensor_scales[of] * std::exp2(0.7F * normal(random)));
    }
    _queries_there = to_space<Space>(_query, "test::queries");
    _lengths_there = to_space<Space>(lengths, "test::lengths");
    for (int of = 0; of < 2; ++of) _head_scales_there[of] = to_space<Space>(_head_scales[of], "test::scales");
  }

  /// Which scales the numbers below have.
  ScaledProblem& with(ScaleKind of_keys, ScaleKind of_values) {
    _kind[0] = of_keys;
    _kind[1] = of_values;
    return *this;
  }

  // The numbers that the elements stand for, as a reference sees them.
  [[nodiscard]] double query(std::int64_t b, std::int64_t h, std::int64_t d) const {
    return static_cast<double>(_query[index_of((b * shape.heads + h) * shape.dim + d)]);
  }
  [[nodiscard]] double key(std::int64_t b, std::int64_t i, std::int64_t kv, std::int64_t d) const {
    return scale(0, b, i, kv) * static_cast<double>(_elements[0][index_of(row(b, i, kv) * shape.dim + d)]);
  }
  [[nodiscard]] double value(std::int64_t b, std::int64_t i, std::int64_t kv, std::int64_t d) const {
    return scale(1, b, i, kv) * static_cast<double>(_elements[1][index_of(row(b, i, kv) * shape.values() + d)]);
  }
  [[nodiscard]] double scale(int of, std::int64_t b, std::int64_t i, std::int64_t kv) const {
    switch (_kind[of]) {
      case ScaleKind::tensor: return static_cast<double>(tensor_scales[of]);
      case ScaleKind::head: return static_cast<double>(_head_scales[of][index_of(kv)]);
      case ScaleKind::token: return static_cast<double>(_token_scales[of][index_of(row(b, i, kv))]);
      case ScaleKind::none: break;
    }
    return 1.;
  }

  [[nodiscard]] auto queries() const {
    return Kokkos::View<const float***, Kokkos::LayoutRight, Memory>(_queries_there.data(), index_of(shape.batch),
                                                                     index_of(shape.heads), index_of(shape.dim));
  }
  [[nodiscard]] auto lengths_there() const { return Kokkos::View<const std::int64_t*, Memory>(_lengths_there); }

  /// f(a cache of these kinds of scales): contiguous.
  template <ScaleKind of_keys, ScaleKind of_values>
  [[nodiscard]] auto contiguous(CacheLayout layout = CacheLayout::token_major) {
    Places places{shape.batch, shape.length};
    for (std::int64_t b = 0; b < shape.batch; ++b)
      for (std::int64_t i = 0; i < shape.length; ++i) places.of_row.push_back({b, i});
    with(of_keys, of_values);
    return ContiguousCache{lay_out<K, of_keys>(0, shape.dim, places, layout),
                           lay_out<V, of_values>(1, shape.values(), places, layout), lengths_there(), layout};
  }
  /// The same in shuffled pages of so many rows.
  template <ScaleKind of_keys, ScaleKind of_values>
  [[nodiscard]] auto paged(std::int64_t page_size, CacheLayout layout = CacheLayout::token_major) {
    const std::int64_t each = (shape.length + page_size - 1) / page_size;
    std::vector<std::int32_t> order(index_of(shape.batch * each + 3));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    std::shuffle(order.begin(), order.end(), std::mt19937(11));
    Places places{static_cast<std::int64_t>(order.size()), page_size};
    for (std::int64_t b = 0; b < shape.batch; ++b)
      for (std::int64_t i = 0; i < shape.length; ++i)
        places.of_row.push_back({order[index_of(b * each + i / page_size)], i % page_size});
    order.resize(index_of(shape.batch * each));
    _table = to_space<Space>(order, "test::table");
    const Kokkos::View<const std::int32_t**, Kokkos::LayoutRight, Memory> table(_table.data(), index_of(shape.batch),
                                                                                index_of(each));
    with(of_keys, of_values);
    return PagedCache{lay_out<K, of_keys>(0, shape.dim, places, layout),
                      lay_out<V, of_values>(1, shape.values(), places, layout), PageTable{table, lengths_there()},
                      layout};
  }

  Shape shape;
  std::vector<std::int64_t> lengths;

 private:
  /// Where rows lie: in so many blocks of so many slots.
  struct Places {
    std::int64_t blocks, slots;
    std::vector<std::pair<std::int64_t, std::int64_t>> of_row = {};  // [batch][length]
  };

  [[nodiscard]] std::int64_t row(std::int64_t b, std::int64_t i, std::int64_t kv) const {
    return (b * shape.length + i) * shape.kv_heads + kv;
  }

  /// Elements, as floats that they hold exactly.
  template <class T, class Random>
  std::vector<float> fill(std::int64_t dim, float mean, Random& random) const {
    constexpr float unit = sizeof(T) == 1 ? 40.F : 1.F;
    std::normal_distribution<float> normal;
    std::vector<float> result;
    for (std::int64_t i = 0; i < shape.batch * shape.length * shape.kv_heads * dim; ++i)
      result.push_back(static_cast<float>(cache_storage_t<T>(unit * (normal(random) + mean))));
    return result;
  }

  /// Rows of keys (0) or values (1) in the space's memory, with their scales.
  template <class T, ScaleKind kind>
  [[nodiscard]] auto lay_out(int of, std::int64_t dim, const Places& places, CacheLayout layout) {
    using Storage = cache_storage_t<T>;
    const bool by_token = layout == CacheLayout::token_major;
    const std::int64_t block = places.slots * shape.kv_heads;
    const std::int64_t stride[2] = {by_token ? shape.kv_heads : 1, by_token ? 1 : places.slots};  // slot, head; in rows
    std::vector<T> elements(index_of(places.blocks * block * dim), Kokkos::bit_cast<T>(Storage(quiet_nan)));
    std::vector<float> scales(index_of(places.blocks * block), quiet_nan);
    for (std::int64_t b = 0; b < shape.batch; ++b)
      for (std::int64_t i = 0; i < lengths[index_of(b)]; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv) {
          const auto [page, slot] = places.of_row[index_of(b * shape.length + i)];
          const std::int64_t at = page * block + slot * stride[0] + kv * stride[1];
          scales[index_of(at)] = _token_scales[of][index_of(row(b, i, kv))];
          for (std::int64_t d = 0; d < dim; ++d)
            elements[index_of(at * dim + d)] =
                Kokkos::bit_cast<T>(Storage(_elements[of][index_of(row(b, i, kv) * dim + d)]));
        }
    const auto there = to_space<Space>(elements, "test::rows");
    const auto scales_there = to_space<Space>(scales, "test::scales");
    _kept.push_back([there, scales_there] {});  // views of it are unmanaged
    const auto n = [](std::int64_t extent) { return index_of(extent); };
    const std::int64_t extents[2] = {by_token ? places.slots : shape.kv_heads,
                                     by_token ? shape.kv_heads : places.slots};
    const Rows<T> rows(there.data(), Kokkos::LayoutStride(n(places.blocks), n(block * dim), n(extents[0]),
                                                          n(extents[1] * dim), n(extents[1]), n(dim), n(dim), 1));
    if constexpr (kind == ScaleKind::none)
      return rows;
    else if constexpr (kind == ScaleKind::tensor)
      return Scaled{rows, TensorScale{tensor_scales[of]}};
    else if constexpr (kind == ScaleKind::head)
      return Scaled{rows, HeadScales{Kokkos::View<const float*, Memory>(_head_scales_there[of])}};
    else
      return Scaled{
          rows, TokenScales{Numbers(scales_there.data(), Kokkos::LayoutStride(n(places.blocks), n(block), n(extents[0]),
                                                                              n(extents[1]), n(extents[1]), 1))}};
  }

  std::vector<float> _query, _elements[2], _head_scales[2], _token_scales[2];
  ScaleKind _kind[2] = {ScaleKind::none, ScaleKind::none};
  Kokkos::View<float*, Memory> _queries_there, _head_scales_there[2];
  Kokkos::View<std::int64_t*, Memory> _lengths_there;
  Kokkos::View<std::int32_t*, Memory> _table;
  std::vector<std::function<void()>> _kept;
};

/// Runs plans on the caches of a problem; `Kernels` are those compiled on a device. `bars`: with error bars.
template <class M, class Kernels = KernelSet<>, class Problem, class Cache, class Modifier = Identity>
Result run_scaled(const M& method, const Problem& problem, const Cache& cache, std::uint64_t seed = 1,
                  const Modifier& modifier = {}, bool bars = true) {
  using Space = typename Problem::Memory::execution_space;
  const Outputs<Space> to(problem.shape);
  auto options = options_of(to, Settings<Space>{.seed = seed});
  if (!bars) options.error = {};
  const DecodePlan plan(Space{}, method, problem.queries(), cache, {}, modifier, Kernels{});
  plan.run(Space{}, problem.queries(), cache, to.out, options);
  Space{}.fence();
  return to.result();
}

/// Calls f.operator()<kinds of keys' and values' scales>() for some pairs that have every kind: in two halves.
enum class ScaleKinds : std::uint8_t { all, none_and_token, tensor_and_head };
template <ScaleKinds kinds = ScaleKinds::all, class F>
void for_scale_kinds(const F& f) {
  if constexpr (kinds != ScaleKinds::tensor_and_head) {
    f.template operator()<ScaleKind::none, ScaleKind::none>();
    f.template operator()<ScaleKind::token, ScaleKind::token>();
  }
  if constexpr (kinds != ScaleKinds::none_and_token) {
    f.template operator()<ScaleKind::tensor, ScaleKind::head>();
    f.template operator()<ScaleKind::head, ScaleKind::tensor>();
  }
}

}  // namespace santa::test
