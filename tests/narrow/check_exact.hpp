// Exact attention on narrow keys against references in double precision.
#pragma once

#include "narrow/narrow_problem.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"

#include <doctest/doctest.h>

namespace santa::test {

/// A device takes the query as integers of 16 bits where codes are integers.
inline constexpr double codes_tolerance = 2e-4;

/// Exact attention over narrow keys against the reference over what they stand for; and the same rescored, with every
/// row read, against the reference over the full keys.
template <class Narrow, class Space, class T, class Q>
void check_stands_for(const Problem<Space, T, Q>& problem, const Narrow& narrow, const Problem<Space, T, Q>& stand_in) {
  const NarrowCache cache{problem.cache(), narrow};
  const Reference approximate = exact_reference(stand_in);
  const Result by_codes = run_once(Exact{}, problem, cache);
  CHECK(relative_error(by_codes.out, approximate.out) < codes_tolerance);
  for (std::size_t i = 0; i < approximate.lse.size(); ++i)
    CHECK(static_cast<double>(by_codes.lse[i]) == doctest::Approx(approximate.lse[i]).epsilon(codes_tolerance));

  const Reference exact = exact_reference(problem);
  const double error_of_codes = relative_error(by_codes.out, exact.out);
  CHECK(error_of_codes > 1e-4);  // the two references can be told apart
  const Result by_keys = run_once(Exact{}, problem, rescored(cache));
  CHECK(relative_error(by_keys.out, exact.out) < 1e-5);
  for (std::size_t i = 0; i < exact.lse.size(); ++i)
    CHECK(static_cast<double>(by_keys.lse[i]) == doctest::Approx(exact.lse[i]).epsilon(1e-5));
}

/// The same of codes.
template <class Code, class Space, class T, class Q>
void check_exact(const Problem<Space, T, Q>& problem, CacheLayout layout = CacheLayout::token_major) {
  const auto narrow = narrow_keys<Code>(problem, layout);
  check_stands_for(problem, narrow, decoded<Space, T, Q, Code>(problem, narrow));
}

template <class Space, class T, class Q>
void check_all_codes(const Problem<Space, T, Q>& problem, CacheLayout layout = CacheLayout::token_major) {
  check_exact<std::int8_t>(problem, layout);
  check_exact<float8>(problem, layout);
  check_exact<int4x2>(problem, layout);
}

}  // namespace santa::test
