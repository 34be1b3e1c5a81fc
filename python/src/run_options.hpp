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

/// Options of a run by their names in Python: arrays or None, numbers or arrays.
struct GivenOptions {
  nb::object seed, step, stream, state, sinks, lse, error, statistics, center, requests, budgets, tokens, trees;
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
  /// A number, or one for each request.
  template <class T>
  void take_number(nb::handle object, const char* name, Type type, RunScalar<T, Memory>& to);
  void take_head_numbers(nb::handle object, const char* name, HeadView<Memory>& to);
  void take_statistics(nb::handle object);

  Array _arrays[16];
  int _count = 0;
  Run _options;
};

/// A whole number of any size up to 64 bits.
WholeNumber whole_number(nb::handle number, const char* name);

}  // namespace santa::python
