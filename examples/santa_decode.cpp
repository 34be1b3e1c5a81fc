// santa-decode: exact and sampled decode attention side by side, on the queries, keys and values of a language model.
#include "decode/error.hpp"
#include "decode/options.hpp"
#include "decode/report.hpp"
#include "decode/run.hpp"

#include <Kokkos_Core.hpp>

#include <nlohmann/json.hpp>

#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace santa::example;

constexpr int failed = 1;
constexpr int bad_input = 2;

void print(const Report& report, bool json) {
  if (json)
    std::cout << to_json(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  else
    print_table(std::cout, report);
}

int decode(const std::vector<std::string>& arguments, int kokkos_count, char** kokkos_arguments) {
  const Options options = parse_options(arguments);
  if (!options.help.empty()) {
    std::cout << options.help;
  } else {
    const Kokkos::ScopeGuard kokkos(kokkos_count, kokkos_arguments);
    print(run(options), options.json);
  }
  if (std::cout.flush()) return 0;
  std::cerr << "santa-decode: standard output can't be written\n";
  return failed;
}

int complain(const char* what, int code) {
  std::cerr << "santa-decode: " << what << "\n";
  return code;
}

}  // namespace

int main(int argc, char* argv[]) {
  try {
    // Kokkos takes only what names it: it would also take --help.
    std::string quiet = "--kokkos-disable-warnings";
    std::vector<char*> kokkos_arguments = {argv[0], quiet.data()};
    std::vector<std::string> arguments;
    for (int i = 1; i < argc; ++i) {
      if (std::string_view(argv[i]).substr(0, 9) == "--kokkos-")
        kokkos_arguments.push_back(argv[i]);
      else
        arguments.emplace_back(argv[i]);
    }
    const int kokkos_count = static_cast<int>(kokkos_arguments.size());
    kokkos_arguments.push_back(nullptr);
    return decode(arguments, kokkos_count, kokkos_arguments.data());
  } catch (const UserError& error) {
    return complain(error.what(), bad_input);
  } catch (const std::invalid_argument& error) {
    return complain(error.what(), bad_input);
  } catch (const std::bad_alloc&) {
    return complain("not enough memory for this capture or shape", failed);
  } catch (const std::exception& error) {
    return complain(error.what(), failed);
  }
}
