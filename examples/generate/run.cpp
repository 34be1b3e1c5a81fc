#include "generate/run.hpp"

#include "decode/error.hpp"
#include "generate/calibration.hpp"
#include "generate/evaluation.hpp"
#include "generate/report.hpp"
#include "generate/token_file.hpp"
#include "generate/writing.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>

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

void run_writing(const GenerateOptions& options, const Model& model, std::ostream& to) {
  const Tokens prompt = read_tokens(options.prompt);
  check_layers(options.policy, model.settings().layers);
  const auto needed = static_cast<std::int64_t>(prompt.size()) + options.tokens;
  if (needed > model.settings().context)
    std::cerr << "santa-generate: the text may grow to " << needed << " tokens; the model was made for "
              << model.settings().context << "\n";
  Texts texts(model, 1, options.cache.value_or(needed));
  WriteOptions write_options{options.tokens, options.policy, options.temperature, options.seed};
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
