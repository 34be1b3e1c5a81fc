// Low-rank debiasing: weights of all rows whose averages are near a target's, without all pairs of rows.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/group.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/rows/debiasing_steps.hpp>
#include <santa/rows/halve_rows.hpp>
#include <santa/rows/kernel_features.hpp>
#include <santa/rows/kernel_rows.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// Copies listed rows side by side.
template <class Rows>
struct ListRows {
  Rows from;
  const std::size_t* list;
  std::int64_t count;
  double* to;
  std::int64_t stride;  // of `to`

  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    for (int f = 0; f < from.features(); ++f)
      to[f * stride + i] = i < count ? from.data[f * from.stride + static_cast<std::int64_t>(list[i])] : 0.;
  }
};

/// Minimises w K w over weights that add up to 1 and are not negative, K a kernel's matrix of low rank and a diagonal,
/// by accelerated mirror descent; the factor's pivots follow the weights in `rounds` rounds.
/// Source: Li, Dwivedi, Mackey, "Debiased distribution compression", ICML 2024, low-rank debiasing; Wang, Abernethy,
/// Levy, "No-regret dynamics in the Fenchel game", 2023, algorithm 14.
template <class Space, class Rows>
class Debiasing {
 public:
  Debiasing(const Space& space, const Rows& rows, int rank, const StreamKey& key)
      : _space(space), _rows(rows), _rank(rank), _numbers{key, HalvingNumbers::of_debiasing} {}

  /// Weights of rows whose marks are above 0 and whose k(i, i) is a number; nothing but zeros where there are none.
  /// Time: three rounds of n rank kernels, and of 7 rank steps of 4 n rank additions and products.
  std::vector<double> run(std::vector<double> marks) {
    std::vector<double>& weight = marks;
    const std::vector<double> self = self_kernels(_rows, weight.size());
    double count = 0.;
    for (std::size_t i = 0; i < weight.size(); ++i)
      if (weight[i] > 0.) weight[i] = std::isfinite(self[i]) ? 1. : 0.;
    for (const double w : weight) count += w;
    for (double& w : weight) w /= std::fmax(count, 1.);
    for (int round = 0; round < rounds && count > 0.; ++round) {
      if (round > 0) round_weights(weight);
      minimise(weight, round == 0);
    }
    return weight;
  }

 private:
  using Memory = typename Space::memory_space;
  using Numbers = Kokkos::View<double*, Memory>;
  static constexpr int rounds = 3;

  Numbers numbers(std::int64_t count) const {
    return allocate<Numbers, Fresh::unset>(_space, "santa::debiasing", count);
  }

  [[nodiscard]] double uniform(std::size_t index) const { return _numbers.uniform(static_cast<std::int64_t>(index)); }

  /// Multiples of 1 / n, by a point in each of n strata: what hardly weighs is left out.
  void round_weights(std::vector<double>& weight) {
    const auto n = static_cast<double>(weight.size());
    std::size_t points = 0;
    const auto place = [&] { return (static_cast<double>(points) + uniform(points)) / n; };
    double up_to = 0., point = place();
    for (double& w : weight) {
      up_to += w;
      w = 0.;
      for (; points < weight.size() && point < up_to; point = place()) {
        w += 1. / n;
        ++points;
      }
    }
    _numbers.begin += static_cast<std::uint32_t>(weight.size());
    for (std::size_t i = weight.size(); points < weight.size() && i-- > 0;)  // rounded sums end below 1
      if (weight[i] > 0.) {
        weight[i] += static_cast<double>(weight.size() - points) / n;
        points = weight.size();
      }
  }

  /// The rows that have weight, side by side.
  struct Listed {
    Numbers data;
    Rows rows;
    std::vector<double> weight;
    std::vector<std::size_t> place;
  };
  Listed list(const std::vector<double>& weight) const {
    Listed result{{}, _rows, {}, {}};
    for (std::size_t i = 0; i < weight.size(); ++i)
      if (weight[i] > 0.) {
        result.place.push_back(i);
        result.weight.push_back(weight[i]);
      }
    const auto from = Kokkos::create_mirror_view_and_copy(
        Memory{}, Kokkos::View<const std::size_t*, Kokkos::HostSpace>(result.place.data(), result.place.size()));
    const auto count = static_cast<std::int64_t>(result.place.size()), stride = Rows::padded(count);
    result.data = numbers(_rows.features() * stride);
    result.rows.data = result.data.data();
    result.rows.stride = stride;
    Kokkos::parallel_for("santa::debiasing_list", Range<Space>(_space, 0, stride),
                         ListRows<Rows>{_rows, from.data(), count, result.data.data(), stride});
    _space.fence("santa::debiasing");  // the list goes
    return result;
  }

  void minimise(std::vector<double>& weight, bool first) {
    const Listed own = list(weight);
    const std::size_t n = own.weight.size();
    const auto features = kernel_features(_space, own.rows, own.weight, _rank, _numbers);
    _numbers.begin += static_cast<std::uint32_t>(_rank);
    const Numbers all = numbers(static_cast<std::int64_t>(6 * n)), along = numbers(_rank);
    DebiasingRows of{};
    of.rows = static_cast<std::int64_t>(n);
    double** const arrays[] = {&of.w, &of.v, &of.next, &of.kernel_w, &of.kernel_v, &of.kernel_next};
    for (std::size_t k = 0; k < 6; ++k) *arrays[k] = all.data() + k * n;
    const Kokkos::View<const double*, Kokkos::HostSpace> given(own.weight.data(), n);
    for (std::size_t k = 0; k < 3; ++k) Kokkos::deep_copy(Kokkos::subview(all, std::pair(k * n, (k + 1) * n)), given);
    Kokkos::deep_copy(Kokkos::subview(all, std::pair(3 * n, 6 * n)), 0.);
    const Numbers part = numbers(of.blocks());
    of.part = part.data();
    of.factor = features.factor.data();
    of.left = features.left.data();
    of.along = along.data();
    of.columns = features.columns;
    descend(of, part, Kokkos::create_mirror_view(part), steps(own, first));
    const auto result = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, all);  // w first
    double sum = 0.;
    for (std::size_t i = 0; i < n; ++i) sum += result(i) > 0. ? result(i) : 0.;
    if (!(sum > 0.) || !std::isfinite(sum)) return;
    for (std::size_t i = 0; i < n; ++i) weight[own.place[i]] = result(i) > 0. ? result(i) / sum : 0.;
  }

  struct StepSizes {
    double at_first, least;
  };
  /// 1 / (8 k(i, i)): of the largest, at which every step helps, and of the mean, at which most do.
  StepSizes steps(const Listed& of, bool first) const {
    const std::vector<double> self = self_kernels(of.rows, of.weight.size());
    double most = 0., mean = 0.;
    for (std::size_t i = 0; i < self.size(); ++i) {
      most = std::fmax(most, self[i]);
      mean += of.weight[i] * self[i];
    }
    return {1. / (8. * (first ? most : mean)), 1. / (8. * most)};
  }

  /// k(i, i) on the host.
  std::vector<double> self_kernels(const Rows& rows, std::size_t count) const {
    const Numbers self = numbers(static_cast<std::int64_t>(count));
    Kokkos::parallel_for("santa::debiasing_self", Range<Space>(_space, 0, static_cast<std::int64_t>(count)),
                         SelfKernels<Rows>{rows, self.data()});
    _space.fence("santa::debiasing");
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, self);
    return {here.data(), here.data() + count};
  }

  template <class Kernel, class Here>
  void launch(const char* label, std::int64_t blocks, const Kernel& kernel, const Numbers& part,
              const Here& here) const {
    launch_blocks(label, _space, blocks, kernel);
    if (here.data() == nullptr) return;
    _space.fence(label);
    Kokkos::deep_copy(here, part);
  }

  template <class Here>
  void descend(DebiasingRows of, const Numbers& part, const Here& here, const StepSizes& sizes) const {
    const std::int64_t blocks = of.blocks();
    const auto total = [&] {
      double sum = 0.;
      for (std::size_t b = 0; b < here.extent(0); ++b) sum += here(b);
      return sum;
    };
    const Here none{};
    const auto multiply = [&] {
      launch("santa::debiasing_columns", of.columns, MultiplyColumn{of}, part, none);
      launch("santa::debiasing_rows", blocks, MultiplyRows{of}, part, here);
      return total();
    };
    of.share = 1.;
    double away = multiply(), size = sizes.at_first;
    launch("santa::debiasing_step", blocks, TakeStep{of, true}, part, none);
    for (int step = 0, t = 1; step < 7 * _rank && std::isfinite(size); ++step, ++t) {
      of.share = 2. / (t + 1.);
      of.rate = 2. * t * size;
      launch("santa::debiasing_slope", blocks, LeastSlope{of}, part, here);
      of.least = *std::min_element(here.data(), here.data() + here.extent(0));
      launch("santa::debiasing_aim", blocks, MoveAim{of}, part, here);
      of.scale = 1. / total();
      const double now = multiply();
      const bool taken = now < away || size < sizes.least;
      launch("santa::debiasing_step", blocks, TakeStep{of, taken}, part, none);
      if (!std::isfinite(now)) break;
      if (taken) {
        away = now;
      } else {
        t = 0;
        size *= 0.95;
      }
    }
    _space.fence("santa::debiasing");
  }

  Space _space;
  Rows _rows;
  int _rank;
  HalvingNumbers _numbers;
};

}  // namespace santa::detail::inline SANTA_BUILD
