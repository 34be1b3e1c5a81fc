#include "decode/methods.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <cmath>

namespace santa::example {
namespace {

RowBudget row_budget(const Budget& budget) { return budget.rows < 1. ? share(budget.rows) : RowBudget(budget.rows); }

AnyMethod make_exact(const Budget& /*budget*/) { return Exact{}; }

/// A method that is told a number of draws.
template <class M>
AnyMethod make_draws(const Budget& budget) {
  M method;
  if (budget.samples) method.samples = *budget.samples;
  return method;
}

/// One that gives draws to tiles: before their number is chosen, as many as any length needs.
AnyMethod make_fixed_tile_budget(const Budget& budget) {
  return FixedTileBudget{.samples = budget.samples.value_or(std::int64_t{1} << 30)};
}

AnyMethod make_mass_unit(const Budget& budget) { return MassUnit{.rows = row_budget(budget)}; }

AnyMethod make_mass_unit_l2(const Budget& budget) { return MassUnitOf<Draws::joint_l2>{.rows = row_budget(budget)}; }

AnyMethod make_mass_unit_steered(const Budget& budget) { return MassUnit{.rows = row_budget(budget), .steered = true}; }

AnyMethod make_mass_unit_separate(const Budget& budget) {
  return MassUnitOf<Draws::separate>{.rows = row_budget(budget)};
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

std::int64_t fewest_samples(const AnyMethod& method, std::int64_t length) {
  const auto* const tiles = std::get_if<FixedTileBudget>(&method);
  return tiles != nullptr ? tiles->tiles(length) : 1;
}

bool has_budget(const MethodEntry& method) { return !std::holds_alternative<Exact>(method.make(Budget{})); }

const std::vector<MethodEntry>& all_methods() {
  static const std::vector<MethodEntry> methods = {
      {"exact", "reads every visible value row", make_exact},
      {"multinomial", "--samples independent draws a query head (SANTA)", make_draws<Multinomial>},
      {"stratified",
       "--samples draws a query head, one in each equal part of the softmax weights' running sum (S2ANTA)",
       make_draws<Stratified>},
      {"systematic", "--samples draws a query head, at equal steps of the softmax weights' running sum (S2ANTA)",
       make_draws<Systematic>},
      {"fixed-tile-budget",
       "--samples draws a query head, as many in each tile of 256 keys, in one pass (S2ANTA-Flash)",
       make_fixed_tile_budget},
      {"proportional-tile-budget",
       "--samples draws a query head, shared out over tiles of 256 keys by their weight (S2ANTA-Prop); biased",
       make_draws<ProportionalTileBudget>},
      {"mass-unit", "about --rows rows, drawn once for the query heads that share a kv head; carries its state",
       make_mass_unit},
      {"mass-unit-center", "mass-unit with the mean of the visible value rows as control variate", make_mass_unit,
       true},
      {"mass-unit-l2", "mass-unit by the root of the heads' squared weights instead of the largest", make_mass_unit_l2},
      {"mass-unit-steered", "mass-unit by a panel of 256 keys, which shows in a step how many rows it is going to read",
       make_mass_unit_steered},
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
