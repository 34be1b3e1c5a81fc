// Random caches of a shape in the memory of a device: several copies, taken in turn, so that no cache holds them.
#pragma once

#include "huge_pages.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace santa_bench {

/// Four standard normal numbers that depend on (seed, i) alone.
struct Normals {
  float number[4];

  KOKKOS_FUNCTION Normals(std::uint32_t seed, std::uint64_t i) {
    const auto random = santa::Philox4x32::generate(
        {{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), 0, 0}}, {{seed, 7}});
    for (int k = 0; k < 2; ++k) {
      const float u = (static_cast<float>(random.word[2 * k] >> 8) + 1.F) * 0x1p-24F;
      const float v = static_cast<float>(random.word[2 * k + 1] >> 8) * 0x1p-24F * 6.2831853F;
      const float radius = Kokkos::sqrt(-2.F * Kokkos::log(u));
      number[2 * k] = radius * Kokkos::cos(v);
      number[2 * k + 1] = radius * Kokkos::sin(v);
    }
  }
};

/// Keys and values of bfloat16, and queries whose scores have standard deviation `sharpness`.
template <class Space>
class Caches {
 public:
  using Memory = typename Space::memory_space;
  using Rows = Kokkos::View<santa::bfloat16****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  using Queries = Kokkos::View<santa::bfloat16***, Kokkos::LayoutRight, Memory>;
  using Outputs = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;

  /// At least so many bytes, and so many copies; in huge pages where asked for, and where the system has them.
  Caches(const Space& space, const santa::Shape& extents, float sharpness, std::size_t at_least,
         std::size_t least_copies = 2, bool huge_pages = false)
      : shape(extents),
        query("query", size(shape.batch), size(shape.heads), size(shape.dim)),
        _elements(size(shape.batch * shape.length * shape.kv_heads * shape.dim)),
        _copies(std::max<std::size_t>(least_copies, (at_least + bytes() - 1) / bytes())),
        _pool(santa::allocate_aligned<santa::bfloat16>(space, "pool",
                                                       static_cast<std::int64_t>(2 * _elements * _copies))) {
    if (huge_pages) ask_for_huge_pages(_pool.data(), _pool.size() * sizeof(santa::bfloat16));
    fill(space, sharpness);
  }

  /// All copies have the same numbers: only where they lie matters. A host's threads each write the part of every copy
  /// that they read when all read it together. Public, as lambdas for a device must be in a function of known name.
  void fill(const Space& space, float sharpness) const {
    using Policy = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;
    const auto pool = _pool;
    const std::size_t elements = 2 * _elements;  // a multiple of 8, as dim is
    const std::size_t copies = _copies;
    Kokkos::parallel_for(
        "santa::bench::fill", Policy(space, 0, static_cast<std::int64_t>(elements / 4)),
        KOKKOS_LAMBDA(const std::int64_t i) {
          const Normals normals(1, static_cast<std::uint64_t>(i));
          for (std::size_t copy = 0; copy < copies; ++copy)
            for (std::size_t k = 0; k < 4; ++k)
              pool(copy * elements + 4 * static_cast<std::size_t>(i) + k) = santa::bfloat16(normals.number[k]);
        });
    const auto queries = query;
    const auto heads = shape.heads;
    const auto dim = shape.dim;
    Kokkos::parallel_for(
        "santa::bench::queries", Policy(space, 0, shape.batch * heads), KOKKOS_LAMBDA(const std::int64_t row) {
          const auto random = [&](std::int64_t d) {
            return Normals(2, static_cast<std::uint64_t>(row * dim + d)).number[0];
          };
          float norm = 0.F;
          for (std::int64_t d = 0; d < dim; ++d) norm += random(d) * random(d);
          const float factor = sharpness * Kokkos::sqrt(static_cast<float>(dim) / norm);
          for (std::int64_t d = 0; d < dim; ++d)
            queries(row / heads, row % heads, d) = santa::bfloat16(factor * random(d));
        });
    space.fence();
  }

  /// Makes each row one of `kinds` of its kv head, by chance: keys and values have the kind's center, normal numbers of
  /// standard deviation `spread`, added to their own, all brought back to a standard deviation of 1.
  void make_kinds(const Space& space, std::int64_t kinds, float spread) const {
    const auto pool = _pool;
    const std::size_t elements = 2 * _elements;
    const std::size_t copies = _copies;
    const std::int64_t dim = shape.dim;
    const std::int64_t kv_heads = shape.kv_heads;
    const float size = 1.F / std::sqrt(1.F + spread * spread);
    const auto rows = static_cast<std::int64_t>(_elements) / dim;
    Kokkos::parallel_for(
        "santa::bench::kinds", Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>(space, 0, 2 * rows),
        KOKKOS_LAMBDA(const std::int64_t i) {
          const std::int64_t row = i % rows;  // values are of their keys' kind
          const auto random = santa::Philox4x32::generate(
              {{static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32), 1, 0}}, {{3, 7}});
          const std::int64_t kind = (row % kv_heads) * kinds + static_cast<std::int64_t>(random.word[0]) % kinds +
                                    (i < rows ? 0 : kinds * kv_heads);
          for (std::int64_t d = 0; d < dim; ++d) {
            const float center = spread * Normals(4, static_cast<std::uint64_t>((kind * dim + d) / 4)).number[d % 4];
            const auto at = static_cast<std::size_t>(i * dim + d);
            const auto made = santa::bfloat16(size * (static_cast<float>(pool(at)) + center));
            for (std::size_t copy = 0; copy < copies; ++copy) pool(copy * elements + at) = made;
          }
        });
    space.fence();
  }

  [[nodiscard]] std::size_t bytes() const { return 2 * _elements * sizeof(santa::bfloat16); }
  [[nodiscard]] std::size_t copies() const { return _copies; }
  [[nodiscard]] const std::byte* data(std::size_t copy) const {
    return reinterpret_cast<const std::byte*>(_pool.data() + copy * 2 * _elements);
  }
  [[nodiscard]] auto cache(std::size_t copy) const {
    santa::bfloat16* keys = _pool.data() + copy * 2 * _elements;
    return santa::ContiguousCache{rows(keys), rows(keys + _elements), layout};
  }
  /// The same of requests that may be shorter: [batch].
  [[nodiscard]] auto cache(std::size_t copy, const Kokkos::View<std::int32_t*, Memory>& lengths) const {
    santa::bfloat16* keys = _pool.data() + copy * 2 * _elements;
    return santa::ContiguousCache{rows(keys), rows(keys + _elements), lengths, layout};
  }

  santa::Shape shape;
  Queries query;
  santa::CacheLayout layout = santa::CacheLayout::token_major;  // how the same numbers are taken

 private:
  static std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }
  [[nodiscard]] Rows rows(santa::bfloat16* from) const {
    if (layout == santa::CacheLayout::token_major)
      return Rows(from, size(shape.batch), size(shape.length), size(shape.kv_heads), size(shape.dim));
    return Rows(from, size(shape.batch), size(shape.kv_heads), size(shape.length), size(shape.dim));
  }

  std::size_t _elements, _copies;
  Kokkos::View<santa::bfloat16*, Memory> _pool;
};

}  // namespace santa_bench
