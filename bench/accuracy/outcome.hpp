// What many draws of one problem give: error, cosine, and a test of the mean.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace santa::accuracy {

/// One query head over all seeds.
struct HeadOutcome {
  double error = 0.;           // root of the mean over seeds of |out - exact|^2, over |exact|
  double standard_error = 0.;  // of `error`
  double cosine = 0.;          // mean over seeds
  double bias_z = 0.;          // see outcome_of
};

/// One method's draws for the heads of a group.
struct GroupOutcome {
  double rows = 0.;       // mean over seeds of the distinct value rows read
  double parameter = 0.;  // what the method was told: samples a head, or rows
  std::vector<HeadOutcome> heads;
};

/// `out`: [seeds][dim], at least four seeds.
/// bias_z: the mean error of the first half of the seeds gives a direction; z is the mean, over the other half, of the
///         error's component in it, over its standard error. About standard normal for an unbiased method; large and
///         positive where a bias, in whichever direction, stands out of the noise of half the seeds. 0 where the error
///         is below 3e-6, the rounding of float sums.
HeadOutcome outcome_of(std::span<const float> out, std::span<const double> exact);

/// The same for all heads; `out`: [seeds][heads][dim], `exact`: [heads][dim].
std::vector<HeadOutcome> outcomes_of(std::span<const float> out, std::span<const double> exact, std::int64_t heads);

}  // namespace santa::accuracy
