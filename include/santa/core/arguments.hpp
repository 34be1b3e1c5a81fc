// What every kernel of a decode step is given: plain pointers, strides and numbers.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/divisor.hpp>
#include <santa/core/element.hpp>
#include <santa/core/shape.hpp>
#include <santa/core/statistics.hpp>
#include <santa/random/stream_key.hpp>

#include <cstdint>

namespace santa::detail {

/// Keys of a tile: lane i of a group owns key i.
inline constexpr int tile_keys = 32;

/// Reference exponent of an empty state: below every finite score in use.
inline constexpr float empty_reference = -0x1p127F;

/// A rank-2 array by its strides; null where the caller gave none.
template <class T>
struct Matrix {
  T* data = nullptr;
  std::int64_t stride[2] = {0, 0};

  KOKKOS_FUNCTION T& operator()(std::int64_t i, std::int64_t j) const { return data[i * stride[0] + j * stride[1]]; }
  KOKKOS_FUNCTION explicit operator bool() const { return data != nullptr; }
};

/// A number known when the kernel is launched, or read from memory when it runs (so that a captured graph sees new
/// values).
template <class T>
struct Scalar {
  const T* where = nullptr;
  T value{};

  KOKKOS_FUNCTION T get() const { return where != nullptr ? *where : value; }
};

/// Valid lengths per request as 32- or 64-bit integers; null means the whole storage. With `indptr`, request b has
/// pages indptr[b] to indptr[b + 1], and `data` is the length of its last one.
struct Lengths {
  const void* data = nullptr;
  bool wide = false;
  std::int32_t page_size = 0;
  const std::int32_t* indptr = nullptr;

  KOKKOS_FUNCTION std::int64_t get(std::int64_t batch, std::int64_t storage) const {
    if (data == nullptr) return storage;
    if (indptr != nullptr) return of_pages(batch);
    return wide ? static_cast<const std::int64_t*>(data)[batch] : static_cast<const std::int32_t*>(data)[batch];
  }

 private:
  /// Negative where a last page holds no number of rows that it can.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t of_pages(std::int64_t batch) const {
    const std::int64_t pages = std::int64_t{indptr[batch + 1]} - indptr[batch];
    if (pages == 0) return 0;
    const std::int32_t last = static_cast<const std::int32_t*>(data)[batch];
    return last < 1 || last > page_size ? -1 : (pages - 1) * page_size + last;
  }
};

/// One head's state over some of the keys, in the order it lies in memory, before `dim` floats of weighted value sum N.
/// What rows read add up to is in units of 2^reference (squares and variance: of its square), the mass of all keys in
/// units of 2^mass_reference: the same number, but where drawn rows are scored again, by which scores nothing is said
/// of the others. References are integers; scores are compared with them in log2 units. States merge by bringing them
/// to one reference and adding; an empty one is the identity.
struct HeadState {
  float reference = empty_reference;
  float mass = 0.F;       // Z: sum of the weights of all keys
  float used = 0.F;       // W: sum of the weights given to rows read
  float squares = 0.F;    // sum of their squares
  float variance = 0.F;   // error-bar sum, where asked for
  float certain = 0.F;    // rows read with probability 1
  float uncertain = 0.F;  // sum of the inclusion probabilities of the others
  float mass_reference = empty_reference;

  // Places of members among the floats of a state.
  static constexpr int reference_place = 0, mass_place = 1, mass_reference_place = 7;
  /// The power of 2^reference that the n-th float is in units of, where it is not a reference or the mass.
  KOKKOS_FUNCTION static int power(int n) { return n == 2 ? 1 : (n == 3 || n == 4 ? 2 : 0); }
};

/// Floats of a HeadState, and of one head's whole state in memory: HeadState, then N[dim], up to whole 16 bytes.
inline constexpr int head_state_floats = sizeof(HeadState) / sizeof(float);
KOKKOS_INLINE_FUNCTION std::int64_t state_floats(int dim) {
  return std::int64_t{head_state_floats} + (dim + 3) / 4 * 4;
}

/// Counts of one unit of work.
struct UnitCounts {
  std::uint32_t rows = 0;
  std::uint32_t samples = 0;
};

/// The caller's budget. Rows: `rows`, or `share` of the visible length where that is positive.
struct Budget {
  double rows = 0.;
  double share = 0.;
  std::int64_t samples = 0;
  std::int32_t tile = 0;     // keys of a tile that gets samples of its own
  float target_error = 0.F;  // relative, in place of rows once a state knows what they cost; 0: none

  KOKKOS_FUNCTION double rows_of(std::int64_t visible) const {
    return share > 0. ? share * static_cast<double>(visible) : rows;
  }
};

/// Memory of a plan. Sizes and order are told by `Workspace` (decode/workspace.hpp).
struct WorkspacePointers {
  float* states = nullptr;             // [slice rows][splits][slice heads][state_floats]: HeadState and N
  UnitCounts* counts = nullptr;        // [slice rows][splits]
  std::int32_t* arrived = nullptr;     // [batch][kv heads]: units that have finished; zero between runs
  float* log_delta = nullptr;          // [3][batch][heads], log2: delta; it by the panel alone; the panel's spread
  float* subset = nullptr;             // [slice rows][slice heads][Subset::capacity]: scores of the first step's subset
  float* scores = nullptr;             // [batch][heads][tiles * tile_keys], log2
  float* tile_reference = nullptr;     // [batch][heads][tile_stride]
  std::uint32_t* tile_mass = nullptr;  // [batch][heads][tile_stride], units of 2^(tile_reference - mass_bits)
  std::uint64_t* tile_prefix = nullptr;  // [batch][heads][tile_stride], units of 2^(reference - position_bits)
  float* reference = nullptr;            // [batch][heads]: the largest of a head's tiles; NaN where a score is
  std::uint64_t* total = nullptr;        // [batch][heads], units as tile_prefix
  std::uint32_t* points =
      nullptr;  // [batch][heads]: Multinomial's before each cell, ProportionalTileBudget's of each tile
};

/// The arrays of a DecodeState, in the order in which they lie in memory.
enum class StateArray : std::uint8_t { log_ratio, log2_sum, panel, error_scale, count };

/// What kernels look at first comes first: each 64 bytes of a kernel's arguments have to be waited for.
struct Arguments {
  [[gnu::always_inline]] Arguments() = default;  // not shared by units for different processors

  // Shape, and how it is cut into units of work.
  std::int32_t batch = 0, heads = 0, dim = 0;
  Divisor kv_heads, slices, slice_heads;  // a group's heads, in slices that a lane group works on
  Divisor splits;
  std::uint16_t split_step = split_keys;  // even shares are multiples of so many keys
  bool merges_apart = false;              // states of splits are merged by a kernel of their own
  bool carried = false;                   // a step before this one has left its state
  bool steered = false;                   // by a panel of keys, scored before the step draws
  bool separate = false;                  // heads draw by themselves
  bool self_normalised = false;           // outputs are over the weights of rows read, not over the mass of all keys
  bool with_spread = false;               // error-bar sums are made: for `error`, or a target error
  Lengths lengths;
  std::int64_t storage = 0;
  std::int64_t keys_per_split = 0;  // 0: visible keys are shared out evenly, in multiples of split_keys
  AnyInput query;
  std::int64_t query_stride[2] = {0, 0};
  float score_factor = 0.F;  // scale * log2(e): scores are in log2 units inside the kernels

  // Randomness.
  std::uint16_t stream = 0;
  Scalar<std::uint64_t> seed;
  Scalar<std::uint32_t> step;
  const std::uint32_t* requests = nullptr;

  // What is drawn, and what is carried from step to step.
  Budget budget;
  float* state = nullptr;         // [StateArray][batch][heads]; see DecodeState
  std::int64_t state_stride = 0;  // of the first extent
  WorkspacePointers work;
  std::int64_t tiles = 0;  // of the plan's storage

  // Outputs and optional inputs; every pointer but `out` may be null.
  AnyOutput out;
  std::int64_t out_stride[2] = {0, 0};
  Matrix<float> lse, error;
  Matrix<Statistics> statistics;
  Matrix<const float> center;  // the row of (batch, kv head), contiguous

  [[nodiscard]] KOKKOS_FUNCTION float& carried_number(StateArray array, std::int64_t head_row) const {
    return state[static_cast<std::int64_t>(array) * state_stride + head_row];
  }
  /// log2 of delta as the panel has it.
  [[nodiscard]] KOKKOS_FUNCTION float& panel_log_delta(std::int64_t head_row) const {
    return work.log_delta[std::int64_t{batch} * heads + head_row];
  }
  /// log2 of the spread that the panel expects of the delta in use; see PanelScores.
  [[nodiscard]] KOKKOS_FUNCTION float& panel_log_spread(std::int64_t head_row) const {
    return work.log_delta[2 * std::int64_t{batch} * heads + head_row];
  }
  /// Tiles are stored in whole vectors, with one more than there are.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t tile_stride() const { return (tiles / tile_keys + 1) * tile_keys; }
};

/// Notes a shape's batch, heads and features, and cuts a group's heads into slices of equal size, of at most
/// `most_heads`.
inline void set_heads(Arguments& a, const Shape& shape, int most_heads) {
  a.batch = static_cast<std::int32_t>(shape.batch);
  a.heads = static_cast<std::int32_t>(shape.heads);
  a.kv_heads = static_cast<std::int32_t>(shape.kv_heads);
  a.dim = static_cast<std::int32_t>(shape.dim);
  const auto group = static_cast<std::int32_t>(shape.group());
  a.slices = (group + most_heads - 1) / most_heads;
  a.slice_heads = (group + a.slices - 1) / a.slices;
}

/// One unit of work: a split of the keys of one request, for the query heads of one slice of one kv head.
struct Unit {
  std::int32_t batch, split, kv_head, slice;
  std::int32_t first_head, heads;  // query heads
  std::int64_t length;             // valid keys of the request
  std::int64_t start;              // first visible key
  std::int64_t begin, end;         // keys of this unit; empty where begin >= end

  /// The row of per-slice arrays: (batch, kv head, slice).
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t slice_row(const Arguments& a) const {
    return (static_cast<std::int64_t>(batch) * a.kv_heads + kv_head) * a.slices + slice;
  }
  /// The row of per-head arrays; of the last head for those beyond it.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t head_row(const Arguments& a, int head) const {
    return static_cast<std::int64_t>(batch) * a.heads + first_head + (head < heads ? head : heads - 1);
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t visible() const { return length > start ? length - start : 0; }
};

}  // namespace santa::detail

namespace santa::detail::inline SANTA_BUILD {

/// Request's valid length, clamped to the storage.
KOKKOS_INLINE_FUNCTION std::int64_t length_of(const Arguments& a, std::int64_t batch) {
  const std::int64_t given = a.lengths.get(batch, a.storage);
  return given < 0 ? 0 : (given > a.storage ? a.storage : given);
}

/// The place of a unit in the order of all units, which are fewer than 2^31.
KOKKOS_INLINE_FUNCTION std::int64_t unit_rank(const Arguments& a, std::int64_t batch, std::int64_t split,
                                              std::int64_t kv_head, std::int64_t slice) {
  return ((batch * a.splits + split) * a.kv_heads + kv_head) * a.slices + slice;
}

KOKKOS_INLINE_FUNCTION std::int64_t all_units(const Arguments& a) { return unit_rank(a, a.batch, 0, 0, 0); }
KOKKOS_INLINE_FUNCTION std::int64_t slice_rows(const Arguments& a) {
  return std::int64_t{a.batch} * a.kv_heads * a.slices;
}
/// Heads of all slices, each counted as full.
KOKKOS_INLINE_FUNCTION std::int64_t all_heads(const Arguments& a) { return slice_rows(a) * a.slice_heads; }

/// Keys of each of `splits` even shares, in multiples of `step`, a power of two.
KOKKOS_INLINE_FUNCTION std::int64_t keys_of_share(std::int64_t keys, const Divisor& splits, std::int32_t step) {
  const auto pieces = static_cast<std::uint32_t>((keys + step - 1) >> Kokkos::countr_zero(static_cast<unsigned>(step)));
  return std::int64_t{splits.quotient(pieces + static_cast<std::uint32_t>(splits) - 1U)} * step;
}

/// Which unit of a step.
struct UnitPlace {
  std::int32_t batch, split, kv_head, slice;
};

template <class Modifier>
KOKKOS_INLINE_FUNCTION Unit unit_at(const Arguments& a, const Modifier& modifier, const UnitPlace& place) {
  Unit unit{};
  unit.batch = place.batch;
  unit.split = place.split;
  unit.kv_head = place.kv_head;
  unit.slice = place.slice;
  const auto group = static_cast<std::int32_t>(a.kv_heads.quotient(static_cast<std::uint32_t>(a.heads)));
  const std::int32_t before = unit.slice * a.slice_heads;
  unit.first_head = unit.kv_head * group + before;
  unit.heads = group - before < a.slice_heads ? group - before : std::int32_t{a.slice_heads};
  unit.length = length_of(a, unit.batch);
  unit.start = modifier.first_key(unit.length);
  const std::int64_t origin = a.keys_per_split > 0 ? 0 : unit.start & -std::int64_t{a.split_step};
  const std::int64_t keys =
      a.keys_per_split > 0 ? a.keys_per_split : keys_of_share(unit.length - origin, a.splits, a.split_step);
  const std::int64_t begin = origin + unit.split * keys;
  const std::int64_t first_tile = unit.start / tile_keys * tile_keys;
  unit.begin = begin > first_tile ? begin : first_tile;
  unit.end = begin + keys < unit.length ? begin + keys : unit.length;
  if (unit.start >= unit.length) unit.end = unit.begin;
  return unit;
}

/// What is left of a rank when its last digit, of base `base`, is taken off and returned.
KOKKOS_INLINE_FUNCTION std::int32_t take_digit(std::uint32_t& rest, const Divisor& base) {
  const std::uint32_t quotient = base.quotient(rest);
  const std::uint32_t digit = rest - quotient * static_cast<std::uint32_t>(base);
  rest = quotient;
  return static_cast<std::int32_t>(digit);
}

/// The kv head and slice that the last digits of a rank name, which are taken off.
KOKKOS_INLINE_FUNCTION UnitPlace take_slice(const Arguments& a, std::uint32_t& rest) {
  UnitPlace place{};
  place.slice = take_digit(rest, a.slices);
  place.kv_head = take_digit(rest, a.kv_heads);
  return place;
}

/// Units in the order (batch, split, kv head, slice), the last fastest: neighbours in time read neighbouring memory
/// when heads lie next to each other (a token-major cache), and it makes no difference when they don't.
template <class Modifier>
KOKKOS_INLINE_FUNCTION Unit unit_of(const Arguments& a, const Modifier& modifier, std::int64_t rank) {
  auto rest = static_cast<std::uint32_t>(rank);
  UnitPlace place = take_slice(a, rest);
  place.split = take_digit(rest, a.splits);
  place.batch = static_cast<std::int32_t>(rest);
  return unit_at(a, modifier, place);
}

/// The first unit of a slice row, for kernels that have one unit each.
template <class Modifier>
KOKKOS_INLINE_FUNCTION Unit whole_unit_of(const Arguments& a, const Modifier& modifier, std::int64_t row) {
  auto rest = static_cast<std::uint32_t>(row);
  UnitPlace place = take_slice(a, rest);
  place.batch = static_cast<std::int32_t>(rest);
  return unit_at(a, modifier, place);
}

KOKKOS_INLINE_FUNCTION StreamKey stream_key(const Arguments& a, const Unit& unit) {
  const auto batch = static_cast<std::uint32_t>(unit.batch);
  return {a.seed.get(), a.step.get(), a.stream, a.requests != nullptr ? a.requests[batch] : batch};
}

}  // namespace santa::detail::inline SANTA_BUILD
