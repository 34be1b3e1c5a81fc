#include "generate/options.hpp"

#include "decode/error.hpp"
#include "decode/number_option.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <limits>
#include <span>

namespace santa::example {
namespace {

/// Options as they are typed.
struct Typed {
  GenerateOptions options;
  std::string method = "mass-unit";
  std::string budget = "--rows", numbers = "0.1";  // the option that gives the budget, and its text
  std::vector<std::string> policies = {"share:0.05", "share:0.1", "share:0.15"};
  bool one_budget = false, steered = false, centered = false;
};

constexpr const char* footer_text =
    "A model and a prompt come from tools/convert_model.py. The prompt is read by exact attention, up to its last\n"
    "token; what follows is written by the method that is asked for. Texts shorter than 512 tokens are read whole. A\n"
    "model's own end of a text ends it.\n"
    "\nWhat --compare reports of exact attention and of the method:\n"
    "  tokens/s    written, without the prompt\n"
    "  attention   its share of that time\n"
    "  value rows  read, distinct ones of a kv head, of those visible\n"
    "  cache       bytes read, keys and value rows, of all visible ones\n"
    "  divergence  the first token that differs from what exact attention wrote\n"
    "\nWhat --lossless reports (with --compare: beside exact attention and the method):\n"
    "  drafted     tokens drafted for each verification\n"
    "  accepted    of these, in the mean, and as a share of the drafts whose turn came\n"
    "  model       tokens/s from that share and the times of a draft and of a verification\n"
    "\nExamples:\n"
    "  santa-generate --model smollm2.safetensors --prompt-tokens prompt.tokens --compare\n"
    "  santa-generate --model smollm2.safetensors --prompt-tokens prompt.tokens --target-error 0.05\n"
    "  santa-generate --model smollm2.safetensors --prompt-tokens prompt.tokens --lossless --compare\n"
    "  santa-generate --model smollm2.safetensors --evaluate passages.json --policy share:0.1 --policy error:0.05 \\\n"
    "    --output scores.jsonl\n"
    "\nExit codes: 0 done, 1 failed, 2 bad option or bad file. Options that begin with --kokkos- go to Kokkos.\n";

double temperature_from(const std::string& text) {
  const auto temperature = parse_number<double>(text);
  // Scores are multiplied by 1 / temperature in float.
  if (!temperature || (*temperature != 0. && !(*temperature >= 1e-6 && *temperature <= 1e6)))
    refuse("--temperature", text, "0, or a number from 1e-6 to 1e6");
  return *temperature;
}

void add_writing(CLI::App& app, Typed& typed) {
  GenerateOptions& options = typed.options;
  app.add_option("--prompt-tokens", options.prompt, "The prompt: a file of tokens")->type_name("FILE");
  add_number(app, "--tokens", options.tokens, std::int64_t{1}, std::int64_t{1} << 30, "Tokens to write")
      ->type_name("N");
  add_number(app, "--cache", options.cache, std::int64_t{1}, std::int64_t{1} << 30,
             "Tokens that the cache has room for; default: as many as are needed")
      ->type_name("N");
  app.add_option("--method", typed.method, "exact or mass-unit")
      ->check(CLI::IsMember({"exact", "mass-unit"}))
      ->capture_default_str()
      ->type_name("NAME");
  const auto add_budget = [&](const std::string& name, const std::string& description) {
    return add_text(app, name, description, [&typed, name](const std::string& text) {
      typed.budget = name;
      typed.numbers = text;
    });
  };
  add_budget("--rows", "Value rows to read, as a share of the visible ones; default: 0.1")->type_name("SHARE");
  add_budget("--rows-of-layers", "The same for each layer, with a '/' between them")->type_name("SHARES");
  add_budget("--target-error",
             "In place of rows: as many as keep a head's error below this part of its norm, or a number for each "
             "layer, with a '/' between them")
      ->type_name("E");
  app.add_flag("--one-budget", typed.one_budget,
               "The rows of --rows are those of all layers and kv heads together: a ModelBudget");
  app.add_flag("--steered", typed.steered, "Meet the budget in every step, for a kernel more");
  app.add_flag("--centered", typed.centered, "Draw around the mean value row: a little less error");
  add_text(app, "--temperature", "Draw tokens at this temperature; 0: take the likeliest",
           [&options](const std::string& text) { options.temperature = temperature_from(text); })
      ->default_str("0")
      ->type_name("T");
  add_number(app, "--seed", options.seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(),
             "Seed of all draws")
      ->type_name("N");
  app.add_flag("--compare", options.compare, "Write by exact attention too, and report both side by side");
}

void add_evaluation(CLI::App& app, Typed& typed) {
  app.add_option("--evaluate", typed.options.passages, "Score the passages of tools/real_model.py instead of writing")
      ->type_name("FILE");
  app.add_option(
         "--policy", typed.policies,
         "What to evaluate beside exact attention, by repetition: share:S, error:E, ratio:S (of all layers "
         "together), and ,steered ,weighted (a ratio) ,centered ,int4 (scores by 4-bit keys) after one of them; "
         "clusters:B (of exact attention's bytes)")
      ->allow_extra_args(false)
      ->type_name("POLICY");
  add_number(app, "--seeds", typed.options.seeds, std::int64_t{1}, std::int64_t{1000},
             "Seeds of each policy, from --seed on")
      ->type_name("N");
  app.add_option("--calibrate", typed.options.calibration,
                 "Measure how much the kv heads matter on such passages, for --weights")
      ->type_name("FILE");
  app.add_option("--weights", typed.options.weights, "Weights of the kv heads by --calibrate, for ,weighted policies")
      ->type_name("FILE");
  app.add_option("--output", typed.options.output, "File for the scores; default: standard output")->type_name("FILE");
}

void add_lossless(CLI::App& app, Typed& typed) {
  LosslessOptions& drafting = typed.options.drafting;
  app.add_flag("--lossless", typed.options.lossless,
               "Write what exact attention writes: draft tokens with a few rows, verify several at once");
  add_number(app, "--drafts", drafting.drafts, std::int64_t{0}, LosslessOptions::most,
             "Tokens to draft for each verification; default: as many as the share of accepted ones says")
      ->type_name("N");
  add_number(app, "--draft-rows", drafting.rows, std::int64_t{1}, std::int64_t{1} << 20,
             "Rows that drafts attend to, of each layer and kv head, beside the newest tokens")
      ->capture_default_str()
      ->type_name("N");
  app.add_option_function<std::string>(
         "--draft-weights", [&drafting](const std::string& name) { drafting.narrow_weights = name == "int8"; },
         "Weights that drafts multiply by: int8 or full")
      ->check(CLI::IsMember({"int8", "full"}))
      ->default_str("int8")
      ->type_name("NAME");
}

Policy policy_from(const Typed& typed) {
  if (typed.method == "exact") return {};
  Policy policy;
  policy.budget = typed.budget == "--target-error" ? Policy::Budget::error : Policy::Budget::share;
  if (typed.one_budget) policy.budget = Policy::Budget::ratio;
  policy.steered = typed.steered;
  policy.centered = typed.centered;
  if (!take_numbers(typed.numbers, policy))
    refuse(typed.budget, typed.numbers, "a number above 0 and below 1, or one for each layer, with a '/' between them");
  return policy;
}

/// What says how much a written text reads, and with the rest how it is written.
constexpr const char* of_method[] = {"--rows",       "--rows-of-layers", "--target-error",
                                     "--one-budget", "--steered",        "--centered"};
constexpr const char* of_writing[] = {"--prompt-tokens", "--compare",     "--lossless", "--method",
                                      "--tokens",        "--temperature", "--cache"};

/// What nothing that is asked for is told.
void check_unused(const CLI::App& app, const GenerateOptions& options) {
  const auto given = [&](const char* one) { return app.count(one) > 0; };
  for (const char* const one : {"--evaluate", "--calibrate"}) {
    if (!given(one)) continue;
    for (const auto& others : {std::span<const char* const>(of_writing), std::span<const char* const>(of_method)})
      for (const char* const other : others)
        if (given(other)) throw UserError(std::string(one) + " and " + other + " exclude each other");
  }
  const bool reports_method = !options.lossless || options.compare;
  for (const char* const one : of_method) {
    if (!given(one)) continue;
    if (options.policy.budget == Policy::Budget::all)
      throw UserError(std::string(one) + " needs a method other than exact");
    if (!reports_method) throw UserError("--lossless with " + std::string(one) + " needs --compare");
  }
  if (given("--method") && !reports_method) throw UserError("--lossless with --method needs --compare");
}

/// What only makes sense by itself.
void check(const CLI::App& app, const GenerateOptions& options) {
  const auto exclude = [&](const char* one, const char* other) {
    if (app.count(one) > 0 && app.count(other) > 0)
      throw UserError(std::string(one) + " and " + other + " exclude each other");
  };
  for (const char* const other : {"--evaluate", "--policy", "--seeds"}) exclude("--calibrate", other);
  check_unused(app, options);
  const bool of_layers =
      app.count("--rows-of-layers") + app.count("--target-error") > 0 || !options.policy.layers.empty();
  if (app.count("--one-budget") > 0 && of_layers) throw UserError("--one-budget takes one number of --rows");
  exclude("--rows", "--rows-of-layers");
  exclude("--rows", "--target-error");
  exclude("--rows-of-layers", "--target-error");
  if (options.model.empty()) throw UserError("--model is needed");
  if (options.prompt.empty() && options.passages.empty() && options.calibration.empty())
    throw UserError("--prompt-tokens or --evaluate is needed");
  for (const char* const one : {"--policy", "--seeds", "--output"})
    if (app.count(one) > 0 && options.passages.empty() && options.calibration.empty())
      throw UserError(std::string(one) + " needs --evaluate");
  const bool weighted = std::any_of(options.policies.begin(), options.policies.end(),
                                    [](const Policy& policy) { return policy.weighted; });
  if (weighted != (app.count("--weights") > 0)) throw UserError("--weights and ,weighted policies need each other");
  for (const char* const one : {"--drafts", "--draft-rows", "--draft-weights"})
    if (app.count(one) > 0 && !options.lossless) throw UserError(std::string(one) + " needs --lossless");
  if (options.compare && !options.lossless && options.policy.budget == Policy::Budget::all)
    throw UserError("--compare needs a method other than exact");
}

std::string first_line(const std::string& text) { return printable(text.substr(0, text.find('\n')), 300); }

}  // namespace

GenerateOptions parse_generate_options(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Writes text with a language model of the Llama or the Gemma 3 architecture, by exact attention or with sampled "
      "value rows.",
      "santa-generate");
  Typed typed;
  app.add_option("--model", typed.options.model, "The model: a safetensors file")->type_name("FILE");
  add_writing(app, typed);
  add_lossless(app, typed);
  add_evaluation(app, typed);
  app.footer(footer_text);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // the parser takes them from the back
  } catch (const CLI::CallForHelp&) {
    typed.options.help = app.help();
    return typed.options;
  } catch (const CLI::ParseError& error) {
    throw UserError(first_line(error.what()));
  }
  typed.options.policy = policy_from(typed);
  for (const std::string& name : typed.policies) typed.options.policies.push_back(parse_policy(name));
  check(app, typed.options);
  return typed.options;
}

}  // namespace santa::example
