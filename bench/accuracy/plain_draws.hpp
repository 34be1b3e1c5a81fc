// Variants of MassUnit's rule in plain double precision: what was tried, and bounds that know the values.
#pragma once

#include "accuracy/group_problem.hpp"
#include "accuracy/outcome.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace santa::accuracy {

/// By what rows are drawn.
enum class Importance : std::uint8_t { weight, weight_and_norm, weight_and_distance };
/// What stands for rows that were not read.
enum class Center : std::uint8_t { none, mean, output_before };
/// How weights are rounded when rows are added up.
enum class Rounding : std::uint8_t { none, bf16, bf16_pair };
/// Which rows go together.
enum class Coupling : std::uint8_t { joint, joint_l2, separate };

/// How the heads of a group share its rows.
enum class Share : std::uint8_t {
  delta,   // one delta / Z for all
  rows,    // drawn alone, each would read the same number of rows
  middle,  // delta / Z halfway between these, by its logarithm
  mass,    // delta / Z in proportion to a power of the mass of the head's uncertain rows, which a step can carry
  output   // delta / Z in proportion to the length of the head's output, for equal relative errors
};
/// What has a delta / Z of its own: each group, so that it reads the rows asked for, or the layer.
enum class Delta : std::uint8_t { of_group, of_layer };

struct Variant {
  std::string_view name;
  std::string_view description;
  Importance importance = Importance::weight;
  Coupling coupling = Coupling::joint;
  std::int64_t tile = 32;  // keys that share one u; 0: all keys; 1: rows drawn independently
  Center center = Center::none;
  int sinks = 0;  // first rows that are always read
  Rounding rounding = Rounding::none;
  Delta delta = Delta::of_group;
  Share share = Share::delta;
  double power = 0.5;  // of the mass: at 0 it is one delta / Z, at 1 heads have the same number of uncertain rows
};

/// pi = min(1, max over heads of x_h / delta), x_h the softmax weight, or that times |v| or |v - mean| over its sum;
/// rows of certain inclusion keep out of the sweep, weight w / pi: as the library, but for its integers.
const std::vector<Variant>& all_variants();

/// The variant at `rows` mean distinct rows (with separate draws: the union's), or at the layer's delta / Z.
/// None where it can't read so many.
std::optional<GroupOutcome> run_variant(const GroupProblem& group, const Variant& variant, double rows,
                                        double layer_delta, int seeds);

/// delta / Z at which the groups together are expected to read `rows` rows by joint draws.
double delta_of_layer(const std::vector<GroupProblem>& groups, double rows);

}  // namespace santa::accuracy
