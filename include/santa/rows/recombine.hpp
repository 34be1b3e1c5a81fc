// Recombination: few rows with new weights whose sums of given features are those of all rows.
#pragma once

#include <santa/core/build.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// Weights of columns, and their features, on the host.
struct WeightedColumns {
  std::vector<const double*> feature;  // [features]: a number for each column
  std::vector<std::int64_t> column;    // those that have weight
  std::vector<double> weight;
};

/// Dense rows of numbers.
struct DenseMatrix {
  std::size_t columns;
  std::vector<double> data;

  DenseMatrix(std::size_t rows, std::size_t width) : columns(width), data(rows * width, 0.) {}
  double* operator[](std::size_t row) { return data.data() + row * columns; }
};

/// Vectors that a matrix maps to 0, a row each, by elimination with the largest pivots of the first `pivots` columns.
/// What is below 1e-13 of these' largest number, rows being scaled, is 0. Overwrites the matrix.
inline DenseMatrix null_vectors(DenseMatrix& matrix, std::size_t pivots) {
  const std::size_t columns = matrix.columns, rows = matrix.data.size() / columns;
  for (std::size_t r = 0; r < rows; ++r) {
    double most = 0.;
    for (std::size_t c = 0; c < pivots; ++c) most = std::fmax(most, std::fabs(matrix[r][c]));
    for (std::size_t c = 0; c < columns && most > 0.; ++c) matrix[r][c] /= most;
  }
  std::vector<std::size_t> pivot;
  std::vector<char> taken(columns, 0);
  for (std::size_t r = 0; r < rows; ++r) {
    double most = 1e-13;
    std::size_t row = rows, column = 0;
    for (std::size_t i = r; i < rows; ++i)
      for (std::size_t c = 0; c < pivots; ++c)
        if (taken[c] == 0 && std::fabs(matrix[i][c]) > most) {
          most = std::fabs(matrix[i][c]);
          row = i;
          column = c;
        }
    if (row == rows) break;
    std::swap_ranges(matrix[r], matrix[r] + columns, matrix[row]);
    const double scale = 1. / matrix[r][column];
    for (std::size_t c = 0; c < columns; ++c) matrix[r][c] *= scale;
    for (std::size_t i = 0; i < rows; ++i) {
      const double factor = matrix[i][column];
      if (i == r || factor == 0.) continue;
      for (std::size_t c = 0; c < columns; ++c) matrix[i][c] -= factor * matrix[r][c];
    }
    taken[column] = 1;
    pivot.push_back(column);
  }
  DenseMatrix null(columns - pivot.size(), columns);
  std::size_t at = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    if (taken[c] != 0) continue;
    null[at][c] = 1.;
    for (std::size_t r = 0; r < pivot.size(); ++r) null[at][pivot[r]] = -matrix[r][c];
    ++at;
  }
  return null;
}

/// Solves for x: the matrix times x is its last column. Of unknowns that nothing decides, x is 0.
inline std::vector<double> solved(DenseMatrix& matrix) {
  const std::size_t unknowns = matrix.columns - 1;
  DenseMatrix null = null_vectors(matrix, unknowns);
  const double* const last = null[null.data.size() / null.columns - 1];  // the one with the last column
  std::vector<double> result(last, last + unknowns);
  for (double& x : result) x = -x;
  return result;
}

/// Moves weights of 1 along each null vector until one is 0. Returns them: at most as many are left as the matrix has
/// rank. One of the matrix' rows is of positive numbers, so that each null vector has positive and negative ones.
inline std::vector<double> vanish(DenseMatrix null) {
  const std::size_t columns = null.columns, vectors = columns > 0 ? null.data.size() / columns : 0;
  std::vector<double> weight(columns, 1.);
  for (std::size_t v = 0; v < vectors; ++v) {
    std::size_t first = columns;
    double least = HUGE_VAL;
    for (std::size_t c = 0; c < columns; ++c)
      if (null[v][c] > 1e-9 && weight[c] / null[v][c] < least) {
        least = weight[c] / null[v][c];
        first = c;
      }
    if (first == columns) continue;
    for (std::size_t c = 0; c < columns; ++c) weight[c] = std::fmax(0., weight[c] - least * null[v][c]);
    weight[first] = 0.;
    for (std::size_t w = v + 1; w < vectors; ++w) {
      const double factor = null[w][first] / null[v][first];
      for (std::size_t c = 0; c < columns && factor != 0.; ++c) null[w][c] -= factor * null[v][c];
      null[w][first] = 0.;
    }
  }
  return weight;
}

/// Leaves at most as many columns as there are features, the first of which is 1: in rounds, blocks of columns are
/// taken for one, and half of the blocks vanish. Time: columns features + features^3 log2(columns / features).
/// Source: Tchernychova, "Caratheodory cubature measures", 2015.
inline void recombine(WeightedColumns& of) {
  const std::size_t features = of.feature.size();
  while (of.column.size() > features) {
    const std::size_t left = of.column.size(), blocks = std::min(left, 2 * features);
    const auto begin = [&](std::size_t block) { return block * left / blocks; };
    DenseMatrix sums(features, blocks);
    for (std::size_t f = 0; f < features; ++f)
      for (std::size_t b = 0; b < blocks; ++b)
        for (std::size_t i = begin(b); i < begin(b + 1); ++i) sums[f][b] += of.weight[i] * of.feature[f][of.column[i]];
    const std::vector<double> factor = vanish(null_vectors(sums, blocks));
    std::size_t kept = 0;
    for (std::size_t b = 0; b < blocks; ++b)
      for (std::size_t i = begin(b); i < begin(b + 1) && factor[b] > 0.; ++i) {
        of.column[kept] = of.column[i];
        of.weight[kept++] = of.weight[i] * factor[b];
      }
    of.column.resize(kept);
    of.weight.resize(kept);
    if (kept == left) return;  // null vectors without a positive number: features that are not finite
  }
}

/// The most that the sums of the first features are off.
inline double most_off(const WeightedColumns& of, const std::vector<double>& sums) {
  double most = 0.;
  for (std::size_t f = 0; f < sums.size(); ++f) {
    auto off = -static_cast<long double>(sums[f]);
    for (std::size_t i = 0; i < of.column.size(); ++i)
      off += static_cast<long double>(of.weight[i]) * static_cast<long double>(of.feature[f][of.column[i]]);
    most = std::fmax(most, static_cast<double>(std::fabs(off)));
  }
  return most;
}

/// Changes weights, each in proportion to itself, so that the sums of the first `count` features are the given ones to
/// the last bits. These are few. A step that would take more than half of a weight away is a shorter one.
inline void hold_sums(WeightedColumns& of, const std::vector<double>& sums) {
  const std::size_t count = sums.size();
  DenseMatrix system(count, count + 1);
  for (std::size_t f = 0; f < count; ++f) {
    auto missing = static_cast<long double>(sums[f]);
    for (std::size_t i = 0; i < of.column.size(); ++i)
      missing -= static_cast<long double>(of.weight[i]) * static_cast<long double>(of.feature[f][of.column[i]]);
    system[f][count] = static_cast<double>(missing);
    for (std::size_t g = 0; g < count; ++g)
      for (std::size_t i = 0; i < of.column.size(); ++i)
        system[f][g] += of.weight[i] * of.feature[f][of.column[i]] * of.feature[g][of.column[i]];
  }
  const std::vector<double> factor = solved(system);
  std::vector<double> change(of.column.size(), 0.);
  double least = 0.;
  for (std::size_t i = 0; i < change.size(); ++i) {
    for (std::size_t f = 0; f < count; ++f) change[i] += factor[f] * of.feature[f][of.column[i]];
    if (of.weight[i] > 0.) least = std::fmin(least, change[i]);
  }
  const double step = least < -0.5 ? -0.5 / least : 1.;
  for (std::size_t i = 0; i < change.size(); ++i) of.weight[i] += of.weight[i] * step * change[i];
}

}  // namespace santa::detail::inline SANTA_BUILD
