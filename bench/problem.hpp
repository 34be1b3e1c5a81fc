// The data of a decode benchmark: copies of one cache, more than the caches of the machine hold, taken in turn.
#pragma once

#include "copies.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace santa_bench {

/// Keys and values of a shape in T, several copies of them, and a query whose scores have standard deviation
/// `sharpness`.
template <class Space, class T>
class Problem {
 public:
  using Memory = typename Space::memory_space;
  using CacheView = Kokkos::View<T****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  using QueryView = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;
  using Cache = santa::ContiguousCache<CacheView>;

  Problem(const santa::Shape& shape, float sharpness)
      : query("query", extent(shape.batch), extent(shape.heads), extent(shape.dim)),
        out("out", extent(shape.batch), extent(shape.heads), extent(shape.dim)),
        _shape(shape) {
    _copies = copies_of(copy_bytes());
    _pool = santa::allocate_aligned<std::byte>(Space(), "pool", static_cast<std::int64_t>(_copies * copy_bytes()));
    fill(sharpness);
  }

  [[nodiscard]] std::size_t copies() const { return _copies; }
  [[nodiscard]] const santa::Shape& shape() const { return _shape; }
  [[nodiscard]] std::size_t copy_bytes() const { return 2 * elements() * sizeof(T); }
  [[nodiscard]] const std::byte* bytes(std::size_t copy) const { return _pool.data() + copy % _copies * copy_bytes(); }
  [[nodiscard]] Cache cache(std::size_t copy) const {
    T* keys = reinterpret_cast<T*>(_pool.data() + copy % _copies * copy_bytes());
    return {view(keys), view(keys + elements())};
  }
  [[nodiscard]] std::size_t row_bytes() const { return extent(_shape.dim) * sizeof(T); }

  QueryView query, out;

 private:
  static std::size_t extent(std::int64_t value) { return static_cast<std::size_t>(value); }
  [[nodiscard]] std::size_t elements() const {
    return extent(_shape.batch) * extent(_shape.length) * extent(_shape.kv_heads) * extent(_shape.dim);
  }
  [[nodiscard]] CacheView view(T* data) const {
    return CacheView(data, extent(_shape.batch), extent(_shape.length), extent(_shape.kv_heads), extent(_shape.dim));
  }

  /// Keys are normal, so a query of norm `sharpness` * sqrt(dim) gives scores of that deviation; values have a mean.
  void fill(float sharpness) {
    std::minstd_rand random(1);
    std::normal_distribution<float> normal;
    for (std::size_t row = 0; row < query.size() / extent(_shape.dim); ++row) {
      float* q = query.data() + row * extent(_shape.dim);
      float norm = 0.F;
      for (std::int64_t d = 0; d < _shape.dim; ++d) {
        q[d] = normal(random);
        norm += q[d] * q[d];
      }
      for (std::int64_t d = 0; d < _shape.dim; ++d)
        q[d] *= sharpness * std::sqrt(static_cast<float>(_shape.dim) / norm);
    }
    std::vector<T> block(std::min<std::size_t>(elements(), (std::size_t{1} << 20) + 24));
    for (T& number : block) number = static_cast<T>(normal(random));
    fill_copies(Space(), reinterpret_cast<T*>(_pool.data()), 2 * elements(), _copies, block);
  }

  santa::Shape _shape;
  std::size_t _copies = 0;
  Kokkos::View<std::byte*, Memory> _pool;
};

}  // namespace santa_bench
