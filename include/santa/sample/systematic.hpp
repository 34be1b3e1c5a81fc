// Systematic: S equally spaced points in each head's cumulative distribution, with one random offset.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/check.hpp>
#include <santa/sample/points.hpp>

#include <cstdint>

namespace santa {

/// Draws `samples` rows per query head at the points (k + 1 - u) / samples of the softmax distribution's cumulative
/// sum. Computes: counts c_i, floor or ceil of samples * a_i, that sum to samples; weight c_i / samples. Unbiased.
/// Requires: 1 <= samples <= 2^30. Samples that cover the visible length read every row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Passes:   two: scores (4 bytes a key and head) are written, their masses summed, then rows drawn and gathered.
/// Bytes:    all keys, the scores twice, the union over a group's heads of the rows drawn.
/// Random:   one 53-bit uniform per query head, key (seed; step, stream, request, head, 0).
/// Source:   S2ANTA, arXiv 2605.01910.
struct Systematic {
  std::int64_t samples = 1024;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "Systematic.samples", samples, "1 to 2^30");
  }
};

namespace detail {

/// Systematic's points of one head.
template <class Group>
struct SystematicPoints : EqualPoints<Group> {
  SystematicPoints() = default;
  KOKKOS_FUNCTION SystematicPoints(const Arguments& a, const StreamKey& key, std::int64_t head_row, std::uint16_t head)
      : EqualPoints<Group>(static_cast<std::uint32_t>(a.budget.samples), a.work.total[head_row], key.uniform(head, 0)) {
  }
};

template <class Group>
using SystematicRule = PointRule<Group, SystematicPoints>;

}  // namespace detail
}  // namespace santa
