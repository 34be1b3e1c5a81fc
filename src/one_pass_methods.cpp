// Kernels of the methods that read keys once, on hosts.
#include <santa/decode/kernel_list.hpp>
#include <santa/decode/kernel_table.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

SANTA_KERNELS_ONE_PASS_METHODS(SANTA_KERNELS_DEFINE_RUN)
