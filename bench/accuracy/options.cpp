#include "accuracy/options.hpp"

#include "decode/error.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <functional>

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
  app.add_option("FILE", options.files, "Captures (tools/capture_kv.py, tools/capture_study.py)")->required();
  app.add_option("--output", options.output, "Where the cases go")->required()->type_name("FILE");
  auto* const budget = app.add_option("--budget", options.budgets, "Shares of the visible rows; default: 0.05,0.1")
                           ->delimiter(',')
                           ->allow_extra_args(false)
                           ->check(CLI::Range(1e-4, 0.9))
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
  app.add_option("--share", options.shares,
                 "Shares of exact attention's bytes, for --stage without --budget; default: 0.5,0.25,0.125,0.0625")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes(budget)
      ->needs("--stage")
      ->check(CLI::Range(1e-3, 1.))
      ->type_name("SHARE");
  app.add_option("--seeds", options.seeds, "Draws of each case, an even number from 4 on")
      ->check(CLI::Range(4, 65536))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--layer", options.layers, "Captured layers to look at; default: all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("I");
  app.add_option("--extend", options.extend, "Look at N keys, made of the capture's by a smoothed bootstrap")
      ->check(CLI::Range(std::int64_t{64}, std::int64_t{1} << 24))
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
  if (options.seeds % 2 != 0) throw UserError("--seeds must be even: half of them give the direction of the bias");
  options.methods = methods_from(methods);
  options.variants = chosen_from(all_variants(), variants, "--variant");
  options.stages = chosen_from(all_stages(), stages, "--stage");
  if (options.shares.empty() && budget->count() == 0) options.shares = {0.5, 0.25, 0.125, 0.0625};
  std::sort(options.shares.begin(), options.shares.end(), std::greater<>());
  return options;
}

}  // namespace santa::accuracy
