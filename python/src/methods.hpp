// Methods as Python has them, and as plans take them.
#pragma once

#include <santa/santa.hpp>

#include <nanobind/nanobind.h>

#include <string>
#include <variant>

namespace santa::python {

/// MassUnit with the form of its draws as a value, not a type.
struct AnyMassUnit {
  RowBudget rows;
  double target_error;
  bool steered;
  Draws draws;
};

/// What callers give.
using GivenMethod =
    std::variant<Exact, AnyMassUnit, Systematic, Stratified, Multinomial, FixedTileBudget, ProportionalTileBudget>;

/// What plans take.
using AnyMethod = std::variant<Exact, MassUnit, MassUnitOf<Draws::joint_l2>, MassUnitOf<Draws::separate>, Systematic,
                               Stratified, Multinomial, FixedTileBudget, ProportionalTileBudget>;

AnyMethod method_of(const GivenMethod& given);

/// As it would be written in Python: two methods that are written alike are the same.
std::string text_of(const GivenMethod& given);

void bind_methods(nanobind::module_& module);

}  // namespace santa::python
