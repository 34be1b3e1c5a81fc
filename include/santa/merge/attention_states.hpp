// AttentionStates: what heads' attention over parts of the keys comes to, whole, so that parts merge into one result.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/head_state.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/core/statistics.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// Floats of one head's state over a part of the keys: HeadState, N[dim], and the Statistics of the part (of a slice's
/// rows in its first head, 0 in the others), up to whole 16 bytes.
KOKKOS_INLINE_FUNCTION std::int64_t part_floats(int dim) {
  constexpr std::int64_t counts = (sizeof(Statistics) + 15) / 16 * 4;
  return state_floats(dim) + counts;
}
KOKKOS_INLINE_FUNCTION Statistics& statistics_of_part(float* state, int dim) {
  return *reinterpret_cast<Statistics*>(state + state_floats(dim));
}
KOKKOS_INLINE_FUNCTION const Statistics& statistics_of_part(const float* state, int dim) {
  return *reinterpret_cast<const Statistics*>(state + state_floats(dim));
}

/// Behind the statistics of a shard's part, in what fills it up: what its ranks have to agree on, as one number.
KOKKOS_INLINE_FUNCTION std::uint64_t& ticket_of_part(float* state, int dim) {
  static_assert(sizeof(Statistics) % 16 == 8);
  return *reinterpret_cast<std::uint64_t*>(&statistics_of_part(state, dim) + 1);
}
KOKKOS_INLINE_FUNCTION std::uint64_t ticket_of_part(const float* state, int dim) {
  return *reinterpret_cast<const std::uint64_t*>(&statistics_of_part(state, dim) + 1);
}

/// Makes so many states empty.
template <class Space>
void clear_states(const Space& space, float* first, std::int64_t states, std::int64_t floats) {
  Kokkos::parallel_for(
      "santa::clear_states", Range<Space>(space, 0, states * floats), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t place = i % floats;
        const bool reference = place == HeadState::reference_place || place == HeadState::mass_reference_place;
        first[i] = reference ? empty_reference : 0.F;
      });
}

}  // namespace detail::inline SANTA_BUILD

/// What `DecodePlan::run_partial` writes and `merge` takes: of every (part, batch, head) the reference, the masses of
/// all keys and of the rows read, the weighted sum of value rows, the sum of the error bar, and counts. Parts are
/// caches or shards of the keys of the same requests: on this device, or brought here from others, each a contiguous
/// block of `data`. They are empty when made, and empty ones count for nothing. A part may be of any method. Sinks are
/// no part's: `merge` adds them. Bytes: (12 + dim) to (16 + dim) floats a part, request and head, and 24 of counts.
template <class MemorySpace>
class AttentionStates {
 public:
  /// [parts, batch, heads, floats of a head], contiguous; of several tokens, heads are those of all of them: for each
  /// kv head, its query heads of the first token, then those of the next.
  using View = Kokkos::View<float****, Kokkos::LayoutRight, MemorySpace>;

  AttentionStates() = default;
  /// Of a shape, all but the length is looked at. With `error_bars`, parts have what the error of the merged outputs
  /// takes. Errors: std::invalid_argument: name, given, accepted; AllocationError.
  template <class Space, class Build = lanes::Build>
  AttentionStates(const Space& space, const Shape& shape, std::int64_t parts, bool error_bars = false)
      : AttentionStates(
            shape,
            detail::allocate<View, detail::Fresh::unset>(space, "santa::attention_states", checked_parts(shape, parts),
                                                         shape.batch, shape.query_rows(), floats_of_head(shape)),
            error_bars) {
    clear(space);
    space.fence("santa::attention_states");  // any instance of the space may use them
  }
  /// In memory of the caller's, aligned to 16 bytes, with whatever it holds.
  AttentionStates(const Shape& shape, const View& data, bool error_bars = false)
      : _data(data), _shape(shape), _error_bars(error_bars) {
    checked_parts(shape, parts());
    const std::int64_t expected[3] = {shape.batch, shape.query_rows(), floats_of_head(shape)};
    const detail::Array array = detail::array_of("states", data);
    for (int i = 0; i < 3; ++i) detail::require_extent(array, i + 1, expected[i], "that of the shape");
    detail::require_no_gaps(array);
    const bool aligned = reinterpret_cast<std::uintptr_t>(data.data()) % 16 == 0;
    if (!aligned) detail::reject("states.data()", "misaligned", "a multiple of 16 bytes");
  }

  /// Makes all parts empty, or one. Neither allocates nor fences. Errors: std::invalid_argument for no part of it.
  template <class Space, class Build = lanes::Build>
  void clear(const Space& space) const {
    clear<Space, Build>(space, 0, parts());
  }
  template <class Space, class Build = lanes::Build>
  void clear(const Space& space, std::int64_t part) const {
    require_part(part);
    clear<Space, Build>(space, part, part + 1);
  }

  [[nodiscard]] const View& data() const { return _data; }
  /// Number of parts.
  [[nodiscard]] std::int64_t parts() const { return static_cast<std::int64_t>(_data.extent(0)); }
  [[nodiscard]] const Shape& shape() const { return _shape; }
  /// Whether states have what error bars are made from.
  [[nodiscard]] bool error_bars() const { return _error_bars; }
  /// The last extent of `data`.
  [[nodiscard]] static std::int64_t floats_of_head(const Shape& shape) {
    return detail::part_floats(static_cast<int>(shape.values()));
  }

  /// The states of a part, [batch][heads of all tokens][floats of a head]. Errors: std::invalid_argument for no part of
  /// it.
  [[nodiscard]] float* part(std::int64_t part) const {
    require_part(part);
    return _data.data() + part * static_cast<std::int64_t>(_data.stride(0));
  }
  /// Errors: std::invalid_argument if they were moved from.
  void require_kept() const { _kept.require("states"); }

 private:
  static std::int64_t checked_parts(const Shape& shape, std::int64_t parts) {
    detail::check_shape(shape);
    detail::require(parts >= 0 && parts <= detail::most_counted, "parts", parts, "0 to 2^31 - 1");
    return parts;
  }
  void require_part(std::int64_t part) const {
    require_kept();
    detail::require(part >= 0 && part < parts(), "part", part,
                    "0 to less than the parts of states (" + std::to_string(parts()) + ")");
  }
  template <class Space, class Build>
  void clear(const Space& space, std::int64_t begin, std::int64_t end) const {
    require_kept();
    lanes::require_launchable(space);
    const std::int64_t heads = _shape.batch * _shape.query_rows();
    const std::int64_t floats = floats_of_head(_shape);
    detail::clear_states(space, _data.data() + begin * heads * floats, (end - begin) * heads, floats);
  }

  View _data;
  Shape _shape{.batch = 0};
  bool _error_bars = false;
  detail::Kept _kept;
};

}  // namespace santa
