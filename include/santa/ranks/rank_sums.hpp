// RankSums: weighted sums of drawn rows of a matrix that is shared out over ranks.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/matrix.hpp>
#include <santa/core/ticket.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/gather_add.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// Adds up what ranks have, [ranks][sum, error][batch][dim]: sums have the center once too often but for one rank.
template <class Space>
void add_ranks(const Space& space, const float* of_ranks, int ranks, std::int64_t batch, std::int64_t dim,
               const Matrix<const float>& center, const Matrix<float>& sum, const Matrix<float>& error) {
  Kokkos::parallel_for(
      "santa::add_ranks", Range<Space>(space, 0, batch * dim), KOKKOS_LAMBDA(const std::int64_t i) {
        float all = 0.F, square = 0.F;
        for (int rank = 0; rank < ranks; ++rank) {
          const float* const own = of_ranks + 2 * rank * batch * dim + i;
          all += own[0];
          if (error) square = Kokkos::fma(own[batch * dim], own[batch * dim], square);
        }
        if (center) all -= static_cast<float>(ranks - 1) * center(i / dim, i % dim);
        sum(i / dim, i % dim) = all;
        if (error) error(i / dim, i % dim) = Kokkos::sqrt(square);
      });
}

}  // namespace detail::inline SANTA_BUILD

/// Adds up rows that ShardedDraw has listed, on all ranks: `gather_add` of the whole list and matrix. Ranks are added
/// in order: always the same bits. Exchanges: one, of 8 bytes a feature and vector. Memory:    allocated here, once;
/// `run` allocates nothing, and does not fence but for what the communicator does.
template <class Space>
class RankSums {
 public:
  using MemorySpace = typename Space::memory_space;
  using Options = GatherOptions<MemorySpace>;

  template <Communicator<Space> Ranks, class Build = lanes::Build>
  RankSums(const Space& space, const Ranks& ranks, std::int64_t batch, std::int64_t dim)
      : _size(ranks.size()), _rank(ranks.rank()) {
    _sums = detail::allocate<Sums, detail::Fresh::unset>(space, "santa::rank_sums", std::int64_t{_size},
                                                         std::int64_t{2}, batch, dim);
  }

  /// Shapes: rows as those of gather_add, this rank's; sum [batch, dim], those of the object, the whole's on all ranks.
  /// `center` is the same on all ranks. Errors: those of gather_add; RankError.
  template <Communicator<Space> Ranks, class Rows, class Sum, class Build = lanes::Build>
  void run(const Space& space, const Ranks& ranks, const DrawnRows<MemorySpace>& drawn, const Rows& rows,
           const Sum& sum, const Options& options = {}) const {
    static_assert(Sum::rank() == 2, "santa::RankSums: sum must have rank 2: [batch, dim]");
    _kept.require("RankSums");
    detail::require(ranks.size() == _size && ranks.rank() == _rank, "ranks.rank()", ranks.rank(),
                    "the object's " + std::to_string(_rank) + " of " + std::to_string(_size));
    const auto batch = static_cast<std::int64_t>(_sums.extent(2)), dim = static_cast<std::int64_t>(_sums.extent(3));
    const auto pointers = detail::bind_gather<Space, float>(drawn, rows, sum, options);
    detail::require_extent(detail::array_of("sum", sum), 0, batch, "that of the object");
    detail::require_extent(detail::array_of("sum", sum), 1, dim, "that of the object");
    const auto own = [&](std::size_t which) {
      return Kokkos::subview(_sums, static_cast<std::size_t>(_rank), which, Kokkos::ALL, Kokkos::ALL);
    };
    Options of_rank = options;
    if (options.error.data() != nullptr) of_rank.error = own(1);
    gather_add(space, drawn, rows, own(0), of_rank);
    const std::uint64_t ticket =
        detail::mixed(options.center.data() != nullptr ? 1 : 0, options.error.data() != nullptr ? 1 : 0);
    ranks.all_gather(space, _sums.data(), static_cast<std::size_t>(2 * batch * dim) * sizeof(float), ticket);
    detail::add_ranks(space, _sums.data(), _size, batch, dim, pointers.center, pointers.sum, pointers.error);
  }

 private:
  using Sums = Kokkos::View<float****, Kokkos::LayoutRight, MemorySpace>;  // [ranks][sum, error][batch][dim]

  int _size, _rank;
  Sums _sums;
  detail::Kept _kept;
};

}  // namespace santa
