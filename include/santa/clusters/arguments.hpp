// What the kernels of a step over clusters are given.
#pragma once

#include <santa/clusters/layout.hpp>
#include <santa/clusters/method.hpp>
#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/core/element.hpp>
#include <santa/core/lengths.hpp>
#include <santa/core/matrix.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Floats of one head's state over some of the keys, before N, S and E of `width` each: see ClusterSums.
struct ClusterHead {
  float reference = -0x1p127F;  // the exponent that all sums are relative to, an integer in log2 units
  float mass = 0.F;             // Z
  float used = 0.F;             // sum of W
  float doubt = 0.F;            // sum of doubt |A|^2 over what is drawn
  float doubt_of_mass = 0.F;    // sum of doubt B^2
  float means = 0.F;            // M: mass by means
  float codes = 0.F;            // A: mass by codes
  float none = 0.F;
};
inline constexpr int cluster_head_floats = sizeof(ClusterHead) / sizeof(float);

/// Whether Z is fit to divide by: above half of the sum of W, which estimates the same mass by rows alone. Where means
/// predict far more mass than there is, Z is a small difference of large sums; divided by what is near zero by chance,
/// an output is off by many times its norm, while that by rows alone stays among the values.
KOKKOS_INLINE_FUNCTION bool divides_by_mass(const ClusterHead& sum) {
  return sum.mass > 0.5F * sum.used;  // which is not negative
}

/// What a lane group has read, or might have: numbers of it in floats.
struct ClusterCounts {
  float clusters = 0.F, keys = 0.F, rows = 0.F;    // read; rows of clusters
  float certain_keys = 0.F, uncertain_keys = 0.F;  // expected to be read
  float certain_rows = 0.F, uncertain_rows = 0.F;
  float certain = 0.F;  // rows of no cluster
};
inline constexpr int cluster_count_floats = sizeof(ClusterCounts) / sizeof(float);

/// The power of two that brings sums relative to one reference to another, which is not lower.
KOKKOS_INLINE_FUNCTION float brought_to(float reference, float from) {
  const float down = from - reference;
  return down < -126.F ? 0.F : lanes::exp2(down);
}
/// Adds what another has, relative to a reference that is not higher.
KOKKOS_INLINE_FUNCTION void add(ClusterHead& sum, const ClusterHead& other) {
  const float factor = brought_to(sum.reference, other.reference);
  sum.mass = lanes::fma(factor, other.mass, sum.mass);
  sum.used = lanes::fma(factor, other.used, sum.used);
  sum.means = lanes::fma(factor, other.means, sum.means);
  sum.codes = lanes::fma(factor, other.codes, sum.codes);
  sum.doubt = lanes::fma(factor * factor, other.doubt, sum.doubt);
  sum.doubt_of_mass = lanes::fma(factor * factor, other.doubt_of_mass, sum.doubt_of_mass);
}
KOKKOS_INLINE_FUNCTION void add(ClusterCounts& sum, const ClusterCounts& other) {
  sum.clusters += other.clusters;
  sum.keys += other.keys;
  sum.rows += other.rows;
  sum.certain_keys += other.certain_keys;
  sum.uncertain_keys += other.uncertain_keys;
  sum.certain_rows += other.certain_rows;
  sum.uncertain_rows += other.uncertain_rows;
  sum.certain += other.certain;
}

/// Mass of some clusters, relative to 2^reference.
struct SightedMass {
  float reference = -0x1p127F, mass = 0.F;
};

/// A row that is drawn, and 1 / (pi rho) of it.
struct alignas(8) DrawnClusterRow {
  std::uint32_t row;
  float inverse;
};

/// Where the rows that are drawn of a tile begin among those of its slice, and how many there are.
struct alignas(8) DrawnOfTile {
  std::uint32_t begin, count;
};

/// Teams of a slice at most: those that share out its clusters, its drawn rows and its rows of no cluster. As many
/// states as the kernel that merges has scratch for.
inline constexpr std::int32_t most_chunk_units = 128, most_gather_units = 64, most_row_units = 8;
inline constexpr std::int32_t most_cluster_units = most_chunk_units + most_gather_units + most_row_units;

/// What kernels of a step hand to each other where means, codes and rows each have one of their own: on tensor cores.
struct ClusterParts {
  bool used = false;
  std::int32_t mean_units = 0;  // of a slice: teams that score its means
  // log2 scores, [slice rows][tiles of all chunks][slice heads][32], as threads of a warp have them
  float* scores = nullptr;
  // [slice rows][chunks][folded_words(width)]: queries in the coordinates of a chunk's codes, as operands
  std::uint32_t* folded = nullptr;
  SightedMass* masses = nullptr;    // [slice rows][mean units][slice heads]
  std::int32_t* arrived = nullptr;  // [slice rows]
  DrawnClusterRow* rows = nullptr;  // [slice rows][keys of all chunks]
  DrawnOfTile* of_tiles = nullptr;  // [slice rows][tiles of all chunks]

  /// Of up to 8 heads, in two parts.
  static KOKKOS_FUNCTION constexpr std::int32_t folded_words(std::int32_t width) { return width * 8; }
};

struct ClusterArguments {
  std::int32_t batch = 0, heads = 0, dim = 0, kv_heads = 0, slices = 1, slice_heads = 1;
  std::int32_t chunk_units = 0;   // of a slice: teams that share out its clusters,
  std::int32_t gather_units = 0;  // those that read its drawn rows, where they are not the same
  std::int32_t row_units = 0;     // and its rows of no cluster
  bool telescoping = true, value_codes = true, with_error = false;
  bool chooses_codes = true;   // value codes are left out where means predict masses badly
  bool sighted = false;        // this step has a sighting before it
  std::int32_t row_bytes = 0;  // of a key and a value
  // 0: a step; n: the n-th search for tau and delta, which reads no rows, 1: by means alone; or `sighting`, which finds
  // how far the means' scores are from the last step's.
  std::int32_t rehearsal = 0;
  Lengths lengths;
  std::int64_t storage = 0;
  AnyInput query;
  std::int64_t query_stride[2] = {0, 0};
  float score_factor = 0.F;  // scale * log2(e)
  Chance chance;
  ClusterArrays clusters;
  double bytes = 0., code_share = 0.;  // of exact attention's; or
  double keys = 0., rows = 0.;         // numbers, or shares where `shares` say so
  bool share_of_keys = false, share_of_rows = false;

  ClusterParts parts;

  float* states = nullptr;          // [slice rows][units][slice heads][cluster_head_floats + 3 width]
  ClusterCounts* counts = nullptr;  // [slice rows][units]
  float* log_tau = nullptr;         // [batch * heads]: of a slice's first head; log2 of tau and of delta
  float* log_delta = nullptr;
  float* log_clusters = nullptr;  // [batch * heads]: log2 of what clusters have of M in the step before
  float* log_means = nullptr;     // [batch * heads]: log2 of M and of A in the step before
  float* log_codes = nullptr;
  float* mismatch = nullptr;  // [batch * heads]: of a slice's first head; see ClusterCarry

  AnyOutput out;
  std::int64_t out_stride[2] = {0, 0};
  Matrix<float> lse, error;
  Matrix<ClusterStatistics> statistics;

  static constexpr std::int32_t sighting = -1;
  /// Above which value codes are left out: ClusterCarry::note_mismatch.
  static constexpr float most_mismatch = 2.F;
  /// Those of the sighting before a step: fewer teams, as each tile takes less, and none for rows.
  [[nodiscard]] ClusterArguments of_sighting() const {
    ClusterArguments result = *this;
    result.rehearsal = sighting;
    result.chunk_units = (chunk_units + 3) / 4;
    result.row_units = 0;
    return result;
  }
  [[nodiscard]] KOKKOS_FUNCTION bool is_sighting() const { return rehearsal == sighting; }

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t slice_rows() const { return std::int64_t{batch} * kv_heads * slices; }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t units() const { return chunk_units + gather_units + row_units; }
  /// Tiles of 32 clusters: of a chunk, and of all chunks that a slice may have.
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t tiles() const { return (clusters.clusters + 31) / 32; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t all_tiles() const { return clusters.chunks * tiles(); }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t state_floats() const {
    return cluster_head_floats + std::int64_t{3} * clusters.width;
  }
  /// Bytes that are read in any case: means and certain rows; means of keys twice where there is a
  /// sighting.
  [[nodiscard]] KOKKOS_FUNCTION double fixed_bytes(double chunks, double certain) const {
    return (sighted ? 1.5 : 1.) * chunks * clusters.summary_bytes() + certain * row_bytes;
  }
  /// Bytes of codes that are read of a key in a cluster that is drawn.
  [[nodiscard]] KOKKOS_FUNCTION double bytes_of_code(bool with_values) const {
    const double all = clusters.code_bytes();
    return with_values || !clusters.value_codes ? all
                                                : all - 0.5 * clusters.width - static_cast<double>(sizeof(bfloat16));
  }
  template <class Take>
  void take_memory(const Take& take) {
    take(states, slice_rows() * units(), std::int64_t{slice_heads}, state_floats());
    take(counts, slice_rows() * units());
    for (float** array : {&log_tau, &log_delta, &log_means, &log_codes, &log_clusters, &mismatch})
      take(*array, std::int64_t{batch} * heads);
    if (!parts.used) return;
    take(parts.scores, slice_rows() * all_tiles(), std::int64_t{slice_heads} * 32);
    take(parts.folded, slice_rows() * clusters.chunks, std::int64_t{ClusterParts::folded_words(clusters.width)});
    take(parts.masses, slice_rows() * parts.mean_units, std::int64_t{slice_heads});
    take(parts.arrived, slice_rows());
    take(parts.rows, slice_rows() * clusters.chunks, std::int64_t{clusters.chunk});
    take(parts.of_tiles, slice_rows() * all_tiles());
  }
};

/// Heads of one slice of a request's kv head, and its keys.
struct ClusterSlice {
  std::int64_t row;  // of slices
  std::int32_t batch, kv_head, first_head, heads;
  std::int64_t given, length;  // as given, and clamped
  std::int64_t chunks;         // that are clustered
  bool value_codes;            // are read in this step

  KOKKOS_FUNCTION ClusterSlice(const ClusterArguments& a, std::int64_t slice_row) : row(slice_row) {
    const auto number = static_cast<std::int32_t>(row);
    const std::int32_t slice = number % a.slices;
    kv_head = number / a.slices % a.kv_heads;
    batch = number / a.slices / a.kv_heads;
    const std::int32_t group = a.heads / a.kv_heads;
    const std::int32_t first = slice * a.slice_heads;
    first_head = kv_head * group + first;
    heads = group - first < a.slice_heads ? group - first : a.slice_heads;
    given = a.lengths.get(batch, a.storage);
    length = a.lengths.clamped(batch, a.storage);
    chunks = a.clusters.clustered_of(batch, length);
    const bool chooses = a.chooses_codes && a.rehearsal != 1;  // which is the first of a search
    value_codes =
        a.telescoping && a.value_codes && !(chooses && a.mismatch[head_row(a, 0)] > ClusterArguments::most_mismatch);
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t head_row(const ClusterArguments& a, int head) const {
    return std::int64_t{batch} * a.heads + first_head + head;
  }
  /// Rows that are in no cluster: the first ones, where any are, and those behind the last.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t leading() const { return chunks > 0 ? first_keys : 0; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t certain(const ClusterArguments& a) const {
    return leading() + length - chunks * a.clusters.chunk;
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t in_clusters(const ClusterArguments& a) const {
    return chunks * a.clusters.chunk - leading();
  }
};

/// What a lane group works on next: a tile of a chunk, or rows of no cluster.
struct ClusterItem {
  std::int64_t chunk = 0;
  int tile = 0, tiles = 1;  // of the chunk
  std::int64_t begin = 0, end = 0;
  bool certain = false;  // rows from begin to end - 1, at most 32
};

/// Keys whose codes a step is to read, and rows of these, in bytes of each or, where numbers are given, in ones.
struct ClusterTargets {
  double of_keys, of_rows;        // bytes
  double a_key = 1., a_row = 1.;  // bytes of one

  KOKKOS_FUNCTION ClusterTargets(const ClusterArguments& a, const ClusterSlice& slice)
      : _all(static_cast<double>(slice.in_clusters(a))) {
    if (!(a.bytes > 0.)) {
      of_keys = a.share_of_keys ? a.keys * _all : a.keys;
      of_rows = a.share_of_rows ? a.rows * _all : a.rows;
      return;
    }
    const double given = a.bytes * static_cast<double>(slice.length) * a.row_bytes;
    const double fixed = a.fixed_bytes(static_cast<double>(slice.chunks), static_cast<double>(slice.certain(a)));
    const double left = given - fixed > 0.125 * given ? given - fixed : 0.125 * given;
    a_key = a.bytes_of_code(slice.value_codes);
    a_row = a.row_bytes;
    of_keys = a.code_share * left;
    of_rows = left - of_keys;
    if (of_keys < 0.8 * _all * a_key || left < 1.05 * _all * a_key) return;  // something is left for rows
    of_rows += of_keys - _all * a_key;  // what codes of all keys leave; near to all, all are read
    of_keys = _all * a_key;
  }
  [[nodiscard]] KOKKOS_FUNCTION double keys() const { return of_keys / a_key; }
  [[nodiscard]] KOKKOS_FUNCTION double rows() const { return of_rows / a_row; }
  [[nodiscard]] KOKKOS_FUNCTION bool all_keys() const { return of_keys >= _all * a_key; }
  [[nodiscard]] KOKKOS_FUNCTION bool all_rows() const { return of_rows >= _all * a_row; }

 private:
  double _all;  // keys in clusters
};

/// log2 of a head's thresholds in this step: of tau M_h and delta A_h. Everything is read (-infinity) where the budget
/// covers it or nothing was carried.
struct ClusterThresholds {
  float of_clusters, of_rows;

  KOKKOS_FUNCTION ClusterThresholds(const ClusterArguments& a, const ClusterSlice& slice, int head) {
    if (a.rehearsal == 1 || a.rehearsal == ClusterArguments::sighting) {
      of_clusters = of_rows = lanes::infinity;
      return;
    }
    const ClusterTargets targets(a, slice);
    const std::int64_t first = slice.head_row(a, 0);
    const std::int64_t row = slice.head_row(a, head);
    const auto given = [](float sum, bool all) { return !all && is_finite(sum) ? sum : -lanes::infinity; };
    of_clusters = given(a.log_tau[first] + a.log_means[row], targets.all_keys());
    of_rows = given(a.log_delta[first] + a.log_codes[row], targets.all_rows());
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
