#include "generate/draft_count.hpp"

#include <cmath>

namespace santa::example {

double tokens_of_round(double rate, double drafts) {
  return rate < 1. ? (1. - std::pow(rate, drafts + 1.)) / (1. - rate) : drafts + 1.;
}

std::int64_t best_drafts(double rate, const DraftCosts& costs, std::int64_t most) {
  std::int64_t best = 1;
  const auto gain = [&](std::int64_t drafts) {
    return tokens_of_round(rate, static_cast<double>(drafts)) / costs.round(static_cast<double>(drafts));
  };
  for (std::int64_t drafts = 2; drafts <= most; ++drafts)
    if (gain(drafts) > gain(best)) best = drafts;
  return best;
}

void AcceptanceRate::note(std::int64_t accepted, std::int64_t drafts) {
  for (std::int64_t draft = 0; draft < drafts && draft <= accepted; ++draft) {
    _accepted = memory * _accepted + (draft < accepted ? 1. : 0.);
    _tried = memory * _tried + 1.;
  }
}

}  // namespace santa::example
