// Keys and values of some texts, all layers.
#pragma once

#include "generate/settings.hpp"
#include "generate/views.hpp"
#include <santa/cache/contiguous.hpp>
#include <santa/core/shape.hpp>

#include <cstdint>

namespace santa::example {

/// Room for `capacity` tokens of each of `slots` texts.
/// Memory: keys and values [layers, slots, capacity, kv_heads, dim] in BF16: 46 kB a token of SmolLM2-135M.
class KvCache {
 public:
  using View = Kokkos::View<bfloat16*****, Kokkos::LayoutRight, Memory>;
  using Rows = Kokkos::View<const bfloat16****, Kokkos::LayoutStride, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  using Lengths = Kokkos::View<const std::int32_t*, Memory>;

  KvCache(const Settings& settings, std::int64_t slots, std::int64_t capacity)
      : keys(Kokkos::view_alloc("santa::keys", Kokkos::WithoutInitializing), size(settings.layers), size(slots),
             size(capacity), size(settings.kv_heads), size(settings.dim)),
        values(Kokkos::view_alloc("santa::values", Kokkos::WithoutInitializing), keys.layout()) {}

  [[nodiscard]] std::int64_t slots() const { return static_cast<std::int64_t>(keys.extent(1)); }
  [[nodiscard]] std::int64_t capacity() const { return static_cast<std::int64_t>(keys.extent(2)); }

  /// The first `length` tokens of one text, but for the first `from` of them.
  [[nodiscard]] ContiguousCache<Rows> visible(std::int64_t layer, std::int64_t slot, std::int64_t length,
                                              std::int64_t from = 0) const {
    const std::int64_t count = length - from;
    return {rows(keys, layer, slot, 1, count, from), rows(values, layer, slot, 1, count, from)};
  }
  /// One text as so many requests, of which each sees its own length of it: what a chunk of a prompt attends to.
  [[nodiscard]] ContiguousCache<Rows, Rows, Lengths> shared(std::int64_t layer, std::int64_t slot,
                                                            const Lengths& lengths) const {
    const auto batch = static_cast<std::int64_t>(lengths.extent(0));
    return {rows(keys, layer, slot, batch, capacity()), rows(values, layer, slot, batch, capacity()), lengths};
  }

  /// All texts, of which each has its own length: [slots].
  [[nodiscard]] ContiguousCache<Rows, Rows, Lengths> texts(std::int64_t layer, const Lengths& lengths) const {
    return {texts_of(keys, layer), texts_of(values, layer), lengths};
  }

  /// Copies the first `length` tokens of a text to another slot.
  void copy(const Space& space, std::int64_t from, std::int64_t to, std::int64_t length) const {
    for (const View& view : {keys, values})
      for (std::size_t layer = 0; layer < view.extent(0); ++layer) {
        const auto tokens = [&](std::int64_t slot) {
          return Kokkos::subview(view, layer, size(slot), Kokkos::pair<std::size_t, std::size_t>(0, size(length)),
                                 Kokkos::ALL, Kokkos::ALL);
        };
        Kokkos::deep_copy(space, tokens(to), tokens(from));
      }
  }

  View keys, values;

 private:
  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

  /// [batch, length, kv_heads, dim], all of the batch in one place.
  [[nodiscard]] static Rows rows(const View& view, std::int64_t layer, std::int64_t slot, std::int64_t batch,
                                 std::int64_t length, std::int64_t from = 0) {
    const Kokkos::LayoutStride layout(size(batch), 0, size(length), view.stride(2), view.extent(3), view.stride(3),
                                      view.extent(4), 1);
    return Rows(view.data() + size(layer) * view.stride(0) + size(slot) * view.stride(1) + size(from) * view.stride(2),
                layout);
  }
  [[nodiscard]] static Rows texts_of(const View& view, std::int64_t layer) {
    return Kokkos::subview(view, size(layer), Kokkos::ALL, Kokkos::ALL, Kokkos::ALL, Kokkos::ALL);
  }
};

}  // namespace santa::example
