// Options of Kokkos, which would end the program by abort.
#include "decode/kokkos_options.hpp"

#include "files.hpp"
#include "programs.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

namespace {

/// What is wrong with these arguments. Kokkos runs already: it can be asked for no others.
std::string refusal_of(std::vector<std::string> arguments) {
  return sentence_of([&] { static_cast<void>(KokkosOptions(arguments).start()); });
}

}  // namespace

TEST_CASE("what_names_kokkos_is_taken_out_of_the_arguments") {
  std::vector<std::string> arguments = {"--rows", "5", "--kokkos-num-threads=1", "file", "--kokkos-help", "--kokko"};
  const KokkosOptions kokkos(arguments);
  CHECK(arguments == std::vector<std::string>{"--rows", "5", "file", "--kokko"});
}

TEST_CASE("bad_options_of_kokkos_get_a_sentence") {
  const std::string threads = "; accepted: a whole number from 1 to 512";
  for (const char* const bad : {"", "abc", "0", "-1", "2x", " 2", "+2", "0x2", "1e1", "1.5", "nan", "513", "4294967297",
                                "99999999999999999999"})
    CHECK(refusal_of({std::string("--kokkos-num-threads=") + bad}) ==
          "--kokkos-num-threads is " + quote(bad) + threads);
  for (const char* const bad : {"", "x", "-1", "0x", "2147483648"})
    CHECK(contains(refusal_of({std::string("--kokkos-device-id=") + bad}),
                   "--kokkos-device-id is " + quote(bad) + "; accepted: a whole number from 0 to "));
  for (const char* const name :
       {"--kokkos-disable-warnings", "--kokkos-print-configuration", "--kokkos-tune-internals"})
    for (const char* const bad : {"", "maybe", "2", "yes "})
      CHECK(refusal_of({std::string(name) + "=" + bad}) ==
            std::string(name) + " is " + quote(bad) + "; accepted: yes, true or 1; no, false or 0");
  CHECK(refusal_of({"--kokkos-map-device-id-by=z"}) ==
        "--kokkos-map-device-id-by is 'z'; accepted: random or mpi_rank");
  CHECK(refusal_of({"--kokkos-tools-libs="}) == "--kokkos-tools-libs is ''; accepted: some text");
  CHECK(refusal_of({"--kokkos-help=yes"}) == "--kokkos-help is 'yes'; accepted: no value");
  for (const char* const name :
       {"--kokkos-num-threads", "--kokkos-device-id", "--kokkos-map-device-id-by", "--kokkos-tools-libs"})
    CHECK(refusal_of({name}) == std::string(name) + " needs a value: " + name + "=VALUE");
  for (const char* const unknown : {"--kokkos-frobnicate", "--kokkos-", "--kokkos-num-threadsx=2"})
    CHECK(contains(refusal_of({unknown}), "is unknown to Kokkos; there are --kokkos-help, "));
  CHECK(contains(refusal_of({"--kokkos-num-threads=1", "--kokkos-num-threads=x"}), "is 'x'"));
}

TEST_CASE("the_program_ends_with_2_and_one_sentence_where_kokkos_would_abort") {
  const Folder folder;
  const std::string program = std::string(SANTA_DECODE_PROGRAM) + " --synthetic 1,2,1,64,8 --method exact --repeat 0";
  const auto check_refused = [&](const std::string& command, const std::string& sentence) {
    const Ran ran = run_command(folder, command);
    CAPTURE(command);
    CAPTURE(ran.said);
    CHECK(ran.code == 2);
    CHECK(contains(ran.said, "santa-decode: " + sentence));
    // The OpenMP library may have had its say before.
    if (!contains(command, "OMP_")) CHECK(std::count(ran.said.begin(), ran.said.end(), '\n') == 1);
  };
  CHECK(run_command(folder, program).code == 0);
  CHECK(run_command(folder, program + " --kokkos-num-threads=2").code == 0);
  CHECK(run_command(folder, "KOKKOS_NUM_THREADS=2 KOKKOS_DISABLE_WARNINGS=Yes " + program).code == 0);
  CHECK(run_command(folder, "OMP_NUM_THREADS=' 2 , 1' " + program).code == 0);
  check_refused(program + " --kokkos-num-threads=abc", "--kokkos-num-threads is 'abc'; accepted: ");
  check_refused(program + " --kokkos-num-threads=100000", "--kokkos-num-threads is '100000'; accepted: ");
  check_refused(program + " --seed 18446744073709551616", "--seed is '18446744073709551616'; accepted: ");
  const std::vector<std::pair<std::string, std::string>> environment = {
    {"KOKKOS_NUM_THREADS", "abc"},
    {"KOKKOS_NUM_THREADS", ""},
    {"KOKKOS_NUM_THREADS", "0"},
    {"KOKKOS_NUM_THREADS", "2x"},
    {"KOKKOS_NUM_THREADS", "100000"},
    {"KOKKOS_DEVICE_ID", "x"},
    {"KOKKOS_DISABLE_WARNINGS", "may"},
    {"KOKKOS_TUNE_INTERNALS", "may"},
    {"KOKKOS_PRINT_CONFIGURATION", "may"},
    {"KOKKOS_MAP_DEVICE_ID_BY", "z"},
#if defined(KOKKOS_ENABLE_OPENMP)
    {"OMP_NUM_THREADS", "abc"},
    {"OMP_NUM_THREADS", "0"},
    {"OMP_NUM_THREADS", "100000"},
    {"OMP_NUM_THREADS", "-3"},
#endif
  };
  for (const auto& [name, value] : environment)
    check_refused(name + "='" + value + "' " + program, name + " is " + quote(value) + "; accepted: ");
}
