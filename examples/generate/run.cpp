#include "generate/run.hpp"

#include "decode/error.hpp"
#include "generate/calibration.hpp"
#include "generate/evaluation.hpp"
#include "generate/lossless.hpp"
#include "generate/lossless_report.hpp"
#include "generate/report.hpp"
#include "generate/token_file.hpp"
#include "generate/writing.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <optional>

namespace santa::example {
namespace {

/// Evaluates policies or, where that is asked for, measures weights.
void score(const GenerateOptions& options, const Model& model, std::ostream& to) {
  if (!options.calibration.empty())
    return calibrate(model, read_passages(options.calibration), {.seed = options.seed}, to);
  EvaluationOptions evaluation{options.policies, options.seeds, options.seed};
  for (Policy& policy : evaluation.policies)
    if (policy.weighted) policy.weights = read_weights_of_heads(options.weights, model.settings());
  evaluate(model, read_passages(options.passages), evaluation, to);
}

void run_evaluation(const GenerateOptions& options, const Model& model, std::ostream& to) {
  if (options.output.empty()) return score(options, model, to);
  std::ofstream file(options.output);
  score(options, model, file);
  if (!file) throw UserError(printable(options.output, 300) + ": the file can't be written");
}

/// Where lossless decoding parted from exact attention, if it did, by the logits of exact attention there.
std::optional<Parting> parting_of(Texts& texts, const Tokens& prompt, const Tokens& exact, const Tokens& lossless) {
  const std::size_t at = first_divergence(exact, lossless);
  if (at >= exact.size() || at >= lossless.size()) return std::nullopt;
  Tokens before = prompt;
  before.insert(before.end(), exact.begin(), exact.begin() + static_cast<std::ptrdiff_t>(at));
  texts.shorten(0, static_cast<std::int64_t>(before.size()) - 1);
  texts.start(0, 0, {}, 0);
  Kokkos::deep_copy(Kokkos::subview(texts.tokens(), 0), before.back());
  texts.step(1);
  const auto logits = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), texts.logits());
  const auto of = [&](std::int32_t token) { return static_cast<double>(logits(0, static_cast<std::size_t>(token))); };
  return Parting{at, std::abs(of(exact[at]) - of(lossless[at]))};
}

void run_lossless(const GenerateOptions& options, Texts& texts, const Tokens& prompt, const WriteOptions& write_options,
                  std::ostream& to) {
  LosslessOptions drafting = options.drafting;
  drafting.tokens = options.tokens;
  drafting.temperature = options.temperature;
  drafting.seed = options.seed;
  const LosslessWritten lossless = write_lossless(texts, prompt, drafting);
  const Vocabulary& vocabulary = texts.model().vocabulary();
  if (!options.compare) {
    print_lossless(to, lossless, vocabulary);
    return;
  }
  std::optional<Written> sampled;
  if (options.policy.budget != Policy::Budget::all) sampled = write_on(texts, prompt, write_options);
  WriteOptions exactly = write_options;
  exactly.policy = {};
  const Written exact = write_on(texts, prompt, exactly);
  std::optional<Parting> parting;  // at a temperature texts part anyway
  if (options.temperature == 0.) parting = parting_of(texts, prompt, exact.tokens, lossless.tokens.front());
  print_lossless_comparison(to, exact, sampled, lossless, parting, vocabulary);
}

void run_writing(const GenerateOptions& options, const Model& model, std::ostream& to) {
  const Tokens prompt = read_tokens(options.prompt);
  check_layers(options.policy, model.settings().layers);
  const auto needed = static_cast<std::int64_t>(prompt.size()) + options.tokens;
  if (needed > model.settings().context)
    std::cerr << "santa-generate: the text may grow to " << needed << " tokens; the model was made for "
              << model.settings().context << "\n";
  Texts texts(model, 1, options.cache.value_or(needed));
  WriteOptions write_options{options.tokens, options.policy, options.temperature, options.seed};
  if (options.lossless) {
    if (model.settings().windows.tokens > 0)
      throw UserError("--lossless is for models whose layers all see all tokens");
    run_lossless(options, texts, prompt, write_options, to);
    return;
  }
  if (!options.compare) {
    print_written(to, write(texts, prompt, write_options), model.vocabulary());
    return;
  }
  texts.time_attention();
  const Written sampled = write(texts, prompt, write_options);
  write_options.policy = {};
  const Written exact = write_on(texts, prompt, write_options);
  print_comparison(to, exact, sampled, model.vocabulary());
}

}  // namespace

void run_generate(const GenerateOptions& options, std::ostream& to) {
  const Model model(read_weights(options.model), Texts::chunk);
  if (options.passages.empty() && options.calibration.empty())
    run_writing(options, model, to);
  else
    run_evaluation(options, model, to);
}

}  // namespace santa::example
