// Which instruction set the kernels of santa::kernels run by.
#pragma once

#include <cstdint>
#include <vector>

namespace santa {

/// What the library of kernels has its kernels compiled for: `compiled`, the program's own instruction set, always.
/// Where it was built so that it chooses (x86-64), also
///   avx2          AVX2, FMA, F16C, BMI2
///   avx512        these and AVX-512 F, BW, DQ, VL
///   avx512_bf16   these and AVX-512 VNNI, VBMI2, BF16
/// Draws are the same by all of them; outputs agree within 2e-6 of their norm.
enum class InstructionSet : std::uint8_t { compiled, avx2, avx512, avx512_bf16 };

/// Its name, as SANTA_INSTRUCTION_SET has it.
const char* name_of(InstructionSet set);

/// Those that both santa::kernels and this processor have, from plain to fast.
std::vector<InstructionSet> instruction_sets();

/// The one in use: the last of instruction_sets(), unless the environment's SANTA_INSTRUCTION_SET names another when it
/// is first asked for, or use_instruction_set has.
/// Errors: std::invalid_argument where the environment names none of them.
InstructionSet instruction_set();

/// Lets the kernels of santa::kernels run by `set`, in all plans and threads, from the next run on. Caches, modifiers
/// and methods that the library does not have compiled run as the program itself is compiled. Errors:
/// std::invalid_argument where it is none of instruction_sets().
void use_instruction_set(InstructionSet set);

}  // namespace santa
