// How a text's attention is read, layer by layer.
#pragma once

#include <santa/sample/mass_unit.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace santa::example {

/// What a user asks of a text's attention.
struct Policy {
  enum class Budget : std::uint8_t {
    all,    // every row is read
    share,  // value rows, of the visible ones, in each layer and kv head
    ratio,  // the same share of the rows of all of them together: see ModelBudget
    error,  // as many as keep a head's error below a part of its norm: each layer reads what its error bars ask for
    bytes,  // of exact attention's, in each layer and kv head: of clusters
  };
  /// What scores are made from.
  enum class Keys : std::uint8_t {
    full,
    int4,      // codes beside the cache, and drawn rows' again by their keys
    clusters,  // see Clusters
  };

  Budget budget = Budget::all;
  Keys keys = Keys::full;
  double number = 0.;          // the share or the error
  std::vector<double> layers;  // those of the layers, if not empty; a layer with 0 is read whole
  bool steered = false;        // see MassUnit
  bool weighted = false;       // of a ratio: kv heads have weights of their own
  std::vector<float> weights;  // [layers][kv_heads], then
  bool centered = false;       // with the mean value row as RunOptions::center
  std::int64_t from = 512;     // tokens; shorter texts are read whole, as a few rows of them say little

  /// As parse_policy takes it.
  [[nodiscard]] std::string name() const;
};

/// Takes a policy's share or error, "0.1", or those of the layers, "0.03/0.05/0".
/// Returns: false where they are no numbers from 0 to less than 1, or all that there is is a 0.
bool take_numbers(std::string_view text, Policy& policy);

/// The policy that `name` gives: "exact", "share:0.1", "error:0.05", the latter two with a number for each layer,
/// "error:0.03/0.05/0.05", or "ratio:0.1", all but the first with ",steered", ",weighted" (a ratio alone),
/// ",centered" or ",int4" (one number for all layers) at the end, or several of them in this order; or
/// "clusters:0.125". Errors: UserError that says what there is.
Policy parse_policy(std::string_view name);

/// Errors: UserError where there are numbers for another count of layers.
void check_layers(const Policy& policy, std::int64_t layers);

/// What a policy means for a layer of a text of so many tokens; none: everything is read, or clusters are.
std::optional<MassUnit> method_of(const Policy& policy, std::int64_t layer, std::int64_t length);

}  // namespace santa::example
