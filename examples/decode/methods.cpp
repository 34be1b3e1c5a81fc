#include "decode/methods.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <cmath>

namespace santa::example {
namespace {

RowBudget row_budget(const Budget& budget) { return budget.rows < 1. ? share(budget.rows) : RowBudget(budget.rows); }

AnyMethod make_exact(const Budget& /*budget*/) { return Exact{}; }

AnyMethod make_systematic(const Budget& budget) {
  return Systematic{.samples = budget.samples.value_or(Systematic{}.samples)};
}

AnyMethod make_mass_unit(const Budget& budget) { return MassUnit{.rows = row_budget(budget)}; }

AnyMethod make_mass_unit_separate(const Budget& budget) {
  return MassUnit{.rows = row_budget(budget), .draws = Draws::separate};
}

}  // namespace

double Budget::rows_of(std::int64_t visible) const {
  const auto all = static_cast<double>(visible);
  return std::min(all, rows < 1. ? rows * all : rows);
}

std::optional<std::int64_t> samples_of(const AnyMethod& method) {
  return std::visit(
      [](const auto& chosen) -> std::optional<std::int64_t> {
        if constexpr (requires { chosen.samples; }) return chosen.samples;
        return std::nullopt;
      },
      method);
}

const std::vector<MethodEntry>& all_methods() {
  static const std::vector<MethodEntry> methods = {
      {"exact", "reads every visible value row", make_exact},
      {"systematic", "--samples draws a query head, at equal steps of the softmax weights' running sum (S2ANTA)",
       make_systematic},
      {"mass-unit", "about --rows rows, drawn once for the query heads that share a kv head; carries its state",
       make_mass_unit},
      {"mass-unit-center", "mass-unit with the mean of the visible value rows as control variate", make_mass_unit,
       true},
      {"mass-unit-separate", "mass-unit drawn head by head: about --rows rows for each query head, their union is read",
       make_mass_unit_separate},
  };
  return methods;
}

const MethodEntry& find_method(std::string_view name) {
  std::string names;
  for (const MethodEntry& method : all_methods()) {
    if (method.name == name) return method;
    names += (names.empty() ? "" : ", ") + std::string(method.name);
  }
  throw UserError("--method " + quote(name) + " is unknown; there are " + names);
}

}  // namespace santa::example
