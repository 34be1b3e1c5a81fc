#include "generate/policy.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace santa::example {
namespace {

std::string short_number(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.begin(), text.end(), number).ptr;
  return {text.begin(), end};
}

bool take_end(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

bool take_begin(std::string_view& text, std::string_view begin) {
  if (!text.starts_with(begin)) return false;
  text.remove_prefix(begin.size());
  return true;
}

/// Numbers with a '/' between them; none at all where something else is among them.
std::vector<double> numbers_from(std::string_view text) {
  std::vector<double> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const auto [next, error] = std::from_chars(at, end, numbers.emplace_back());
    if (error != std::errc() || (next != end && (*next != '/' || next + 1 == end))) return {};
    at = next == end ? end : next + 1;
  }
  return numbers;
}

/// Whether what a name has said is of one policy.
bool goes_together(const Policy& policy) {
  const bool of_ratio = policy.budget == Policy::Budget::ratio, copies = policy.keys != Policy::Keys::full;
  if (policy.weighted && !of_ratio) return false;
  if ((of_ratio || copies) && !policy.layers.empty()) return false;
  return policy.keys != Policy::Keys::clusters || (!policy.steered && !policy.centered);
}

}  // namespace

std::string Policy::name() const {
  if (budget == Budget::all) return "exact";
  std::string text = budget == Budget::share ? "share" : (budget == Budget::ratio ? "ratio" : "error");
  if (keys == Keys::clusters) text = "clusters";
  text += ':';
  text += short_number(layers.empty() ? number : layers.front());
  for (std::size_t layer = 1; layer < layers.size(); ++layer) text.append(1, '/').append(short_number(layers[layer]));
  if (steered) text += ",steered";
  if (weighted) text += ",weighted";
  if (centered) text += ",centered";
  if (keys == Keys::int4) text += ",int4";
  return text;
}

bool take_numbers(std::string_view text, Policy& policy) {
  std::vector<double> numbers = numbers_from(text);
  const bool in_range = std::all_of(numbers.begin(), numbers.end(), [](double x) { return x >= 0. && x < 1.; });
  if (numbers.empty() || !in_range || (numbers.size() == 1 && numbers[0] == 0.)) return false;
  if (numbers.size() == 1)
    policy.number = numbers[0];
  else
    policy.layers = std::move(numbers);
  return true;
}

Policy parse_policy(std::string_view name) {
  Policy policy;
  if (name == "exact") return policy;
  std::string_view rest = name;
  if (take_end(rest, ",int4")) policy.keys = Policy::Keys::int4;
  policy.centered = take_end(rest, ",centered");
  policy.weighted = take_end(rest, ",weighted");
  policy.steered = take_end(rest, ",steered");
  if (take_begin(rest, "share:")) policy.budget = Policy::Budget::share;
  if (take_begin(rest, "error:")) policy.budget = Policy::Budget::error;
  if (take_begin(rest, "ratio:")) policy.budget = Policy::Budget::ratio;
  if (policy.keys == Policy::Keys::full && take_begin(rest, "clusters:")) {
    policy.budget = Policy::Budget::bytes;
    policy.keys = Policy::Keys::clusters;
  }
  const bool good = policy.budget != Policy::Budget::all && take_numbers(rest, policy) && goes_together(policy);
  if (!good)
    throw UserError(
        "the policy " + quote(name) +
        " is unknown; accepted: exact, share:S and error:E with a number between 0 and 1 or one for each "
        "layer, by '/', or ratio:S; and ,steered ,weighted (of a ratio) ,centered ,int4 after them; or clusters:B, "
        "of exact attention's bytes");
  return policy;
}

void check_layers(const Policy& policy, std::int64_t layers) {
  const auto given = static_cast<std::int64_t>(policy.layers.size());
  if (given > 0 && given != layers)
    throw UserError("the policy has " + std::to_string(given) + " numbers; accepted: one for each of the " +
                    std::to_string(layers) + " layers");
}

std::optional<MassUnit> method_of(const Policy& policy, std::int64_t layer, std::int64_t length) {
  const double number = policy.layers.empty() ? policy.number : policy.layers[static_cast<std::size_t>(layer)];
  const bool sampled = policy.budget != Policy::Budget::all && policy.budget != Policy::Budget::bytes;
  if (!sampled || length < policy.from || number == 0.) return std::nullopt;
  MassUnit method{.steered = policy.steered};
  if (policy.budget == Policy::Budget::error)
    method.target_error = number;
  else
    method.rows = santa::share(number);
  return method;
}

}  // namespace santa::example
