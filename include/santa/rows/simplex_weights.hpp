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

/// Minimises w K w / 2 - w b over weights of columns that are not negative, sums of the first features held: an active
/// set. The weights go towards the least for those in it; the first that would become negative leaves, and where none
/// does, the one that would help most comes back.
class SimplexWeights {
 public:
  /// kernel: K, positive definite, and its inverse, [columns, columns]; held: features whose sums are held, the first
  /// of which is 1.
  SimplexWeights(const DenseMatrix& kernel, const DenseMatrix& inverse, const std::vector<double>& b,
                 const WeightedColumns& of, std::size_t held)
      : _kernel(kernel), _inverse(inverse), _b(b), _of(of), _held(held), _in(of.column.size(), 1) {}

  /// Returns the weights, 0 of those that are left out. Time: the square of the columns for each change of the set, of
  /// which there are at most 4 times the columns.
  std::vector<double> run(const std::vector<double>& sums) {
    std::vector<double> weight = _of.weight;
    for (std::size_t change = 0; change < 4 * weight.size(); ++change) {
      const std::vector<double> aim = least(sums);
      if (aim.empty()) break;
      const std::size_t leaving = go(weight, aim);
      if (leaving < weight.size()) {
        leave(leaving);
      } else {
        const std::size_t coming = most_helpful(weight);
        if (coming == weight.size()) break;
        come_back(coming);
      }
    }
    return weight;
  }

 private:
  [[nodiscard]] double feature(std::size_t f, std::size_t i) const { return _of.feature[f][_of.column[i]]; }

  /// Goes towards the aim as far as no weight is negative. Returns what stands in the way, or the number of weights.
  std::size_t go(std::vector<double>& weight, const std::vector<double>& aim) const {
    double step = 1.;
    std::size_t first = weight.size();
    for (std::size_t i = 0; i < weight.size(); ++i)
      if (_in[i] != 0 && aim[i] <= 0. && weight[i] <= step * (weight[i] - aim[i])) {
        step = weight[i] > 0. ? weight[i] / (weight[i] - aim[i]) : 0.;
        first = i;
      }
    for (std::size_t i = 0; i < weight.size(); ++i)
      weight[i] = _in[i] != 0 ? std::fmax(0., weight[i] + step * (aim[i] - weight[i])) : 0.;
    if (first < weight.size()) weight[first] = 0.;
    return first;
  }

  /// The one of those left out along which the sum falls most; the number of weights: along none.
  std::size_t most_helpful(const std::vector<double>& weight) {
    std::size_t found = weight.size();
    double least = -1e-9;
    for (std::size_t i = 0; i < weight.size(); ++i) {
      if (_in[i] != 0) continue;
      double slope = -_b[i], size = std::fabs(_b[i]);
      for (std::size_t j = 0; j < weight.size(); ++j) {
        slope += _kernel[i][j] * weight[j];
        size += std::fabs(_kernel[i][j]) * weight[j];
      }
      for (std::size_t f = 0; f < _held; ++f) slope -= _factor[f] * feature(f, i);
      if (slope < least * size) {
        found = i;
        least = slope / size;
      }
    }
    return found;
  }

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
    _factor = solved(system);
    std::vector<double> result(n, 0.);
    for (std::size_t i = 0; i < n; ++i) {
      result[i] = along[_held][i];
      for (std::size_t f = 0; f < _held; ++f) result[i] += _factor[f] * along[f][i];
      if (!std::isfinite(result[i])) return {};
    }
    return result;
  }

  /// Takes a row and a column out of the inverse, whose numbers are 0 then.
  void leave(std::size_t at) {
    const double own = _inverse[at][at];
    for (std::size_t i = 0; i < _in.size(); ++i) {
      const double factor = i != at ? _inverse[i][at] / own : 0.;
      for (std::size_t j = 0; j < _in.size() && factor != 0.; ++j) _inverse[i][j] -= factor * _inverse[at][j];
    }
    for (std::size_t i = 0; i < _in.size(); ++i) _inverse[i][at] = _inverse[at][i] = 0.;
    _in[at] = 0;
  }
  void come_back(std::size_t at) {
    std::vector<double> along(_in.size(), 0.);
    double own = _kernel[at][at];
    for (std::size_t i = 0; i < _in.size(); ++i)
      for (std::size_t j = 0; j < _in.size() && _in[i] != 0; ++j) along[i] += _inverse[i][j] * _kernel[j][at];
    for (std::size_t i = 0; i < _in.size(); ++i) own -= along[i] * _kernel[i][at];
    along[at] = -1.;
    for (std::size_t i = 0; i < _in.size(); ++i)
      for (std::size_t j = 0; j < _in.size() && along[i] != 0.; ++j) _inverse[i][j] += along[i] * along[j] / own;
    _in[at] = 1;
  }

  DenseMatrix _kernel;
  DenseMatrix _inverse;
  const std::vector<double>& _b;
  const WeightedColumns& _of;
  std::size_t _held;
  std::vector<char> _in;
  std::vector<double> _factor;  // of the held sums
};

}  // namespace santa::detail::inline SANTA_BUILD
