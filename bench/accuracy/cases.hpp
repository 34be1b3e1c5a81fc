// The study's results as they are written down.
#pragma once

#include "accuracy/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace santa::accuracy {

/// One query head's numbers.
struct Case {
  std::int64_t context = 0;
  std::string text;
  int layer = 0;
  std::int64_t head = 0;
  std::string method;
  double budget = 0.;
  double rows_read_fraction = 0.;
  double parameter = 0.;
  HeadOutcome outcome;
  int seeds = 0;
  std::optional<double> bytes_share = std::nullopt;  // of a score stage: bytes read, of exact attention's
};

/// A method that can't read the rows.
struct LeftOut {
  std::int64_t context = 0;
  std::string text;
  int layer = 0;
  std::int64_t kv_head = 0;
  std::string method;
  double budget = 0.;
};

struct Cases {
  std::string model;  // whose attention was captured
  std::vector<Case> cases;
  std::vector<LeftOut> left_out;
};

/// One JSON object, a line for each case. Errors: UserError where the file can't be written.
void write_cases(const std::filesystem::path& path, const Cases& cases);

}  // namespace santa::accuracy
