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

/// All records, as kernels see them. A record is what is kept of one chunk of a (request, kv head): see ClusterChunk.
struct ClusterArrays {
  /// The arrays of a record, in the order in which they lie. Of pairs, the first is of keys, the second of values.
  enum Part : std::uint8_t { center, spread = 2, means = 4, codes = 6, mean_scales = 8, code_scales = 10, key_of = 12 };
  static constexpr int first_slot = key_of + 1, parts = first_slot + 1;

  std::byte* data = nullptr;
  std::int32_t* clustered = nullptr;  // [batch]: chunks of a request that are clustered
  std::int64_t chunks = 0;            // of a request at most
  std::int64_t record = 0;            // bytes, whole 128
  std::int32_t kv_heads = 0, chunk = 0, clusters = 0, width = 0;
  std::int32_t place[parts] = {};  // of each array in a record, in bytes
  bool value_codes = false;

  /// Keys of a chunk that are in clusters.
  [[nodiscard]] KOKKOS_FUNCTION int keys_in(std::int64_t chunk_at) const {
    return chunk_at == 0 ? chunk - first_keys : chunk;
  }
  /// Chunks that are clustered and full: those that a length has left, and a count that was never right, are not.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t clustered_of(std::int64_t batch, std::int64_t length) const {
    const std::int64_t given = clustered[batch];
    const std::int64_t most = given < chunks ? given : chunks;
    if (most * chunk > length) return length / chunk;  // seldom: a division takes long
    return most < 0 ? 0 : most;
  }
  /// What every step reads of a chunk: its means and what belongs to them.
  [[nodiscard]] KOKKOS_FUNCTION double summary_bytes() const {
    return 4. * sizeof(float) * width + clusters * (width + 2. * sizeof(bfloat16) + sizeof(std::uint16_t));
  }
  /// What is read of a key in a cluster that is drawn.
  [[nodiscard]] KOKKOS_FUNCTION double code_bytes() const {
    return (value_codes ? 2. : 1.) * (0.5 * width + sizeof(bfloat16)) + sizeof(std::uint16_t);
  }

  /// Says where the arrays of a record lie.
  void place_arrays() {
    const std::int32_t half = width / 2;
    const std::int32_t value_rows = value_codes ? chunk : 0;
    const std::int32_t bytes[parts] = {
        4 * width,         4 * width,    4 * width,    4 * width, clusters * half, clusters * half, chunk * half,
        value_rows * half, 2 * clusters, 2 * clusters, 2 * chunk, 2 * value_rows,  2 * chunk,       2 * (clusters + 1)};
    std::int32_t at = 0;
    for (int i = 0; i < parts; ++i) {
      place[i] = at;
      at += (bytes[i] + 15) / 16 * 16;
    }
    record = (at + 127) / 128 * 128;
  }
};

/// What is kept of one chunk. Rows of codes have `width` / 2 bytes: byte 32 k + j, j < 32, holds features 64 k + j and
/// 64 k + j + 32 in its low and high half, as code + 8. A mean is center + spread * scale * code, a residual
/// spread * scale * code. Codes of residuals lie cluster by cluster; a key's place among them is its slot.
struct ClusterChunk {
  const ClusterArrays& arrays;
  std::byte* data;

  KOKKOS_FUNCTION ClusterChunk(const ClusterArrays& all, std::int64_t batch, std::int64_t kv_head, std::int64_t chunk)
      : arrays(all), data(all.data + ((batch * all.kv_heads + kv_head) * all.chunks + chunk) * all.record) {}

  // [width]
  [[nodiscard]] KOKKOS_FUNCTION float* center(int of) const { return at<float>(ClusterArrays::center + of); }
  [[nodiscard]] KOKKOS_FUNCTION float* spread(int of) const { return at<float>(ClusterArrays::spread + of); }
  // Row n of [clusters][width / 2], and of [chunk][width / 2].
  [[nodiscard]] KOKKOS_FUNCTION std::uint8_t* mean(int of, int n) const {
    return at<std::uint8_t>(ClusterArrays::means + of) + n * (arrays.width / 2);
  }
  [[nodiscard]] KOKKOS_FUNCTION std::uint8_t* codes(int of, int n) const {
    return at<std::uint8_t>(ClusterArrays::codes + of) + n * (arrays.width / 2);
  }
  [[nodiscard]] KOKKOS_FUNCTION bfloat16* mean_scales(int of) const {
    return at<bfloat16>(ClusterArrays::mean_scales + of);
  }
  [[nodiscard]] KOKKOS_FUNCTION bfloat16* code_scales(int of) const {
    return at<bfloat16>(ClusterArrays::code_scales + of);
  }
  /// [chunk]: the key of each slot, counted from the chunk's first.
  [[nodiscard]] KOKKOS_FUNCTION std::uint16_t* key_of() const { return at<std::uint16_t>(ClusterArrays::key_of); }
  /// [clusters + 1]: where a cluster's slots begin.
  [[nodiscard]] KOKKOS_FUNCTION std::uint16_t* first_slot() const {
    return at<std::uint16_t>(ClusterArrays::first_slot);
  }
  [[nodiscard]] KOKKOS_FUNCTION int size(int cluster) const {
    return first_slot()[cluster + 1] - first_slot()[cluster];
  }

 private:
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T* at(int part) const {
    return reinterpret_cast<T*>(data + arrays.place[part]);
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
  result.place_arrays();
  return result;
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
