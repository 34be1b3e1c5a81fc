// How a text's attention is read, layer by layer.
#pragma once

#include <santa/sample/mass_unit.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace santa::example {

/// What a user asks of a text's attention. Everything is read where `sampled` is false.
struct Policy {
  bool sampled = false;
  double share = 0.1;          // value rows to read of the visible ones, on average over layers
  double target_error = 0.;    // in place of a share, if not 0
  bool steered = false;        // see MassUnit
  std::vector<double> layers;  // shares of the layers, if not empty
  std::int64_t from = 512;     // tokens; shorter texts are read whole, as a few rows of them say little

  [[nodiscard]] std::string name() const;
};

/// The policy that `name` gives: "exact", "share:0.1", "error:0.05", and ",steered" after one.
/// Errors: UserError that says what there is.
Policy parse_policy(std::string_view name);

/// What a policy means for a layer of a text of so many tokens; none: everything is read.
std::optional<MassUnit> method_of(const Policy& policy, std::int64_t layer, std::int64_t length);

}  // namespace santa::example
