// Which build of the kernels runs: the best that the processor has, unless another is asked for.
#include "kernel_tables.hpp"
#include <santa/core/check.hpp>
#include <santa/decode/instruction_set.hpp>
#include <santa/decode/kernel_list.hpp>
#include <santa/decode/kernel_table.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#if defined(SANTA_KERNELS_CHOOSES)
#include <cpuid.h>
#endif

SANTA_KERNELS_METHODS(SANTA_KERNELS_DECLARE_METHOD)
SANTA_KERNELS_METHODS(SANTA_KERNELS_DECLARE_RUN)
SANTA_KERNELS_STAGES(SANTA_KERNELS_DECLARE_STAGE)

namespace santa {
namespace {

using detail::KernelTable;

struct Build {
  InstructionSet set;
  const KernelTable& (*table)();
  bool (*runs_here)();
};

#if defined(SANTA_KERNELS_CHOOSES)
/// F16C, which __builtin_cpu_supports of some compilers does not know; the system is asked about by the others.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
         has_f16c();
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512_bf16() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi2") &&
         __builtin_cpu_supports("avx512bf16");
}
#endif

constexpr Build builds[] = {
    {InstructionSet::compiled, santa_kernels_compiled, [] { return true; }},
#if defined(SANTA_KERNELS_CHOOSES)
    {InstructionSet::avx2, santa_kernels_avx2, has_avx2},
    {InstructionSet::avx512, santa_kernels_avx512, has_avx512},
    {InstructionSet::avx512_bf16, santa_kernels_avx512_bf16, has_avx512_bf16},
#endif
};

constexpr const char* names[] = {"compiled", "avx2", "avx512", "avx512_bf16"};

/// Whether contexts and what stages are made from lie alike in both: builds of one library do.
bool fits(const KernelTable& table) {
  const KernelTable& own = santa_kernels_compiled();
  const auto same_method = [](const auto& a, const auto& b) { return a.context_bytes == b.context_bytes; };
  const auto same_stage = [](const auto& a, const auto& b) { return a.bytes == b.bytes; };
  return std::ranges::equal(own.methods, table.methods, same_method) &&
         std::ranges::equal(own.stages, table.stages, same_stage);
}

std::string list_of_names() {
  std::string list;
  for (const InstructionSet set : instruction_sets()) list += (list.empty() ? "" : ", ") + std::string(name_of(set));
  return list;
}

const Build* build_of(InstructionSet set) {
  const auto* const found = std::ranges::find(builds, set, &Build::set);
  const bool usable = found != std::end(builds) && found->runs_here() && fits(found->table());
  return usable ? found : nullptr;
}

/// What is in use before anyone says.
const Build* first_choice() {
  const char* const given = std::getenv("SANTA_INSTRUCTION_SET");
  if (given == nullptr || *given == '\0') return build_of(instruction_sets().back());
  const auto* const name = std::ranges::find(names, std::string(given));
  const Build* const build =
      name != std::end(names) ? build_of(static_cast<InstructionSet>(name - std::begin(names))) : nullptr;
  if (build == nullptr) detail::reject("SANTA_INSTRUCTION_SET", given, list_of_names());
  return build;
}

std::atomic<const Build*> chosen{nullptr};

const Build& choice() {
  const Build* build = chosen.load(std::memory_order_acquire);
  if (build == nullptr) {
    const Build* const first = first_choice();
    build = chosen.compare_exchange_strong(build, first) ? first : build;
  }
  return *build;
}

/// Runs a method by the chosen build, or by this one where the stages are none of the library's.
template <bool rescored, class Method, class Context>
void run_chosen(const Kokkos::DefaultHostExecutionSpace& space, const Context& context, bool first_step) {
  const KernelTable& own = santa_kernels_compiled();
  const auto method =
      std::ranges::find(own.methods, &detail::run_compiled<rescored, Method>, &detail::MethodEntry::run);
  const auto stage = std::ranges::find(own.stages, context.stages.functions().make, &detail::StageFunctions::make);
  if (stage == own.stages.end()) return method->run(&space, &context, nullptr, first_step);
  const KernelTable& other = choice().table();
  const auto at = [](auto found, auto begin) { return static_cast<std::size_t>(found - begin); };
  other.methods[at(method, own.methods.begin())].run(&space, &context, &other.stages[at(stage, own.stages.begin())],
                                                     first_step);
}

}  // namespace

const char* name_of(InstructionSet set) { return names[static_cast<std::size_t>(set)]; }

std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const Build& build : builds)
    if (build.runs_here() && fits(build.table())) sets.push_back(build.set);
  return sets;
}

InstructionSet instruction_set() { return choice().set; }

void use_instruction_set(InstructionSet set) {
  const Build* const build = build_of(set);
  if (build == nullptr) detail::reject("instruction set", name_of(set), list_of_names());
  chosen.store(build, std::memory_order_release);
}

}  // namespace santa

#define SANTA_KERNELS_DEFINE_METHOD(rescored, ...) \
  SANTA_KERNELS_METHOD(rescored, __VA_ARGS__) { santa::run_chosen<rescored, __VA_ARGS__>(space, context, first_step); }
SANTA_KERNELS_METHODS(SANTA_KERNELS_DEFINE_METHOD)
