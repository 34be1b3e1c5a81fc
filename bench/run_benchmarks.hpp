// The main function of programs that measure by Google Benchmark.
#pragma once

#include "decode/program.hpp"

#include <Kokkos_Core.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace santa_bench {

/// Starts Kokkos, registers benchmarks by add(), runs them and calls finish(), while Kokkos is still there.
/// Returns: what run_program does.
template <class Add, class Finish>
int run_benchmarks(const char* name, int argc, char** argv, const Add& add, const Finish& finish) {
  using namespace santa::example;
  const auto measure = [&](const std::vector<std::string>& arguments, const KokkosOptions& kokkos) {
    const Kokkos::ScopeGuard started = kokkos.start();
    add();
    std::vector<std::string> own = {name};
    own.insert(own.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& argument : own) pointers.push_back(argument.data());
    auto count = static_cast<int>(pointers.size());
    pointers.push_back(nullptr);
    benchmark::Initialize(&count, pointers.data());
    if (count > 1) throw UserError(quote(pointers[1]) + " is unknown; --help lists the options");
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    finish();
  };
  return run_program(name, "not enough memory", argc, argv, measure);
}

}  // namespace santa_bench
