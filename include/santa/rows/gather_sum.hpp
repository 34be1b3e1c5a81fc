// The weighted sum of listed rows: pieces of their features, parts of the list.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/group.hpp>
#include <santa/rows/drawn_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// A gather's matrices; Real, float or double, is what weights are and sums are made in.
template <class T, class Real = float>
struct GatherPointers {
  const T* rows;
  std::int64_t batch, row_count, dim;
  std::int64_t batch_stride, row_stride;
  Matrix<Real> sum, error;
  Matrix<const Real> center;
};

/// Features of one team's work. A host thread likes whole rows; a device wants many teams, and a lane for each feature.
template <class Space>
inline constexpr int piece_features = lanes::is_host_space<Space> ? 256 : 32;

/// Parts of a list at most. A device has 32 lanes for each; 24 leave them registers for 8 rows on their way.
template <class Space>
inline constexpr int most_parts = lanes::is_host_space<Space> ? 16 : 24;

/// A list in parts that the threads of a team share and whose sums are added up in order: what a part is depends on the
/// list alone, so that results do not depend on the threads.
struct ListParts {
  static constexpr std::int64_t least_rows = 64;

  std::int64_t rows;  // of each but the last
  int count;

  KOKKOS_FUNCTION ListParts(std::int64_t listed, int most) {
    const std::int64_t share = (listed + most - 1) / most;
    rows = share > least_rows ? (share + 15) / 16 * 16 : least_rows;
    count = static_cast<int>((listed + rows - 1) / rows);
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t begin(int part) const { return part * rows; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t end(int part, std::int64_t listed) const {
    return (part + 1) * rows < listed ? (part + 1) * rows : listed;
  }
};

/// One piece of one vector's sum. Listed rows that lie outside the matrix are left out.
template <class Space, class T, class Real = float>
struct GatherPiece {
  static constexpr int features = piece_features<Space>;

  using List = BasicDrawnList<Real>;

  const GatherPointers<T, Real>& p;
  const List& list;
  std::int64_t batch, begin;
  int dim;
  ListParts parts;

  KOKKOS_FUNCTION GatherPiece(const GatherPointers<T, Real>& pointers, const List& of, std::int64_t vector,
                              std::int64_t piece)
      : p(pointers),
        list(of),
        batch(vector),
        begin(piece * features),
        dim(static_cast<int>(p.dim - begin < features ? p.dim - begin : features)),
        parts(of.count, int{most_parts<Space>}) {}

  [[nodiscard]] KOKKOS_FUNCTION static std::int64_t pieces(std::int64_t dim) { return (dim + features - 1) / features; }
  [[nodiscard]] KOKKOS_FUNCTION bool inside(std::int64_t i) const {
    return list.rows[i] >= 0 && list.rows[i] < p.row_count;
  }
  [[nodiscard]] KOKKOS_FUNCTION const T* row(std::int64_t i) const {
    return p.rows + batch * p.batch_stride + list.rows[i] * p.row_stride + begin;
  }
  [[nodiscard]] KOKKOS_FUNCTION Real center(int d) const { return p.center ? p.center(batch, begin + d) : Real{0}; }

  /// Sum, and where asked for error sum, of one feature over the rows of a part, by one lane of a device: several rows
  /// are on their way at once. Of what lies outside, the first row is read instead, and forgotten.
  KOKKOS_FUNCTION void add_feature(int part, int d, Real& sum, Real* error) const {
    constexpr int at_once = 8;
    const std::int64_t end = p.row_count > 0 ? parts.end(part, list.count) : 0;
    const T* const first = p.rows + batch * p.batch_stride + begin + d;
    const Real around = center(d);
    Real total = 0;
    Real squares = 0;
    for (std::int64_t at = parts.begin(part); at < end; at += at_once) {
      const int count = end - at < at_once ? static_cast<int>(end - at) : at_once;
      Real weight[at_once];
      T value[at_once];
      unsigned present = 0;
      SANTA_UNROLL(8)
      for (int k = 0; k < at_once; ++k) {
        const std::int64_t place = at + (k < count ? k : 0);
        const bool counts = k < count && inside(place);
        present |= counts ? 1U << k : 0U;
        value[k] = first[counts ? list.rows[place] * p.row_stride : 0];
        weight[k] = list.weights[place];
      }
      SANTA_UNROLL(8)
      for (int k = 0; k < at_once; ++k)
        if ((present >> k & 1U) != 0) total = lanes::fma(weight[k], real_of(value[k]), total);
      if (error != nullptr) {
        SANTA_UNROLL(8)
        for (int k = 0; k < at_once; ++k)
          if ((present >> k & 1U) != 0) {
            const Real away = real_of(value[k]) - around;
            squares = lanes::fma(list.spreads[at + k] * away, away, squares);
          }
      }
    }
    sum = total;
    if (error != nullptr) *error = squares;
  }

  /// The same for all features of the piece, by one thread of a host: the tile product for multiples of 8 features,
  /// plain loops for the few others and for errors; in double plain loops.
  void add_part(int part, Real* sum, Real* error) const {
    if constexpr (std::is_same_v<Real, double>)
      add_part_in_double(part, sum, error);
    else
      add_part_by_tiles(part, sum, error);
  }

 private:
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static Real real_of(const T& value) {
    if constexpr (std::is_same_v<T, double>)
      return value;
    else
      return static_cast<float>(value);
  }

  void add_part_in_double(int part, double* sum, double* error) const {
    for (int d = 0; d < dim; ++d) sum[d] = 0.;
    if (error != nullptr)
      for (int d = 0; d < dim; ++d) error[d] = 0.;
    const std::int64_t end = parts.end(part, list.count);
    for (std::int64_t at = parts.begin(part); at < end; ++at) {
      if (!inside(at)) continue;
      const T* const from = row(at);
      const double weight = list.weights[at];
      for (int d = 0; d < dim; ++d) sum[d] = lanes::fma(weight, real_of(from[d]), sum[d]);
      if (error == nullptr) continue;
      const double spread = list.spreads[at];
      for (int d = 0; d < dim; ++d) {
        const double away = real_of(from[d]) - center(d);
        error[d] = lanes::fma(spread * away, away, error[d]);
      }
    }
  }

  void add_part_by_tiles(int part, float* sum, float* error) const {
    constexpr int at_once = 16;
    constexpr std::int32_t index[at_once] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    alignas(64) float scratch[2 * features];
    const T* from[at_once] = {};
    float weight[at_once];
    const int whole = dim / 8 * 8;
    float rest[8] = {};
    lanes::TileOf<Space, T> tile({}, scratch, scratch, 1, whole);
    tile.clear();
    if (error != nullptr)
      for (int d = 0; d < dim; ++d) error[d] = 0.F;
    const std::int64_t end = parts.end(part, list.count);
    for (std::int64_t at = parts.begin(part); at < end;) {
      int count = 0;
      for (; at < end && count < at_once; ++at) {
        if (!inside(at)) continue;
        from[count] = row(at);
        weight[count] = list.weights[at];
        for (int d = whole; d < dim; ++d)
          rest[d - whole] = lanes::fma(weight[count], static_cast<float>(from[count][d]), rest[d - whole]);
        if (error != nullptr)
          for (int d = 0; d < dim; ++d) {
            const float away = static_cast<float>(from[count][d]) - center(d);
            error[d] = lanes::fma(list.spreads[at] * away, away, error[d]);
          }
        ++count;
      }
      if (whole == 0 || count == 0) continue;
      const auto ahead = [&](int i) { return at + i < end && inside(at + i) ? row(at + i) : from[0]; };
      tile.add_rows(from, 0, index, count, ahead, weight, at_once);
    }
    tile.store_sums(sum, features);
    for (int d = whole; d < dim; ++d) sum[d] = rest[d - whole];
  }
};

/// A team's work is one piece of one vector. Reads: the list, and the piece's features of its rows.
template <class Space, class T, class Real = float>
struct GatherKernel {
  using Piece = GatherPiece<Space, T, Real>;
  static constexpr std::size_t scratch_bytes =
      most_parts<Space> * (2 * Piece::features * sizeof(Real) + sizeof(double)) + 64;
  static constexpr int scratch_level = lanes::GroupOf<Space>::scratch_level;

  GatherPointers<T, Real> to;
  DrawnRows<typename Space::memory_space, Real> drawn;

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    constexpr int features = Piece::features;
    const std::int64_t pieces = Piece::pieces(to.dim);
    const std::int64_t vector = member.league_rank() / pieces;
    const BasicDrawnList<Real> list = drawn.list(static_cast<std::size_t>(vector));
    const Piece piece(to, list, vector, member.league_rank() % pieces);
    auto* const used =
        static_cast<double*>(member.team_scratch(int{scratch_level}).get_shmem_aligned(scratch_bytes - 64, 64));
    auto* const sums = reinterpret_cast<Real*>(used + most_parts<Space>);
    Real* const errors = sums + most_parts<Space> * features;
    const bool with_error = static_cast<bool>(to.error);
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, piece.parts.count), [&](int part) {
      Real* const sum = sums + part * features;
      Real* const error = with_error ? errors + part * features : nullptr;
      if constexpr (lanes::is_host_space<Space>)
        piece.add_part(part, sum, error);
      else
        Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, piece.dim), [&](int d) {
          piece.add_feature(part, d, sum[d], error != nullptr ? error + d : nullptr);
        });
      if (to.center) sum_weights(member, piece, part, used[part]);
    });
    member.team_barrier();
    Kokkos::parallel_for(Kokkos::TeamVectorRange(member, piece.dim), [&](int d) {
      Real sum = 0;
      Real squares = 0;
      double missing = 1.;
      for (int part = 0; part < piece.parts.count; ++part) {
        sum += sums[part * features + d];
        if (with_error) squares += errors[part * features + d];
        if (to.center) missing -= used[part];
      }
      to.sum(vector, piece.begin + d) = to.center ? lanes::fma(static_cast<Real>(missing), piece.center(d), sum) : sum;
      if (with_error) to.error(vector, piece.begin + d) = Kokkos::sqrt(squares);
    });
  }

 private:
  template <class Member>
  KOKKOS_FUNCTION static void sum_weights(const Member& member, const Piece& piece, int part, double& used) {
    double total = 0.;
    Kokkos::parallel_reduce(
        Kokkos::ThreadVectorRange(member, piece.parts.begin(part), piece.parts.end(part, piece.list.count)),
        [&](std::int64_t i, double& sum) {
          if (piece.inside(i)) sum += static_cast<double>(piece.list.weights[i]);
        },
        total);
    Kokkos::single(Kokkos::PerThread(member), [&] { used = total; });
  }
};

template <class Space, class T, class Real>
void launch_gather(const Space& space, const DrawnRows<typename Space::memory_space, Real>& drawn,
                   const GatherPointers<T, Real>& pointers) {
  using Kernel = GatherKernel<Space, T, Real>;
  using Policy = std::conditional_t<lanes::is_host_space<Space>, Kokkos::TeamPolicy<Space>,
                                    Kokkos::TeamPolicy<Space, Kokkos::LaunchBounds<32 * most_parts<Space>, 1>>>;
  const std::int64_t teams =
      product("batch * pieces of features", {pointers.batch, Kernel::Piece::pieces(pointers.dim)}, most_counted,
              "less than 2^31");
  if (teams == 0) return;
  const Kernel kernel{pointers, drawn};
  const auto league = static_cast<int>(teams);
  const auto policy = [&] {
    if constexpr (lanes::is_host_space<Space>) {
      // Threads that would have no team of their own help others.
      const int room = Policy(space, league, 1).team_size_max(kernel, Kokkos::ParallelForTag{});
      const int most = room < most_parts<Space> ? room : most_parts<Space>;
      const int free = space.concurrency() / league;
      return Policy(space, league, free < 1 ? 1 : (free < most ? free : most), 1);
    } else {
      return Policy(space, league, most_parts<Space>, Kernel::Piece::features);
    }
  }();
  auto with_scratch = policy;
  with_scratch.set_scratch_size(Kernel::scratch_level, Kokkos::PerTeam(Kernel::scratch_bytes));
  Kokkos::parallel_for(
      "santa::gather_add",
      Kokkos::Experimental::require(with_scratch, Kokkos::Experimental::WorkItemProperty::HintLightWeight), kernel);
}

}  // namespace santa::detail::inline SANTA_BUILD
