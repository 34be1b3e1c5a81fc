// Adding drawn rows up: the weighted sum of listed rows of any matrix.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/gather_sum.hpp>
#include <santa/rows/team_draw.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace santa {

/// Options of a gather; all views are optional. Real is the type of the sum.
template <class MemorySpace, class Real = float>
struct GatherOptions {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutStride, MemorySpace>;

  View<const Real**> center = {};  // [batch, dim]: c, fixed before the draw, such as a mean of some rows
  View<Real**> error = {};         // [batch, dim] out: the standard error of each feature; needs drawn.spreads
};

namespace detail::inline SANTA_BUILD {

/// How a matrix' elements lie in memory: those of a double's sum may be doubles themselves.
template <class T, class Real>
using gathered_t = typename std::conditional_t<std::is_same_v<std::remove_const_t<T>, double>,
                                               std::type_identity<double>, Storage<std::remove_const_t<T>>>::type;

template <class Space, class Real, class Rows, class Sum>
constexpr void check_gather_types() {
  static_assert(Kokkos::is_view_v<Rows> && Kokkos::is_view_v<Sum>,
                "santa::gather_add: rows and sum must be Kokkos views");
  static_assert(
      Rows::rank() == 2 || Rows::rank() == 3,
      "santa::gather_add: rows must have rank 2 or 3: [rows, dim], shared by the batch, or [batch, rows, dim]");
  static_assert(Element<typename Rows::value_type> ||
                    (std::is_same_v<typename Rows::non_const_value_type, double> && std::is_same_v<Real, double>),
                "santa::gather_add: rows must be float, santa::half, santa::bfloat16 or an equivalent 2-byte type; or "
                "double, with drawn weights of double");
  static_assert(Sum::rank() == 1 || Sum::rank() == 2,
                "santa::gather_add: sum must have rank 1 or 2: [dim] or [batch, dim]");
  static_assert(std::is_same_v<typename Sum::value_type, Real>,
                "santa::gather_add: sum must be of the type of the drawn weights, float or double, and not const");
  static_assert(Kokkos::SpaceAccessibility<Space, typename Rows::memory_space>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename Sum::memory_space>::accessible,
                "santa::gather_add: rows and sum must be accessible from the execution space");
}

/// Where the drawn rows of a matrix lie, and where their sum goes.
template <class Real, class Rows, class Sum>
auto bind_matrices(const Rows& rows, const Sum& sum) {
  using T = gathered_t<typename Rows::value_type, Real>;
  const Array from = array_of("rows", rows), to = array_of("sum", sum);
  const int last = from.rank - 1;
  GatherPointers<T, Real> p{};
  p.batch = to.rank == 2 ? to.extent[0] : 1;
  p.dim = to.extent[to.rank - 1];
  require_rows(from);
  require_rows(to);
  require_extent(from, last, p.dim, "the dim of sum");
  if (from.rank == 3) require_extent(from, 0, p.batch, "the batch of sum");
  p.rows = reinterpret_cast<const T*>(rows.data());
  p.row_count = from.extent[last - 1];
  p.row_stride = from.stride[last - 1];
  p.batch_stride = from.rank == 3 ? from.stride[0] : 0;
  p.sum = {sum.data(), {to.rank == 2 ? to.stride[0] : 0, 1}};
  return p;
}

/// Checks a view that has something for each vector of the batch.
inline void require_vectors(const Array& view, std::int64_t batch) {
  if (view.extent[0] < batch)
    reject_extent(view, 0, ".extent(", view.extent[0], "the batch of sum (" + std::to_string(batch) + ") or more");
  require_data(view);
}

template <class Space, class Real, class Rows, class Sum>
auto bind_gather(const DrawnRows<typename Space::memory_space, Real>& drawn, const Rows& rows, const Sum& sum,
                 const GatherOptions<typename Space::memory_space, Real>& options) {
  check_gather_types<Space, Real, Rows, Sum>();
  auto p = bind_matrices<Real>(rows, sum);
  drawn.require_kept();
  require_vectors(array_of("drawn.count", drawn.count), p.batch);
  require_vectors(array_of("drawn.rows", drawn.rows), p.batch);
  const auto require_list = [&](const Array& view) {
    require_vectors(view, p.batch);
    require_extent(view, 1, static_cast<std::int64_t>(drawn.rows.extent(1)), "that of drawn.rows");
  };
  require_list(array_of("drawn.weights", drawn.weights));
  const auto matrix = [&](std::string_view name, const auto& view) {
    Matrix<typename std::remove_reference_t<decltype(view)>::value_type> result;
    const Array array = array_of(name, view);
    if (array.data == nullptr) return result;
    require_vectors(array, p.batch);
    require_extent(array, 1, p.dim, "the dim of sum");
    require_rows(array);
    result.data = view.data();
    for (int i = 0; i < 2; ++i) result.stride[i] = array.stride[i];
    return result;
  };
  p.center = matrix("center", options.center);
  p.error = matrix("error", options.error);
  if (p.error) {
    require_pointer(drawn.spreads.data(), "drawn.spreads.data()");
    require_list(array_of("drawn.spreads", drawn.spreads));
  }
  return p;
}

}  // namespace detail::inline SANTA_BUILD

/// Adds up the drawn rows of a matrix. Neither allocates nor fences.
/// Computes: sum[b] = sum_i weights_i rows[b, rows_i] + (1 - sum_i weights_i) center[b]: an unbiased estimate of the
///           weighted mean of all rows. With the mean of some rows as center, the noise of the drawn mass is gone.
///           error[b]: sqrt(sum_i spreads_i (rows[b, rows_i] - center[b])^2), feature by feature; of rules that make
///           a fixed number of draws this is an upper bound, close where the center is near the mean.
/// Shapes:   rows [rows, dim], one matrix for the whole batch, or [batch, rows, dim]; sum [dim] or [batch, dim]; any
///           strides, but the last extent is contiguous.
/// Requires: listed rows lie inside `rows`: those beyond its extent are left out.
/// Errors:   std::invalid_argument before anything is launched or written.
/// Bytes:    the drawn rows. Work is shared out over the batch, features (256 at a time, 32 on a device) and parts of a
///           list (16; 24 on a device), whose sums are added up in order: always the same bits.
template <class Space, class Rows, class Sum, class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void gather_add(const Space& space, const DrawnRows<typename Space::memory_space>& drawn, const Rows& rows,
                const Sum& sum, const GatherOptions<typename Space::memory_space>& options = {}) {
  lanes::require_launchable(space);
  detail::launch_gather(space, drawn, detail::bind_gather<Space, float>(drawn, rows, sum, options));
}

/// The same in double: weights, sum, center and error. Rows may be double too. Sums are of parts of 64 rows or more,
/// each by fma: to 2^-53 of the terms' magnitudes a row of a part and a part.
template <class Space, class Rows, class Sum, class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void gather_add(const Space& space, const DrawnRows<typename Space::memory_space, double>& drawn, const Rows& rows,
                const Sum& sum, const GatherOptions<typename Space::memory_space, double>& options = {}) {
  lanes::require_launchable(space);
  detail::launch_gather(space, drawn, detail::bind_gather<Space, double>(drawn, rows, sum, options));
}

/// The same for one vector of the batch and by one team of the caller's kernel: sum_i weights_i rows[rows_i] without
/// center and error. `rows` [rows, dim], `sum` [dim] (float, contiguous). On a host the team's threads share features
/// in pieces of 256, on a device all its lanes share single ones. Ends with a barrier of the team.
template <TeamMember Member, class Rows, class Sum, class Build = lanes::Build>
KOKKOS_FUNCTION void gather_add(const Member& member, const DrawnList& drawn, const Rows& rows, const Sum& sum) {
  static_assert(Rows::rank() == 2 && Sum::rank() == 1,
                "santa::gather_add: in a kernel, rows must be [rows, dim] and sum [dim]");
  using Space = typename Member::execution_space;
  using T = storage_t<typename Rows::value_type>;
  using Piece = detail::GatherPiece<Space, T>;
  detail::GatherPointers<T> p{};
  p.rows = reinterpret_cast<const T*>(rows.data());
  p.row_count = static_cast<std::int64_t>(rows.extent(0));
  p.row_stride = static_cast<std::int64_t>(rows.stride(0));
  p.dim = static_cast<std::int64_t>(rows.extent(1));
  p.sum = {sum.data(), {0, 1}};
  const std::int64_t pieces = Piece::pieces(p.dim);
  if constexpr (lanes::is_host_space<Space>) {
    for (std::int64_t i = member.team_rank(); i < pieces; i += member.team_size()) {
      const Piece piece(p, drawn, 0, i);
      float* const to = p.sum.data + piece.begin;
      float of_part[Piece::features];
      for (int d = 0; d < piece.dim; ++d) to[d] = 0.F;
      for (int part = 0; part < piece.parts.count; ++part) {
        piece.add_part(part, of_part, nullptr);
        for (int d = 0; d < piece.dim; ++d) to[d] += of_part[d];
      }
    }
  } else {
    for (std::int64_t i = 0; i < pieces; ++i) {
      const Piece piece(p, drawn, 0, i);
      Kokkos::parallel_for(Kokkos::TeamVectorRange(member, piece.dim), [&](int d) {
        float total = 0.F;
        for (int part = 0; part < piece.parts.count; ++part) {
          float of_part = 0.F;
          piece.add_feature(part, d, of_part, nullptr);
          total += of_part;
        }
        p.sum(0, piece.begin + d) = total;
      });
    }
  }
  member.team_barrier();
}

}  // namespace santa
