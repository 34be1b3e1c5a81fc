// A step of low-rank debiasing, kernel by kernel: accelerated mirror descent on weights of all rows.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/fixed_exp.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What a step of debiasing works on: weights w, their aim v, and what the kernel's matrix maps them to.
struct DebiasingRows {
  std::int64_t rows;
  double *w, *v, *kernel_w, *kernel_v;  // [rows]
  double *next, *kernel_next;           // [rows]: where v goes
  double* part;                         // [blocks()]: sums of blocks of rows, which the host adds up in order
  const double *factor, *left;          // [columns][rows], [rows]: the matrix is factor^T factor + diag(left)
  double* along;                        // [columns]
  int columns;
  double share = 0., rate = 0., least = 0., scale = 1.;  // of this step

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t blocks() const { return (rows + block_rows - 1) / block_rows; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t count_of(std::int64_t block) const {
    const std::int64_t rest = rows - block * block_rows;
    return rest < block_rows ? rest : block_rows;
  }
  [[nodiscard]] KOKKOS_FUNCTION double slope(std::int64_t i) const {
    return rate * ((1. - share) * kernel_w[i] + share * kernel_v[i]);
  }
};

/// The least slope among rows that have weight.
struct LeastSlope : DebiasingRows {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const std::int64_t first = index * block_rows;
    const double most = block.largest(
        count_of(index), [&](std::int64_t i) { return v[first + i] > 0. ? -slope(first + i) : -infinite; });
    block.single([&] { part[index] = -most; });
  }
};

/// Moves the aim down the slope, by factors of 1 at most; what is 0 stays so, whatever its slope.
struct MoveAim : DebiasingRows {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const std::int64_t first = index * block_rows, count = count_of(index);
    block.for_each(count, [&](std::int64_t i) {
      const double now = v[first + i];
      next[first + i] = now > 0. ? now * fixed_exp(least - slope(first + i)) : 0.;
    });
    const double sum = block.real_sum(count, [&](std::int64_t i) { return next[first + i]; });
    block.single([&] { part[index] = sum; });
  }
};

/// A column of the factor times the aim: a column a block.
struct MultiplyColumn : DebiasingRows {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t column) const {
    const double* const of = factor + column * rows;
    double total = 0.;
    if constexpr (Block::in_order) {
      constexpr int lanes = 16;
      double sum[lanes] = {};
      std::int64_t i = 0;
      for (; i + lanes <= rows; i += lanes)
        for (int k = 0; k < lanes; ++k) sum[k] += of[i + k] * next[i + k];
      for (; i < rows; ++i) sum[0] += of[i] * next[i];
      for (const double s : sum) total += s;
    } else {
      total = block.real_sum(rows, [&](std::int64_t i) { return of[i] * next[i]; });
    }
    block.single([&] { along[column] = scale * total; });
  }
};

/// What the matrix maps the aim to, and the weights' distance from the target on the way there.
struct MultiplyRows : DebiasingRows {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const std::int64_t first = index * block_rows, count = count_of(index);
    block.for_each(count, [&](std::int64_t i) {
      next[first + i] *= scale;
      kernel_next[first + i] = left[first + i] * next[first + i];
    });
    if constexpr (Block::in_order) {
      for (int c = 0; c < columns; ++c) {
        const double* const of = factor + c * rows + first;
        const double times = along[c];
        double* const to = kernel_next + first;
        for (std::int64_t i = 0; i < count; ++i) to[i] += times * of[i];
      }
    } else {
      block.for_each(count, [&](std::int64_t i) {
        double sum = kernel_next[first + i];
        for (int c = 0; c < columns; ++c) sum += along[c] * factor[c * rows + first + i];
        kernel_next[first + i] = sum;
      });
    }
    const double away = block.real_sum(count, [&](std::int64_t k) {
      const std::int64_t i = first + k;
      return ((1. - share) * w[i] + share * next[i]) * ((1. - share) * kernel_w[i] + share * kernel_next[i]);
    });
    block.single([&] { part[index] = away; });
  }
};

/// Takes a step, or goes back to where it began.
struct TakeStep : DebiasingRows {
  bool taken;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const std::int64_t first = index * block_rows;
    block.for_each(count_of(index), [&](std::int64_t k) {
      const std::int64_t i = first + k;
      if (taken) {
        w[i] = (1. - share) * w[i] + share * next[i];
        kernel_w[i] = (1. - share) * kernel_w[i] + share * kernel_next[i];
        v[i] = next[i];
        kernel_v[i] = kernel_next[i];
      } else {
        v[i] = w[i];
        kernel_v[i] = kernel_w[i];
      }
    });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
