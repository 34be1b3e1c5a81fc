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

/// Systematic's points.
template <class Group>
class SystematicPoints {
  template <class T>
  using Vector = typename Group::template Vector<T>;

 public:
  KOKKOS_FUNCTION SystematicPoints(const Group& group, const Arguments& arguments, const Unit& unit) {
    const StreamKey key = stream_key(arguments, unit);
    group.for_all_heads(unit.heads, [&](int head) {
      _head[head] = EqualPoints<Group>(static_cast<std::uint32_t>(arguments.budget.samples),
                                       arguments.work.total[unit.head_row(arguments, head)],
                                       key.uniform(static_cast<std::uint16_t>(unit.first_head + head), 0));
    });
  }

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Vector<std::int32_t> below(int head,
                                                                       const Vector<std::uint64_t>& position) const {
    return _head[head].below(position);
  }

 private:
  EqualPoints<Group> _head[Group::max_heads];
};

template <class Group>
using SystematicRule = PointRule<Group, SystematicPoints>;

}  // namespace detail
}  // namespace santa
