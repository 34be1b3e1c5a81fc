// How keys are clustered, and where what is kept of a chunk lies.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace santa {

/// How keys are clustered.
///   chunk        consecutive keys that are clustered together, 32 to 32768. Keys of a chunk that is not full are read
///                as they are, so long chunks cost bytes where contexts are short
///   keys         of a cluster, on average: 4 to 256, a divisor of chunk
///   value_codes  whether residuals of values are coded too. They take as many bytes as those of keys; without them a
///                drawn cluster's values are its mean until their rows are read
struct ClusterLayout {
  std::int64_t chunk = 2048;
  std::int64_t keys = 16;
  bool value_codes = true;

  [[nodiscard]] std::int64_t clusters() const { return chunk / keys; }
  bool operator==(const ClusterLayout&) const = default;

  /// Errors: std::invalid_argument: name, given, accepted.
  void check() const {
    detail::require(chunk >= 32 && chunk <= 32768, "ClusterLayout.chunk", chunk, "32 to 32768 keys");
    detail::require(keys >= 4 && keys <= 256 && chunk % keys == 0, "ClusterLayout.keys", keys,
                    "4 to 256, a divisor of chunk (" + std::to_string(chunk) + ")");
  }
};

namespace detail::inline SANTA_BUILD {

/// The first keys of a request, which are in no cluster: they are read in any case.
inline constexpr int first_keys = 4;

/// What is kept of one chunk of a (request, kv head): pointers into its record. Of pairs, the first is of keys, the
/// second of values. Rows of codes have `width` / 2 bytes: byte j holds features j and j + width / 2 in its low and
/// high half, as code + 8. A mean is center + spread * scale * code, a residual spread * scale * code.
struct ClusterChunk {
  float* center[2];           // [width]
  float* spread[2];           // [width]
  std::uint8_t* means[2];     // [clusters][width / 2]
  std::uint8_t* codes[2];     // [chunk][width / 2], cluster by cluster; null: none
  bfloat16* mean_scales[2];   // [clusters]
  bfloat16* code_scales[2];   // [chunk]
  std::uint16_t* key_of;      // [chunk]: the key of each slot, counted from the chunk's first
  std::uint16_t* first_slot;  // [clusters + 1]: where a cluster's slots begin
};

/// All records, as kernels see them.
struct ClusterArrays {
  std::byte* data = nullptr;
  std::int32_t* clustered = nullptr;  // [batch]: chunks of a request that are clustered
  std::int64_t chunks = 0;            // of a request at most
  std::int64_t record = 0;            // bytes
  std::int32_t kv_heads = 0, chunk = 0, clusters = 0, width = 0;
  bool value_codes = false;

  [[nodiscard]] KOKKOS_FUNCTION ClusterChunk at(std::int64_t batch, std::int64_t kv_head, std::int64_t chunk_at) const {
    ClusterChunk result;
    std::byte* place = data + ((batch * kv_heads + kv_head) * chunks + chunk_at) * record;
    cut(result, [&]<class T>(T*& pointer, std::int64_t count) {
      pointer = count > 0 ? reinterpret_cast<T*>(place) : nullptr;
      place += count * static_cast<std::int64_t>(sizeof(T));
    });
    return result;
  }
  /// Keys of a chunk that are in clusters.
  [[nodiscard]] KOKKOS_FUNCTION int keys_in(std::int64_t chunk_at) const {
    return chunk_at == 0 ? chunk - first_keys : chunk;
  }
  /// Chunks that are clustered and full: those that a length has left, and a count that was never right, are not.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t clustered_of(std::int64_t batch, std::int64_t length) const {
    const std::int64_t full = length / chunk;
    const std::int64_t given = clustered[batch];
    const std::int64_t most = full < chunks ? full : chunks;
    return given < 0 ? 0 : (given < most ? given : most);
  }
  /// Bytes of a record, in whole 128.
  [[nodiscard]] std::int64_t record_bytes() const {
    std::int64_t bytes = 0;
    ClusterChunk none{};
    cut(none,
        [&]<class T>(T*& /*pointer*/, std::int64_t count) { bytes += count * static_cast<std::int64_t>(sizeof(T)); });
    return (bytes + 127) / 128 * 128;
  }
  /// What every step reads of a chunk of `keys` keys: its means and what belongs to them.
  [[nodiscard]] KOKKOS_FUNCTION double summary_bytes() const {
    return 4. * sizeof(float) * width + clusters * (width + 2. * sizeof(bfloat16) + sizeof(std::uint16_t));
  }
  /// What is read of a key in a cluster that is drawn.
  [[nodiscard]] KOKKOS_FUNCTION double code_bytes() const {
    return (value_codes ? 2. : 1.) * (0.5 * width + sizeof(bfloat16)) + sizeof(std::uint16_t);
  }

 private:
  /// Calls take(pointer, elements) for each array of a record, in the order in which they lie.
  template <class Take>
  KOKKOS_FUNCTION void cut(ClusterChunk& to, const Take& take) const {
    const std::int64_t half = width / 2;
    for (int of = 0; of < 2; ++of) take(to.center[of], std::int64_t{width});
    for (int of = 0; of < 2; ++of) take(to.spread[of], std::int64_t{width});
    for (int of = 0; of < 2; ++of) take(to.means[of], clusters * half);
    for (int of = 0; of < 2; ++of) take(to.codes[of], of == 0 || value_codes ? chunk * half : 0);
    for (int of = 0; of < 2; ++of) take(to.mean_scales[of], std::int64_t{clusters});
    for (int of = 0; of < 2; ++of) take(to.code_scales[of], of == 0 || value_codes ? std::int64_t{chunk} : 0);
    take(to.key_of, std::int64_t{chunk});
    take(to.first_slot, std::int64_t{clusters} + 1);
  }
};

/// Extents of the records of a shape. Errors: std::invalid_argument: name, given, accepted.
inline ClusterArrays cluster_arrays(const Shape& shape, const ClusterLayout& layout) {
  check_shape({shape.batch, shape.kv_heads, shape.kv_heads, shape.length, shape.dim});
  layout.check();
  require(shape.length <= (std::int64_t{1} << 34), "length", shape.length, "0 to 2^34 where keys are clustered");
  ClusterArrays result;
  result.chunks = shape.length / layout.chunk;
  result.kv_heads = static_cast<std::int32_t>(shape.kv_heads);
  result.chunk = static_cast<std::int32_t>(layout.chunk);
  result.clusters = static_cast<std::int32_t>(layout.clusters());
  result.width = static_cast<std::int32_t>((shape.dim + 63) / 64 * 64);
  result.value_codes = layout.value_codes;
  result.record = result.record_bytes();
  return result;
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
