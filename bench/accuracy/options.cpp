#include "accuracy/options.hpp"

#include "decode/error.hpp"
#include "decode/number_option.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <functional>
#include <optional>

namespace santa::accuracy {
namespace {

using example::UserError;

template <class Entries>
std::string list(const Entries& entries) {
  std::string text;
  for (const auto& entry : entries)
    text += "  " + std::string(entry.name) + std::string(30 - entry.name.size(), ' ') + std::string(entry.description) +
            "\n";
  return text;
}

std::string footer() {
  return "Library methods:\n" + list(example::all_methods()) + "\nVariants of the default's rule, in plain code:\n" +
         list(all_variants()) + "\nScore stages of the default, and what they are compared with:\n" +
         list(all_stages()) +
         "\nFor every capture, layer and kv head, at the last captured position and for each budget, the default,\n" +
         std::string(default_method) +
         ", decodes with that budget. Every other method is given as many samples or rows as make its mean\n"
         "number of distinct value rows (the union over the query heads of the kv head) the default's; where it can't\n"
         "read so many, the case is left out and listed as such.\n"
         "\n--stage runs score stages instead, at shares of the bytes of exact attention (all keys and values). A "
         "stage\n"
         "that can't read so little is run once, with 2 % of the rows. Of stages that take any number of features or\n"
         "directions, scores read half of the bytes.\n"
         "\nThe output is JSON: \"model\"; \"cases\", a line for each query head, with\n"
         "  rows_read_fraction   mean distinct value rows of the kv head, of all visible ones\n"
         "  relative_error       root of the mean over seeds of |out - exact|^2, over |exact|\n"
         "  error_se             its standard error\n"
         "  cosine               mean over seeds, given as 1 - cosine\n"
         "  bias_z               the mean error's component in a direction that half of the seeds give, over the\n"
         "                       other half, in standard errors: about standard normal for an unbiased method\n"
         "  bytes_share          of a score stage: bytes read, of exact attention's\n"
         "and \"left_out\".\n"
         "\nExamples:\n"
         "  santa_accuracy --output cases.json examples/data/smollm2_135m.safetensors\n"
         "  santa_accuracy --output cases.json --method fixed-tile-budget --extend 32768 prose_8192.safetensors\n"
         "  santa_accuracy --output cases.json --stage all --seeds 16 prose_8192.safetensors\n";
}

std::vector<const example::MethodEntry*> methods_from(const std::vector<std::string>& names) {
  std::vector<const example::MethodEntry*> methods;
  const auto add = [&](const example::MethodEntry& method) {
    if (example::has_budget(method) && method.name != default_method) methods.push_back(&method);
  };
  for (const std::string& name : names)
    if (name != "none") add(example::find_method(name));
  if (names.empty())
    for (const example::MethodEntry& method : example::all_methods()) add(method);
  return methods;
}

/// The entries of a table that are named, or all.
template <class Entry>
std::vector<const Entry*> chosen_from(const std::vector<Entry>& all, const std::vector<std::string>& names,
                                      const std::string& option) {
  std::vector<const Entry*> chosen;
  for (const std::string& name : names) {
    const std::size_t before = chosen.size();
    for (const Entry& entry : all)
      if (name == "all" || name == entry.name) chosen.push_back(&entry);
    if (chosen.size() == before)
      throw UserError(option + " " + example::quote(name) + " is unknown; --help lists them");
  }
  return chosen;
}

}  // namespace

Options parse_options(const std::vector<std::string>& arguments) {
  CLI::App app("Measures error, bias and rows read of every method on captured attention.", "santa_accuracy");
  Options options;
  std::vector<std::string> methods, variants, stages;
  std::optional<std::int64_t> extend;
  app.add_option("FILE", options.files, "Captures (tools/capture_kv.py, tools/capture_study.py)")->required();
  app.add_option("--output", options.output, "Where the cases go")->required()->type_name("FILE");
  auto* const budget =
      example::add_numbers(app, "--budget", options.budgets, 1e-4, 0.9, "Shares of the visible rows; default: 0.05,0.1")
          ->type_name("SHARE");
  app.add_option("--method", methods, "Library methods beside the default, or none; default: all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME");
  app.add_option("--variant", variants, "Variants to run as well, or all; default: none")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME");
  app.add_option("--stage", stages, "Score stages to run instead, or all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes("--method")
      ->excludes("--variant")
      ->type_name("NAME");
  example::add_numbers(
      app, "--share", options.shares, 1e-3, 1.,
      "Shares of exact attention's bytes, for --stage without --budget; default: 0.5,0.25,0.125,0.0625")
      ->excludes(budget)
      ->needs("--stage")
      ->type_name("SHARE");
  example::add_number(app, "--seeds", options.seeds, 4, 65536, "Draws of each case, an even number from 4 on")
      ->type_name("N");
  example::add_numbers(app, "--layer", options.layers, 0, 65535, "Captured layers to look at; default: all")
      ->type_name("I");
  example::add_number(app, "--extend", extend, std::int64_t{64}, std::int64_t{1} << 24,
                      "Look at N keys, made of the capture's by a smoothed bootstrap")
      ->type_name("N");
  app.footer(footer());
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // the parser takes them from the back
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    const std::string text = error.what();
    throw UserError(example::printable(text.substr(0, text.find('\n')), 300));
  }
  // Found out now rather than after minutes of work.
  const std::filesystem::path folder = options.output.parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder))
    throw UserError("there is no folder " + example::printable(folder.string(), 300));
  options.extend = extend.value_or(0);
  if (options.seeds % 2 != 0) throw UserError("--seeds must be even: half of them give the direction of the bias");
  options.methods = methods_from(methods);
  options.variants = chosen_from(all_variants(), variants, "--variant");
  options.stages = chosen_from(all_stages(), stages, "--stage");
  if (options.shares.empty() && budget->count() == 0) options.shares = {0.5, 0.25, 0.125, 0.0625};
  std::sort(options.shares.begin(), options.shares.end(), std::greater<>());
  return options;
}

}  // namespace santa::accuracy
