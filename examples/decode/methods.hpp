// The methods that the program compares: the one place to add another.
#pragma once

#include <santa/sample/exact.hpp>
#include <santa/sample/fixed_tile_budget.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/points/multinomial.hpp>
#include <santa/sample/points/proportional_tile_budget.hpp>
#include <santa/sample/points/stratified.hpp>
#include <santa/sample/points/systematic.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace santa::example {

/// What the user lets a sampling method read.
struct Budget {
  double rows = 0.1;                    // value rows a kv head; below 1 a share of the visible rows
  std::optional<std::int64_t> samples;  // draws a query head; none: as many as read `rows`

  /// Rows of the `visible` ones.
  [[nodiscard]] double rows_of(std::int64_t visible) const;
};

/// Any of the library's methods, chosen at run time.
using AnyMethod = std::variant<Exact, Multinomial, Stratified, Systematic, FixedTileBudget, ProportionalTileBudget,
                               MassUnit, MassUnitOf<Draws::joint_l2>, MassUnitOf<Draws::separate>>;

/// MassUnit in any of its forms.
template <class M>
concept AnyMassUnit = std::is_same_v<M, MassUnitOf<M::draws>>;

/// A method's row in the table of all.
struct MethodEntry {
  std::string_view name;
  std::string_view description;  // one line for --help
  AnyMethod (*make)(const Budget&);
  bool has_center = false;  // with the mean of the visible value rows as control variate
};

/// Draws a query head, for methods that have such a number.
std::optional<std::int64_t> samples_of(const AnyMethod& method);

/// The fewest draws that a method takes for so many keys, of those that have such a number.
std::int64_t fewest_samples(const AnyMethod& method, std::int64_t length);

/// Whether a budget makes a difference to it.
bool has_budget(const MethodEntry& method);

/// All methods, the exact one first.
const std::vector<MethodEntry>& all_methods();

/// The method of that name. Errors: UserError that lists the names.
const MethodEntry& find_method(std::string_view name);

}  // namespace santa::example
