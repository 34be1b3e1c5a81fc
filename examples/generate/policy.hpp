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
  double share = 0.1;           // value rows to read of the visible ones, on average over layers
  double target_error = 0.;     // in place of a share, if not 0
  bool by_error_bars = false;   // shares in proportion to the layers' error bars, see `balance`
  bool steered = false;         // see MassUnit
  std::vector<double> layers;   // shares of the layers, if not empty

  [[nodiscard]] std::string name() const;
};

/// The policy that `name` gives: "exact", "share:0.1", "balanced:0.1" (by_error_bars), "error:0.05".
/// Errors: UserError that says what there is.
Policy parse_policy(std::string_view name);

/// What a policy means for a layer; none: everything is read.
std::optional<MassUnit> method_of(const Policy& policy, std::int64_t layer);

/// Shares of the layers, `share` on average, in proportion to `errors`: what the errors of a layer add up to falls as
/// its rows grow, and the sum over layers is least where a further row would take as much off each of them. With errors
/// that go as 1 / sqrt(rows) that is where rows go as errors. Shares are at most 1 and at least a quarter of `share`.
std::vector<double> balance(const std::vector<double>& errors, double share);

}  // namespace santa::example
