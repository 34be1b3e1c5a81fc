// The tables of the builds of the kernels: of which there are, SANTA_KERNELS_CHOOSES says.
#pragma once

#include <santa/decode/kernel_table.hpp>

// Names that a tool can keep while it hides all others of a build.
extern "C" {
const santa::detail::KernelTable& santa_kernels_compiled();
const santa::detail::KernelTable& santa_kernels_avx2();
const santa::detail::KernelTable& santa_kernels_avx512();
const santa::detail::KernelTable& santa_kernels_avx512_bf16();
}
