// Stratified: one random point in each of S equal strata of each head's cumulative distribution.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/rule.hpp>
#include <santa/sample/points/strata.hpp>
#include <santa/schedule/unit.hpp>

#include <cstdint>

namespace santa {

/// Draws `samples` rows per query head: one at a uniform point of each of `samples` equal strata of the softmax
/// distribution's cumulative sum. Weight count / samples. Unbiased, and never worse than independent draws.
/// Requires: 1 <= samples <= 2^30. Samples that cover the visible length read every row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Passes:   two, as Systematic.
/// Bytes:    all keys, the scores twice, the union over a group's heads of the rows drawn.
/// Random:   32 bits a point: word k % 4 of key (seed; step, stream, request, head, k / 4) for stratum k.
/// Source:   S2ANTA, arXiv 2605.01910.
struct Stratified {
  std::int64_t samples = 1024;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "Stratified.samples", samples, "1 to 2^30");
  }
};

namespace detail::inline SANTA_BUILD {

/// Stratified's points.
template <class Group>
class StratifiedPoints : public StratumPlaces<Group> {
  template <class T>
  using Vector = typename Group::template Vector<T>;

 public:
  KOKKOS_FUNCTION StratifiedPoints(const Group& /*group*/, const PointArguments& given, const Unit& of)
      : StratumPlaces<Group>(given, of, static_cast<double>(given.samples)), _key(stream_key(given, of)) {}

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Vector<std::int32_t> below(int head,
                                                                       const Vector<std::uint64_t>& place) const {
    const Vector<std::int32_t> stratum = whole_part(place);
    const auto word = point_words<Group>(_key, static_cast<std::uint16_t>(this->_unit.first_head + head),
                                         lanes::bit_cast<std::uint32_t>(stratum));
    return stratum + lanes::select(word < rest_part(place), Vector<std::int32_t>(1), Vector<std::int32_t>(0));
  }

 private:
  StreamKey _key;
};

template <class Group>
using StratifiedRule = PointRule<Group, StratifiedPoints>;

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
