#include "options.hpp"

#include "decode/number.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace santa_bench {

const char* const usage =
    "santa_portability [options]\n"
    "  --share S       share of the value rows that sampling methods read (0.1)\n"
    "  --sharpness S   standard deviation of the scores (3)\n"
    "  --repeats N     timed repetitions (21)\n"
    "  --shape B,H,KVH,L,D   only this shape\n"
    "  --method NAME   only this method and exact: mass-unit, mass-unit-steered,\n"
    "                  mass-unit-first, systematic, fixed-tile-budget, narrow,\n"
    "                  features\n"
    "  --layout NAME   only this layout of the cache: token-major, head-major\n"
    "  --scenario NAME only a ragged batch: ragged-log, ragged-one, ragged-short; what\n"
    "                  engines do: tokens-4, paged-16, prefix-16; or all of them; without it they run on devices, "
    "after the shapes.\n"
    "                  Or clusters: sampled clusters of keys that are of kinds\n"
    "  --divide N      lengths of ragged batches divided by N, for less memory (1)\n"
    "  --quick         only batch 1 at 8192 and 32768 keys, for hosts\n"
    "  --json FILE     results as JSON\n"
    "Options that begin with --kokkos- go to Kokkos.\n";

namespace {

using santa::example::number_between, santa::example::refuse, santa::example::UserError;

double share_from(const std::string& name, const std::string& text) {
  const auto share = santa::example::parse_number<double>(text);
  if (!share || !(*share > 0.) || *share > 1.) refuse(name, text, "a number above 0 and up to 1");
  return *share;
}

santa::Shape shape_from(const std::string& name, const std::string& text) {
  constexpr double most_elements = 0x1p40;
  const auto numbers = santa::example::parse_numbers<std::int64_t, 5>(text);
  const auto [batch, heads, kv_heads, length, dim] = numbers.value_or(std::array<std::int64_t, 5>{});
  double elements = 1.;
  for (const std::int64_t extent : {batch, heads, kv_heads, length, dim})
    elements *= extent > 0 ? static_cast<double>(extent) : 0.;
  if (!(elements > 0.) || elements > most_elements)
    refuse(name, text, "five whole numbers B,H,KVH,L,D, from 1 on, whose product is at most 2^40");
  return {batch, heads, kv_heads, length, dim};
}

template <std::size_t count>
std::string one_of(const std::string& name, const std::string& text, const std::array<std::string_view, count>& names) {
  if (std::find(names.begin(), names.end(), text) != names.end()) return text;
  std::string list;
  for (const std::string_view one : names) list += (list.empty() ? "" : ", ") + std::string(one);
  refuse(name, text, list);
}

constexpr std::array<std::string_view, 7> methods = {
    "mass-unit", "mass-unit-steered", "mass-unit-first", "systematic", "fixed-tile-budget", "narrow", "features"};
constexpr std::array<std::string_view, 8> scenarios = {"ragged-log", "ragged-one", "ragged-short", "tokens-4",
                                                       "paged-16",   "prefix-16",  "all",          "clusters"};
constexpr std::array<std::string_view, 2> layouts = {"token-major", "head-major"};

}  // namespace

Options parse_options(const std::vector<std::string>& arguments) {
  Options options;
  for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
    const std::string& name = *argument;
    const auto value = [&]() -> const std::string& {
      if (++argument == arguments.end()) throw UserError(name + " needs a value");
      return *argument;
    };
    if (name == "--share")
      options.share = share_from(name, value());
    else if (name == "--sharpness")
      options.sharpness = number_between(name, value(), 0.F, 1e4F);
    else if (name == "--repeats")
      options.repeats = number_between(name, value(), 1, 1000000);
    else if (name == "--shape")
      options.shape = shape_from(name, value());
    else if (name == "--method")
      options.only = one_of(name, value(), methods);
    else if (name == "--layout")
      options.layout = one_of(name, value(), layouts);
    else if (name == "--scenario")
      options.scenario = one_of(name, value(), scenarios);
    else if (name == "--divide")
      options.divide = number_between(name, value(), 1, 4096);
    else if (name == "--json")
      options.json = value();
    else if (name == "--quick")
      options.quick = true;
    else if (name == "--help")
      options.help = true;
    else
      throw UserError(santa::example::quote(name) + " is unknown; --help lists the options");
  }
  return options;
}

}  // namespace santa_bench
