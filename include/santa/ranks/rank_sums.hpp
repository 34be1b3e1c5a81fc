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
#include <santa/lanes/math.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/gather_add.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// What a rank sends: [sum, error][batch][dim], and behind them what ranks have to agree on, as one number.
struct SumBlock {
  float* data;
  std::int64_t elements;  // of a sum

  [[nodiscard]] KOKKOS_FUNCTION static std::int64_t floats(std::int64_t elements) { return 2 * elements + 2; }
  [[nodiscard]] KOKKOS_FUNCTION float* sum() const { return data; }
  [[nodiscard]] KOKKOS_FUNCTION float* error() const { return data + elements; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t& ticket() const {
    return *reinterpret_cast<std::uint64_t*>(data + 2 * elements);
  }
  /// That of another rank, behind this.
  [[nodiscard]] KOKKOS_FUNCTION SumBlock of_rank(int rank) const { return {data + rank * floats(elements), elements}; }
};

template <class Space>
void write_ticket(const Space& space, const SumBlock& own, std::uint64_t ticket) {
  Kokkos::parallel_for(
      "santa::write_ticket", Range<Space>(space, 0, 1), KOKKOS_LAMBDA(const std::int64_t) { own.ticket() = ticket; });
}

/// Adds up what ranks have: sums have the center once too often but for one rank. NaN where ranks were told other
/// things.
template <class Space>
void add_ranks(const Space& space, const SumBlock& first, int ranks, std::int64_t dim,
               const Matrix<const float>& center, const Matrix<float>& sum, const Matrix<float>& error) {
  Kokkos::parallel_for(
      "santa::add_ranks", Range<Space>(space, 0, first.elements), KOKKOS_LAMBDA(const std::int64_t i) {
        float all = 0.F, square = 0.F;
        bool same = true;
        for (int rank = 0; rank < ranks; ++rank) {
          const SumBlock own = first.of_rank(rank);
          same = same && own.ticket() == first.ticket();
          all += own.sum()[i];
          if (error) square = Kokkos::fma(own.error()[i], own.error()[i], square);
        }
        if (center) all -= static_cast<float>(ranks - 1) * center(i / dim, i % dim);
        sum(i / dim, i % dim) = same ? all : lanes::not_a_number;
        if (error) error(i / dim, i % dim) = same ? Kokkos::sqrt(square) : lanes::not_a_number;
      });
}

}  // namespace detail::inline SANTA_BUILD

/// Adds up rows that ShardedDraw has listed, on all ranks: `gather_add` of the whole list and matrix. Ranks are added
/// in order: always the same bits. Exchanges: one, of 8 bytes a feature and vector and 8 a rank. Memory:    allocated
/// here, once; `run` allocates nothing, and does not fence but for what the communicator does. Errors:    RankError
/// where ranks disagree about what is given, as the communicator says; sums of NaN where it doesn't look.
template <class Space>
class RankSums {
 public:
  using MemorySpace = typename Space::memory_space;
  using Options = GatherOptions<MemorySpace>;

  template <Communicator<Space> Ranks, class Build = lanes::Build>
  RankSums(const Space& space, const Ranks& ranks, std::int64_t batch, std::int64_t dim)
      : _size(ranks.size()), _rank(ranks.rank()), _batch(batch), _dim(dim) {
    const std::int64_t elements = detail::product("batch * dim", {batch, dim}, std::int64_t{1} << 58, "2^58 or less");
    _sums = detail::allocate<Sums, detail::Fresh::unset>(space, "santa::rank_sums", std::int64_t{_size},
                                                         detail::SumBlock::floats(elements));
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
    const auto pointers = detail::bind_gather<Space, float>(drawn, rows, sum, options);
    detail::require_extent(detail::array_of("sum", sum), 0, _batch, "that of the object");
    detail::require_extent(detail::array_of("sum", sum), 1, _dim, "that of the object");
    const detail::SumBlock first{_sums.data(), _batch * _dim}, own = first.of_rank(_rank);
    const auto matrix = [&](float* data) {
      return Matrix(data, static_cast<std::size_t>(_batch), static_cast<std::size_t>(_dim));
    };
    Options of_rank = options;
    if (options.error.data() != nullptr) of_rank.error = matrix(own.error());
    gather_add(space, drawn, rows, matrix(own.sum()), of_rank);
    const std::uint64_t ticket =
        detail::mixed(options.center.data() != nullptr ? 1 : 0, options.error.data() != nullptr ? 1 : 0);
    detail::write_ticket(space, own, ticket);
    const auto floats = static_cast<std::size_t>(detail::SumBlock::floats(first.elements));
    ranks.all_gather(space, _sums.data(), floats * sizeof(float), ticket);
    detail::add_ranks(space, first, _size, _dim, pointers.center, pointers.sum, pointers.error);
  }

 private:
  using Sums = Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace>;  // [ranks][floats of a block]
  using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

  int _size, _rank;
  std::int64_t _batch, _dim;
  Sums _sums;
  detail::Kept _kept;
};

}  // namespace santa
