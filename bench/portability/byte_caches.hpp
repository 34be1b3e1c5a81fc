// Caches of scaled e4m3 numbers: those of a bfloat16 cache, rounded.
#pragma once

#include "cache.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace santa_bench {

/// The numbers of a cache's scales: so that normal numbers use most of e4m3's.
inline constexpr float scale_of_rows = 1.F / 64.F;

/// e4m3 copies of the bf16 caches, which may then be in any number of places.
template <class Space>
class ByteCaches {
 public:
  using Memory = typename Space::memory_space;
  using Rows = Kokkos::View<santa::e4m3****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

  ByteCaches(const Space& space, const Caches<Space>& from, std::size_t at_least)
      : shape(from.shape),
        _elements(from.bytes() / (2 * sizeof(santa::bfloat16))),
        _copies(std::max<std::size_t>(2, (at_least + bytes() - 1) / bytes())),
        _pool(santa::allocate_aligned<santa::e4m3>(space, "bytes", static_cast<std::int64_t>(bytes() * _copies))),
        _scales("scales", static_cast<std::size_t>(shape.kv_heads)) {
    Kokkos::deep_copy(_scales, scale_of_rows);
    round(space, reinterpret_cast<const santa::bfloat16*>(from.data(0)));
    space.fence();
  }

  void round(const Space& space, const santa::bfloat16* from) const {
    using Policy = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;
    const auto pool = _pool;
    const auto all = static_cast<std::int64_t>(bytes());
    const auto copies = static_cast<std::int64_t>(_copies);
    Kokkos::parallel_for(
        "santa::bench::round", Policy(space, 0, all), KOKKOS_LAMBDA(const std::int64_t i) {
          const santa::e4m3 x(static_cast<float>(from[i]) / scale_of_rows);
          for (std::int64_t copy = 0; copy < copies; ++copy) pool(static_cast<std::size_t>(copy * all + i)) = x;
        });
  }

  [[nodiscard]] std::size_t bytes() const { return 2 * _elements; }
  [[nodiscard]] std::size_t copies() const { return _copies; }
  [[nodiscard]] const std::byte* data(std::size_t copy) const {
    return reinterpret_cast<const std::byte*>(_pool.data() + copy * bytes());
  }
  [[nodiscard]] auto cache(std::size_t copy) const {
    santa::e4m3* const keys = _pool.data() + copy * bytes();
    return santa::ContiguousCache{santa::Scaled{rows(keys), santa::HeadScales{_scales}},
                                  santa::Scaled{rows(keys + _elements), santa::HeadScales{_scales}}};
  }

  santa::Shape shape;

 private:
  [[nodiscard]] Rows rows(santa::e4m3* from) const {
    const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
    return Rows(from, n(shape.batch), n(shape.length), n(shape.kv_heads), n(shape.dim));
  }

  std::size_t _elements, _copies;
  Kokkos::View<santa::e4m3*, Memory> _pool;
  Kokkos::View<float*, Memory> _scales;
};

}  // namespace santa_bench
