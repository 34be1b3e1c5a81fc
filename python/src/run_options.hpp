// The options of a run, as callers give them.
#pragma once

#include "arrays.hpp"
#include "plans.hpp"
#include "session.hpp"
#include <santa/decode/options.hpp>
#include <santa/sample/mass_unit/state.hpp>

#include <nanobind/nanobind.h>

#include <cstdint>

namespace santa::python {

/// What MassUnit carries from step to step.
struct OwnedState : OwnsMemory {
  DecodeState<Memory> state;
};

/// What names the random numbers of a call, as callers give it: numbers, or arrays [batch]; `requests` may be None.
struct GivenChance {
  nb::object seed, step, stream, requests;
};

/// The same for options of the library's, and what keeps the arrays as long as the call takes.
class ChanceArrays {
 public:
  /// Errors: std::invalid_argument: name, given, accepted.
  explicit ChanceArrays(const GivenChance& given);

  template <class Options>
  void put_into(Options& options) const {
    options.seed = _seed;
    options.step = _step;
    options.stream = _stream;
    options.requests = _requests;
  }

 private:
  Array _arrays[3];
  RunScalar<std::uint64_t, Memory> _seed;
  RunScalar<std::uint32_t, Memory> _step;
  WholeNumber _stream;
  Kokkos::View<const std::uint32_t*, Memory> _requests;
};

/// Options of a run by their names in Python: arrays or None, numbers or arrays.
struct GivenOptions {
  GivenChance chance;
  nb::object state, sinks, lse, error, statistics, center, budgets, tokens, trees;
};

/// The options of a run, and what keeps their arrays as long as it takes.
class RunArrays {
 public:
  /// Errors: std::invalid_argument: name, given, accepted.
  explicit RunArrays(const GivenOptions& given);

  [[nodiscard]] const Run& options() const { return _options; }

 private:
  /// An optional array of these elements and rank, noted where it is given.
  const Array* take(nb::handle object, const char* name, Type type, int least, int most, const char* accepted,
                    Access access = Access::read);
  void take_head_numbers(nb::handle object, const char* name, HeadView<Memory>& to);
  void take_statistics(nb::handle object);

  ChanceArrays _chance;
  Array _arrays[16];
  int _count = 0;
  Run _options;
};

/// A whole number of any size up to 64 bits.
WholeNumber whole_number(nb::handle number, const char* name);

}  // namespace santa::python
