#include "generate/policy.hpp"

#include "decode/error.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace santa::example {
namespace {

std::string short_number(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.begin(), text.end(), number).ptr;
  return {text.begin(), end};
}

double mean(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.) / static_cast<double>(numbers.size());
}

}  // namespace

std::string Policy::name() const {
  if (!sampled) return "exact";
  if (target_error > 0.) return "error:" + short_number(target_error);
  const std::string name = layers.empty() ? "share:" + short_number(share) : "layers:" + short_number(mean(layers));
  return name + (steered ? ",steered" : "");
}

Policy parse_policy(std::string_view name) {
  Policy policy;
  if (name == "exact") return policy;
  policy.sampled = true;
  std::string_view number = name;
  if (constexpr std::string_view end = ",steered"; number.size() > end.size() && number.ends_with(end)) {
    policy.steered = true;
    number.remove_suffix(end.size());
  }
  const auto colon = number.find(':');
  const std::string_view kind = number.substr(0, colon);
  number = colon == std::string_view::npos ? std::string_view() : number.substr(colon + 1);
  double value = 0.;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const bool known = kind == "share" || kind == "error";
  const bool good = error == std::errc() && end == number.data() + number.size() && value > 0. && value < 1.;
  if (!known || !good)
    throw UserError("the policy " + quote(name) +
                    " is unknown; accepted: exact, share:S and error:E with a number from 0 to 1, and ,steered "
                    "after them");
  if (kind == "error")
    policy.target_error = value;
  else
    policy.share = value;
  return policy;
}

std::optional<MassUnit> method_of(const Policy& policy, std::int64_t layer, std::int64_t length) {
  if (!policy.sampled || length < policy.from) return std::nullopt;
  MassUnit method{.target_error = policy.target_error, .steered = policy.steered};
  const double part = policy.layers.empty() ? policy.share : policy.layers[static_cast<std::size_t>(layer)];
  if (policy.target_error == 0.) method.rows = santa::share(part);
  return method;
}

}  // namespace santa::example
