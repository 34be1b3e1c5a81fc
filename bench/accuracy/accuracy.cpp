// santa_accuracy: error, bias and rows read of every method, at equal rows, on captures of a language model.
#include "accuracy/options.hpp"
#include "accuracy/study.hpp"
#include "decode/error.hpp"

#include <Kokkos_Core.hpp>

#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int failed = 1;
constexpr int bad_input = 2;

int run(const std::vector<std::string>& arguments) {
  using namespace santa::accuracy;
  const Options options = parse_options(arguments);
  if (!options.help.empty()) {
    std::cout << options.help;
    return std::cout.flush() ? 0 : failed;
  }
  const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
  santa::example::Progress progress;
  const Cases cases = run_study(options, progress);
  write_cases(options.output, cases);
  return 0;
}

int complain(const char* what, int code) {
  std::cerr << "santa_accuracy: " << what << "\n";
  return code;
}

}  // namespace

int main(int argc, char* argv[]) {
  try {
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const santa::example::UserError& error) {
    return complain(error.what(), bad_input);
  } catch (const std::invalid_argument& error) {
    return complain(error.what(), bad_input);
  } catch (const std::bad_alloc&) {
    return complain("not enough memory for this capture", failed);
  } catch (const std::exception& error) {
    return complain(error.what(), failed);
  }
}
