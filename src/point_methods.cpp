// Kernels of the methods that draw by points in a cumulative sum, on hosts.
#include <santa/decode/kernel_list.hpp>
#include <santa/decode/kernel_table.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

SANTA_KERNELS_POINT_METHODS(SANTA_KERNELS_DEFINE_RUN)
