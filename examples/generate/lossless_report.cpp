#include "generate/lossless_report.hpp"

#include "generate/report.hpp"

#include <cstdio>
#include <string>

namespace santa::example {
namespace {

template <class... Values>
void print(std::ostream& to, const char* form, Values... values) {
  char line[300];
  std::snprintf(line, sizeof line, form, values...);
  to << line;
}

double per(double sum, std::int64_t count) { return count > 0 ? sum / static_cast<double>(count) : 0.; }

/// What was drafted and what became of it; times of the steps, and tokens/s that follow from them.
void print_rounds(std::ostream& to, const LosslessWritten& written) {
  const double drafts = per(static_cast<double>(written.drafted), written.rounds);
  const double draft = per(written.draft_seconds, written.drafted), rest = per(written.draw_seconds, written.rounds);
  const double verify = per(written.verify_seconds, written.rounds);
  const double rate = written.acceptance_rate();
  const double tokens = tokens_of_round(rate, drafts), seconds = drafts * draft + verify + rest;
  print(to, "drafted %.2f, accepted %.2f a verification, %.1f %% of those whose turn came; %lld rounds\n", drafts,
        written.acceptance_length(), 100. * rate, static_cast<long long>(written.rounds));
  print(to, "a draft %.2f ms, a verification %.2f ms, the rest of a round (acceptance, new rows) %.2f ms\n",
        1e3 * draft, 1e3 * verify, 1e3 * rest);
  print(to, "model: %.2f tokens a round of %.1f ms, %.1f tokens/s a text; measured %.1f\n", tokens, 1e3 * seconds,
        seconds > 0. ? tokens / seconds : 0., written.tokens_per_second() / static_cast<double>(written.tokens.size()));
}

void print_row(std::ostream& to, const std::string& name, std::size_t tokens, double rate, double of_exact,
               const std::string& divergence) {
  print(to, "%-16s %7zu %9.1f %8.2f   %s\n", name.c_str(), tokens, rate, of_exact, divergence.c_str());
}

std::string divergence(const Tokens& exact, const Tokens& other) {
  const std::size_t same = first_divergence(exact, other);
  return same == exact.size() && same == other.size() ? "none" : "at token " + std::to_string(same + 1);
}

}  // namespace

void print_lossless(std::ostream& to, const LosslessWritten& written, const Vocabulary& vocabulary) {
  to << "tokens";
  for (const std::int32_t token : written.tokens.front()) to << " " << token;
  print(to, "\nlossless: %.1f tokens/s, prompt %.1f s\n", written.tokens_per_second(), written.prompt_seconds);
  print_rounds(to, written);
  to << "\n" << safe_text(written.tokens.front(), vocabulary) << "\n";
}

void print_lossless_comparison(std::ostream& to, const Written& exact, const std::optional<Written>& sampled,
                               const LosslessWritten& lossless, const std::optional<Parting>& parting,
                               const Vocabulary& vocabulary) {
  const auto of_exact = [&](double rate) {
    return exact.tokens_per_second() > 0. ? rate / exact.tokens_per_second() : 0.;
  };
  to << "method            tokens  tokens/s  x exact   divergence\n";
  print_row(to, exact.policy.name(), exact.tokens.size(), exact.tokens_per_second(), 1., "");
  if (sampled)
    print_row(to, sampled->policy.name(), sampled->tokens.size(), sampled->tokens_per_second(),
              of_exact(sampled->tokens_per_second()), divergence(exact.tokens, sampled->tokens));
  print_row(to, "lossless", lossless.tokens.front().size(), lossless.tokens_per_second(),
            of_exact(lossless.tokens_per_second()), divergence(exact.tokens, lossless.tokens.front()));
  if (parting)
    print(to, "The logits of both tokens are %.2g apart at token %zu: a tie within rounding if that is below 0.001.\n",
          parting->gap, parting->at + 1);
  to << "\n";
  print_rounds(to, lossless);
  to << "\n" << safe_text(lossless.tokens.front(), vocabulary) << "\n";
}

}  // namespace santa::example
