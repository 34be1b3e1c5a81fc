// The best weights of given columns: none negative, with held sums, and the least distance by a kernel.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/recombine.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// The inverse of a symmetric, positive definite matrix, in place; false where it is not definite.
inline bool invert(DenseMatrix& matrix) {
  const std::size_t n = matrix.columns;
  for (std::size_t k = 0; k < n; ++k) {  // Gauss and Jordan, whose pivots are positive
    const double pivot = matrix[k][k];
    if (!(pivot > 0.) || !std::isfinite(pivot)) return false;
    for (std::size_t c = 0; c < n; ++c) matrix[k][c] /= pivot;
    matrix[k][k] = 1. / pivot;
    for (std::size_t r = 0; r < n; ++r) {
      const double factor = matrix[r][k];
      if (r == k) continue;
      matrix[r][k] = 0.;
      for (std::size_t c = 0; c < n; ++c) matrix[r][c] -= factor * matrix[k][c];
    }
  }
  return true;
}

/// Minimises w K w / 2 - w b over weights of columns, sums of the first features held, by steps to the least for those
/// that are positive; the first that a step would make negative is left out, and its place in K's inverse with it.
class SimplexWeights {
 public:
  /// inverse: of K, [columns, columns]; held: features whose sums are held, the first of which is 1.
  SimplexWeights(const DenseMatrix& inverse, const std::vector<double>& b, const WeightedColumns& of, std::size_t held)
      : _inverse(inverse), _b(b), _of(of), _held(held), _in(of.column.size(), 1) {}

  /// Returns the weights, 0 of those that are left out. Time: the square of the columns for each that is left out.
  std::vector<double> run(const std::vector<double>& sums) {
    std::vector<double> weight = _of.weight;
    for (std::size_t left = weight.size(); left > _held; --left) {
      const std::vector<double> aim = least(sums);
      if (aim.empty()) break;
      double step = 1.;
      std::size_t first = weight.size();
      for (std::size_t i = 0; i < weight.size(); ++i)
        if (_in[i] != 0 && aim[i] <= 0. && weight[i] <= step * (weight[i] - aim[i])) {
          step = weight[i] / (weight[i] - aim[i]);
          first = i;
        }
      for (std::size_t i = 0; i < weight.size(); ++i)
        weight[i] = _in[i] != 0 ? std::fmax(0., weight[i] + step * (aim[i] - weight[i])) : 0.;
      if (first == weight.size()) break;
      weight[first] = 0.;
      leave_out(first);
    }
    return weight;
  }

 private:
  [[nodiscard]] double feature(std::size_t f, std::size_t i) const { return _of.feature[f][_of.column[i]]; }

  /// The least over weights of any sign; none where it is not finite.
  std::vector<double> least(const std::vector<double>& sums) {
    const std::size_t n = _in.size();
    DenseMatrix along(_held + 1, n);  // the inverse times b, and times each held feature
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n && _in[i] != 0; ++j) {
        if (_in[j] == 0) continue;
        along[_held][i] += _inverse[i][j] * _b[j];
        for (std::size_t f = 0; f < _held; ++f) along[f][i] += _inverse[i][j] * feature(f, j);
      }
    DenseMatrix system(_held, _held + 1);
    for (std::size_t f = 0; f < _held; ++f) {
      system[f][_held] = sums[f];
      for (std::size_t i = 0; i < n; ++i) {
        system[f][_held] -= feature(f, i) * along[_held][i];
        for (std::size_t g = 0; g < _held; ++g) system[f][g] += feature(f, i) * along[g][i];
      }
    }
    const std::vector<double> factor = solved(system);
    std::vector<double> result(n, 0.);
    for (std::size_t i = 0; i < n; ++i) {
      result[i] = along[_held][i];
      for (std::size_t f = 0; f < _held; ++f) result[i] += factor[f] * along[f][i];
      if (!std::isfinite(result[i])) return {};
    }
    return result;
  }

  void leave_out(std::size_t at) {
    const double own = _inverse[at][at];
    for (std::size_t i = 0; i < _in.size(); ++i) {
      const double factor = i != at ? _inverse[i][at] / own : 0.;
      for (std::size_t j = 0; j < _in.size() && factor != 0.; ++j) _inverse[i][j] -= factor * _inverse[at][j];
    }
    _in[at] = 0;
  }

  DenseMatrix _inverse;
  const std::vector<double>& _b;
  const WeightedColumns& _of;
  std::size_t _held;
  std::vector<char> _in;
};

}  // namespace santa::detail::inline SANTA_BUILD
