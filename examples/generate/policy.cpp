#include "generate/policy.hpp"

#include "decode/error.hpp"

#include <algorithm>
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

constexpr double steps_of_two = 4.;

/// Shares as few different numbers, so that layers share plans: powers of 2^(1/4).
double rounded(double share) { return share >= 1. ? 1. : std::exp2(std::round(steps_of_two * std::log2(share)) / steps_of_two); }

std::vector<double> shares_of(const std::vector<double>& errors, double factor, double least) {
  std::vector<double> shares;
  for (const double error : errors) shares.push_back(rounded(std::clamp(factor * error, least, 1.)));
  return shares;
}

double mean(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.) / static_cast<double>(numbers.size());
}

}  // namespace

std::string Policy::name() const {
  if (!sampled) return "exact";
  if (target_error > 0.) return "error:" + short_number(target_error);
  const std::string name = layers.empty() || by_error_bars ? short_number(share) : short_number(mean(layers));
  return (by_error_bars ? "balanced:" : layers.empty() ? "share:" : "layers:") + name + (steered ? ",steered" : "");
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
  const bool known = kind == "share" || kind == "balanced" || kind == "error";
  const bool good = error == std::errc() && end == number.data() + number.size() && value > 0. && value < 1.;
  if (!known || !good)
    throw UserError("the policy " + quote(name) +
                    " is unknown; accepted: exact, share:S, balanced:S and error:E with a number from 0 to 1, and "
                    ",steered after it");
  if (kind == "error")
    policy.target_error = value;
  else
    policy.share = value;
  policy.by_error_bars = kind == "balanced";
  return policy;
}

std::optional<MassUnit> method_of(const Policy& policy, std::int64_t layer) {
  if (!policy.sampled) return std::nullopt;
  MassUnit method{.target_error = policy.target_error, .steered = policy.steered};
  const double part = policy.layers.empty() ? policy.share : policy.layers[static_cast<std::size_t>(layer)];
  if (part >= 1.) return std::nullopt;
  if (policy.target_error == 0.) method.rows = santa::share(part);
  return method;
}

std::vector<double> balance(const std::vector<double>& errors, double share) {
  const double least = share / 4.;
  double low = 0.;
  double high = 1.;
  const double smallest = *std::min_element(errors.begin(), errors.end());
  while (smallest > 0. && high * smallest < 1.) high *= 2.;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (mean(shares_of(errors, middle, least)) > share ? high : low) = middle;
  }
  return shares_of(errors, low, least);
}

}  // namespace santa::example
