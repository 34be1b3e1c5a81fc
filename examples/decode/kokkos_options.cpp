#include "decode/kokkos_options.hpp"

#include "decode/number.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace santa::example {
namespace {

constexpr std::string_view prefix = "--kokkos-";

enum class Takes { nothing, flag, threads, device, assignment, text };

struct KokkosOption {
  std::string_view name;  // after the prefix; in the environment it is in capitals after KOKKOS_
  Takes takes;
};

constexpr std::array options = {
    KokkosOption{"help", Takes::nothing},
    KokkosOption{"disable-warnings", Takes::flag},
    KokkosOption{"print-configuration", Takes::flag},
    KokkosOption{"tune-internals", Takes::flag},
    KokkosOption{"num-threads", Takes::threads},
    KokkosOption{"device-id", Takes::device},
    KokkosOption{"map-device-id-by", Takes::assignment},
    KokkosOption{"tools-libs", Takes::text},
    KokkosOption{"tools-args", Takes::text},
    KokkosOption{"tools-help", Takes::nothing},
};

/// Kokkos::OpenMP has a table of so many threads, and writes beyond it.
constexpr int most_threads = 512;

std::string in_lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

void check_flag(std::string_view name, std::string_view text) {
  constexpr std::array accepted = {"yes", "true", "1", "no", "false", "0"};
  if (std::find(accepted.begin(), accepted.end(), in_lower_case(text)) == accepted.end())
    refuse(name, text, "yes, true or 1; no, false or 0");
}

void check_device(std::string_view name, std::string_view text) {
  constexpr int any = std::numeric_limits<int>::max();
  number_between(name, text, 0, any);         // before Kokkos is asked
  const int devices = Kokkos::num_devices();  // -1: it is built for hosts, and looks at none
  number_between(name, text, 0, devices > 0 ? devices - 1 : any);
}

void check_value(std::string_view name, Takes takes, std::string_view text) {
  switch (takes) {
    case Takes::flag: return check_flag(name, text);
    case Takes::threads: return static_cast<void>(number_between(name, text, 1, most_threads));
    case Takes::device: return check_device(name, text);
    case Takes::assignment:
      if (text != "random" && text != "mpi_rank") refuse(name, text, "random or mpi_rank");
      return;
    case Takes::text:
      if (text.empty()) refuse(name, text, "some text");
      return;
    case Takes::nothing: refuse(name, text, "no value");
  }
}

void check_argument(std::string_view argument) {
  const std::size_t equals = argument.find('=');
  const std::string_view name = argument.substr(0, equals);
  std::string names;
  for (const KokkosOption& option : options) {
    names += (names.empty() ? "" : ", ") + std::string(prefix) + std::string(option.name);
    if (name.substr(prefix.size()) != option.name) continue;
    if (equals != std::string_view::npos) return check_value(name, option.takes, argument.substr(equals + 1));
    if (option.takes == Takes::flag || option.takes == Takes::nothing) return;
    throw UserError(std::string(name) + " needs a value: " + std::string(name) + "=VALUE");
  }
  throw UserError(quote(name) + " is unknown to Kokkos; there are " + names);
}

void check_environment() {
  for (const KokkosOption& option : options) {
    std::string name = "KOKKOS_" + std::string(option.name);
    for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const char* const value = std::getenv(name.c_str());
    if (value != nullptr && option.takes != Takes::text && option.takes != Takes::nothing)
      check_value(name, option.takes, value);
  }
}

/// OpenMP's own: numbers of threads, of nested regions after a comma. Its runtime may go on by a number of its own.
void check_openmp() {
#if defined(KOKKOS_ENABLE_OPENMP)
  const char* const value = std::getenv("OMP_NUM_THREADS");
  if (value == nullptr) return;
  const std::string_view text = value;
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string part(text.substr(begin, end - begin));
    part.erase(std::remove_if(part.begin(), part.end(), is_space), part.end());
    number_between("OMP_NUM_THREADS", part, 1, most_threads);
    begin = end + 1;
  }
#endif
}

}  // namespace

KokkosOptions::KokkosOptions(std::vector<std::string>& arguments) {
  const auto is_own = [](const std::string& argument) { return !std::string_view(argument).starts_with(prefix); };
  const auto first = std::stable_partition(arguments.begin(), arguments.end(), is_own);
  _arguments.assign(first, arguments.end());
  arguments.erase(first, arguments.end());
}

Kokkos::ScopeGuard KokkosOptions::start() const {
  for (const std::string& argument : _arguments) check_argument(argument);
  check_environment();
  check_openmp();
  std::vector<std::string> all = {"santa", "--kokkos-disable-warnings"};
  all.insert(all.end(), _arguments.begin(), _arguments.end());
  std::vector<char*> pointers;
  for (std::string& argument : all) pointers.push_back(argument.data());
  auto count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);
  return Kokkos::ScopeGuard(count, pointers.data());
}

}  // namespace santa::example
