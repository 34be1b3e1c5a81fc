// The command line of santa-generate.
#pragma once

#include "generate/lossless_options.hpp"
#include "generate/policy.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace santa::example {

struct GenerateOptions {
  std::string help;  // if not empty, all that is asked for
  std::string model;

  // Writing.
  std::string prompt;
  std::int64_t tokens = 128;
  std::optional<std::int64_t> cache;  // tokens that there is room for; none: as many as are needed
  Policy policy;
  double temperature = 0.;
  std::uint64_t seed = 0;
  bool compare = false;
  bool lossless = false;
  LosslessOptions drafting;  // but for tokens, temperature and seed

  // Evaluation.
  std::string passages, output;
  std::string calibration;  // passages for the weights of kv heads, which go to output
  std::string weights;      // a file of these, for ,weighted policies
  std::vector<Policy> policies;
  std::int64_t seeds = 3;
};

/// Errors: UserError, one sentence.
GenerateOptions parse_generate_options(const std::vector<std::string>& arguments);

}  // namespace santa::example
