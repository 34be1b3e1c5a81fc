#include "generate/run.hpp"

#include "decode/error.hpp"
#include "generate/evaluation.hpp"
#include "generate/report.hpp"
#include "generate/token_file.hpp"
#include "generate/writing.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>

namespace santa::example {
namespace {

void run_evaluation(const GenerateOptions& options, const Model& model, std::ostream& to) {
  const std::vector<Passage> passages = read_passages(options.passages);
  const EvaluationOptions evaluation{options.policies, options.seeds, options.seed};
  if (options.output.empty()) {
    evaluate(model, passages, evaluation, to);
    return;
  }
  std::ofstream file(options.output);
  evaluate(model, passages, evaluation, file);
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
  if (options.passages.empty())
    run_writing(options, model, to);
  else
    run_evaluation(options, model, to);
}

}  // namespace santa::example
