#include "decode/options.hpp"

#include "decode/error.hpp"
#include "decode/number_option.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace santa::example {
namespace {

/// Options as they are typed.
struct Typed {
  std::string file, synthetic, output, svg, format = "table", score = "keys";
  std::vector<std::string> methods;
  double rows = Budget{}.rows;
  double sharpness = Synthetic{}.sharpness;
  std::optional<std::int64_t> samples, rank, features;
  std::uint64_t seed = 0;
  int repeat = MeasureOptions{}.repeat;
  std::optional<int> layer;
  std::optional<double> bytes;
  int draws = 1;
  bool sweep = false;
  bool rescore = false;
};

std::string footer() {
  std::string text = "Methods:\n";
  for (const MethodEntry& method : all_methods())
    text += "  " + std::string(method.name) + std::string(26 - method.name.size(), ' ') +
            std::string(method.description) + "\n";
  return text +
         "\nWhat is reported, as an average over the captured positions and layers (a step is one of each):\n"
         "  error     |out - exact| / |exact| of each head, against exact attention in float64: mean, 95th percentile\n"
         "  rows      distinct value rows read (the union over the query heads of a kv head), of all visible ones\n"
         "  read      bytes: keys of all visible rows (or their codes, or chosen features), and the distinct value "
         "rows read; not counted are queries,\n"
         "            outputs, centers, and scores that a method writes down between two passes\n"
         "  time      of a step, the request alone (batch 1): the median over --repeat runs, each on another copy of\n"
         "            the cache, since a decoder meets other layers' caches between two steps of one layer\n"
         "  speed-up  exact's time / the method's time\n"
         "\nA sweep averages errors and rows over four seeds from --seed on.\n"
         "\nA capture is a safetensors file: layers.<i>.query [positions, heads, dim], layers.<i>.key and\n"
         "layers.<i>.value [length, kv_heads, dim], in BF16, F16 or F32, and layers.<i>.position [positions] in I64; "
         "the\n"
         "query at position p sees keys 0 to p. A string \"scale\" in its metadata is the factor of <q, k>, "
         "1/sqrt(dim)\n"
         "without it.\n"
         "\nExamples:\n"
         "  santa-decode\n"
         "  santa-decode --method mass-unit,systematic --rows 0.05\n"
         "  santa-decode --score int4 --rescore\n"
         "  santa-decode --score bernoulli --draws 2 --rescore\n"
         "  santa-decode --score features --features 32\n"
         "  santa-decode --score low-rank --rank 16 --rescore\n"
         "  santa-decode --score clusters --bytes 0.125\n"
         "  santa-decode --sweep --svg sweep.svg\n"
         "  santa-decode capture.safetensors --layer 3 --method mass-unit --output out.safetensors\n"
         "  santa-decode --synthetic 4,32,8,32768,128 --sharpness 2 --format json\n"
         "\nExit codes: 0 done, 1 failed, 2 bad option or bad file. Options that begin with --kokkos- go to Kokkos.\n";
}

/// A number of rows or, below 1, a share of them: what RowBudget accepts, without a name for shares.
double rows_from(const std::string& text) {
  const auto rows = parse_number<double>(text);
  if (!rows || !(*rows > 0.) || *rows > 0x1p63)
    refuse("--rows", text, "a share above 0 and below 1, or 1 to 2^63 rows");
  return *rows;
}

void add_options(CLI::App& app, Typed& typed) {
  app.add_option("FILE", typed.file, "A capture; default: the one that comes with the examples");
  app.add_option("--method", typed.methods, "Methods to run, by comma or repeated; default: all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME");
  add_text(app, "--rows", "Value rows to read a kv head; below 1: a share of the visible rows",
           [&typed](const std::string& text) { typed.rows = rows_from(text); })
      ->default_str("0.1")
      ->type_name("N");
  add_number(app, "--samples", typed.samples, std::int64_t{1}, std::int64_t{1} << 30,
             "Draws a query head, for methods that are told them; default: as many as read about --rows rows")
      ->type_name("N");
  app.add_option(
         "--score", typed.score,
         "What scores are made from, for mass-unit methods; exact stays what they are compared with. keys; a "
         "copy in int8, fp8 or int4; low-rank: keys in their --rank principal directions; sparse-keys: the "
         "--features largest features of each; or features that the query chooses: bernoulli draws them, "
         "features takes large ones and draws the rest, top-features takes the largest; clusters: mass-unit draws "
         "clusters of keys, rows of these, and reads --bytes")
      ->capture_default_str()
      ->type_name("FORM");
  add_number(app, "--draws", typed.draws, 1, 128, "With --score bernoulli: draws of a query that are averaged")
      ->type_name("R");
  add_number(app, "--rank", typed.rank, std::int64_t{1}, std::int64_t{max_dim},
             "With --score low-rank: directions; default: a quarter of dim")
      ->type_name("N");
  add_number(app, "--features", typed.features, std::int64_t{1}, std::int64_t{max_dim},
             "With --score features or top-features: how many a kv head, default half of dim; with sparse-keys: "
             "how many a key, default a quarter")
      ->type_name("N");
  add_number(app, "--bytes", typed.bytes, 0., 1.,
             "With --score clusters: bytes to read, as a share of exact attention's; default: 0.125")
      ->type_name("SHARE");
  app.add_flag("--rescore", typed.rescore, "With --score: the drawn rows' scores again from their full keys");
  add_number(app, "--seed", typed.seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(),
             "Seed of all draws, and of synthetic data")
      ->type_name("N");
  add_number(app, "--repeat", typed.repeat, 0, 100000, "Timed runs of each step; 0: no timing")->type_name("N");
  add_number(app, "--layer", typed.layer, 0, 65535, "One of the captured layers; default: all")->type_name("I");
  app.add_option("--output", typed.output, "Write the outputs of one method as F32 tensors layers.<i>.out")
      ->type_name("FILE");
  app.add_option("--format", typed.format, "table, or json: one object")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str()
      ->type_name("FORM");
  app.add_flag("--sweep", typed.sweep,
               "Error against rows read, over budgets from 0.5 % to 50 % of the rows; no timing");
  app.add_option("--svg", typed.svg, "Draw the sweep: error against rows read, a line for each method")
      ->type_name("FILE");
  app.add_option("--synthetic", typed.synthetic,
                 "Random data instead of a file: B query positions, H heads, KVH kv heads, L keys, dim D")
      ->type_name("B,H,KVH,L,D");
  add_number(app, "--sharpness", typed.sharpness, 0., 1e4, "Standard deviation of the synthetic scores")
      ->type_name("S");
}

Shape shape_from(const std::string& text) {
  const auto numbers = parse_numbers<std::int64_t, 5>(text);
  if (!numbers) refuse("--synthetic", text, "five whole numbers B,H,KVH,L,D");
  const auto [batch, heads, kv_heads, length, dim] = *numbers;
  return {batch, heads, kv_heads, length, dim};
}

std::vector<const MethodEntry*> methods_from(const std::vector<std::string>& names) {
  std::vector<const MethodEntry*> methods;
  for (const std::string& name : names) {
    const MethodEntry* const method = &find_method(name);
    if (std::find(methods.begin(), methods.end(), method) == methods.end()) methods.push_back(method);
  }
  if (names.empty())
    for (const MethodEntry& method : all_methods()) methods.push_back(&method);
  return methods;
}

/// Copies of keys are for some of the methods: of all, those; others can't be asked for.
void check_scoring(const CLI::App& app, Options& options) {
  const Scoring& scoring = options.measure.scoring;
  const ScoreStage stage = scoring.stage;
  if (app.count("--draws") > 0 && stage != ScoreStage::bernoulli) throw UserError("--draws needs --score bernoulli");
  if (app.count("--rank") > 0 && stage != ScoreStage::low_rank) throw UserError("--rank needs --score low-rank");
  if (app.count("--features") > 0 && (stage == ScoreStage::low_rank || !is_counted(stage)))
    throw UserError("--features needs --score features, top-features or sparse-keys");
  if (app.count("--bytes") > 0 && stage != ScoreStage::clusters) throw UserError("--bytes needs --score clusters");
  if (stage == ScoreStage::clusters) {
    if (scoring.rescored) throw UserError("--score clusters reads full keys of drawn rows in any case: no --rescore");
    if (options.sweep) throw UserError("--sweep is over rows: --score clusters is told --bytes");
  }
  if (!scoring.by_copy()) {
    if (scoring.rescored) throw UserError("--rescore needs --score other than keys");
    return;
  }
  auto& methods = options.methods;
  if (std::none_of(methods.begin(), methods.end(), [](const auto* method) { return has_budget(*method); }))
    throw UserError("--score needs a method other than exact, whose scores are by keys in any case");
  const auto fits = [stage](const MethodEntry* method) {
    if (stage == ScoreStage::clusters && method->has_center) return false;
    return !has_budget(*method) || takes_copies(method->make(Budget{}), stage);
  };
  if (app.count("--method") > 0)
    for (const auto* method : methods)
      if (!fits(method))
        throw UserError((stage == ScoreStage::clusters ? "--score clusters is for mass-unit: "
                                                       : "--score is for mass-unit methods: ") +
                        std::string(method->name) + (stage == ScoreStage::clusters ? " is not that" : " is none"));
  methods.erase(std::remove_if(methods.begin(), methods.end(), [&](const auto* method) { return !fits(method); }),
                methods.end());
}

/// Nor can a budget that none of the methods is told.
void check_budget(const CLI::App& app, const Options& options) {
  const Budget& budget = options.measure.budget;
  const auto is_told_samples = [](const auto* method) { return samples_of(method->make(Budget{})).has_value(); };
  const auto is_told_rows = [&](const auto* method) {
    return has_budget(*method) && !(budget.samples && is_told_samples(method));
  };
  const auto& methods = options.methods;
  if (app.count("--samples") > 0 && std::none_of(methods.begin(), methods.end(), is_told_samples))
    throw UserError("--samples needs a method that is told them: see --help");
  if (app.count("--rows") == 0) return;
  if (options.measure.scoring.stage == ScoreStage::clusters)
    throw UserError("--score clusters is told --bytes: no --rows");
  if (std::none_of(methods.begin(), methods.end(), is_told_rows))
    throw UserError(budget.samples ? "--rows needs a method that is not told --samples"
                                   : "--rows needs a method other than exact");
}

/// What a sweep decides by itself can't be asked for.
void check_sweep(const CLI::App& app, Options& options) {
  if (!options.sweep) {
    if (app.count("--svg") > 0) throw UserError("--svg needs --sweep");
    return;
  }
  for (const char* const other : {"--rows", "--samples", "--repeat", "--output"})
    if (app.count(other) > 0) throw UserError(std::string("--sweep and ") + other + " exclude each other");
  if (app.count("--svg") > 0 && options.svg.empty()) throw UserError("--svg needs the name of a file");
  auto& methods = options.methods;
  methods.erase(std::remove_if(methods.begin(), methods.end(), [](const auto* method) { return !has_budget(*method); }),
                methods.end());
  if (methods.empty()) throw UserError("--sweep needs a method with a budget: exact has none");
}

Options checked(const CLI::App& app, const Typed& typed) {
  Options options;
  if (!typed.file.empty()) options.file = typed.file;
  options.measure.budget.rows = typed.rows;
  options.measure.budget.samples = typed.samples;
  options.measure.seed = typed.seed;
  options.measure.repeat = typed.repeat;
  options.methods = methods_from(typed.methods);
  options.output = typed.output;
  options.json = typed.format == "json";
  options.layer = typed.layer;
  if (app.count("--synthetic") > 0) {
    if (app.count("FILE") > 0) throw UserError("FILE and --synthetic exclude each other");
    if (options.layer.value_or(0) != 0) throw UserError("synthetic data has layer 0 only");
    options.synthetic = {shape_from(typed.synthetic), typed.sharpness, typed.seed};
  } else if (app.count("--sharpness") > 0) {
    throw UserError("--sharpness needs --synthetic");
  }
  if (app.count("--output") > 0 && options.methods.size() != 1) throw UserError("--output needs exactly one --method");
  options.sweep = typed.sweep;
  options.svg = typed.svg;
  const ScoreStage stage = find_stage(typed.score);
  options.measure.scoring = {stage, typed.rescore, typed.draws, typed.bytes.value_or(Scoring{}.bytes),
                             (stage == ScoreStage::low_rank ? typed.rank : typed.features).value_or(0)};
  check_scoring(app, options);
  check_sweep(app, options);
  check_budget(app, options);
  return options;
}

/// The first line only: some of the parser's messages go on.
std::string first_line(const std::string& text) { return printable(text.substr(0, text.find('\n')), 300); }

}  // namespace

Options parse_options(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Decodes the captured queries of a language model with exact and with sampled attention, and reports the error,\n"
      "the value rows read and the time of each method.",
      "santa-decode");
  Typed typed;
  add_options(app, typed);
  app.footer(footer());
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // the parser takes them from the back
    return checked(app, typed);
  } catch (const CLI::CallForHelp&) {
    Options options;
    options.help = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    throw UserError(first_line(error.what()));
  }
}

}  // namespace santa::example
