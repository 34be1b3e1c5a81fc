// What one build of the kernels has. SANTA_KERNELS_TABLE: the table's name.
#include "kernel_tables.hpp"
#include <santa/decode/kernel_list.hpp>
#include <santa/decode/kernel_table.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

SANTA_KERNELS_METHODS(SANTA_KERNELS_DECLARE_RUN)
SANTA_KERNELS_STAGES(SANTA_KERNELS_DECLARE_STAGE)

#define SANTA_KERNELS_METHOD_ENTRY(rescored, ...) santa::detail::method_entry<rescored, __VA_ARGS__>(),
#define SANTA_KERNELS_STAGE_ENTRY(rescored, ...) santa::detail::stage_entry<rescored, __VA_ARGS__>(),

const santa::detail::KernelTable& SANTA_KERNELS_TABLE() {
  static const santa::detail::MethodEntry methods[] = {SANTA_KERNELS_METHODS(SANTA_KERNELS_METHOD_ENTRY)};
  static const santa::detail::StageFunctions stages[] = {SANTA_KERNELS_STAGES(SANTA_KERNELS_STAGE_ENTRY)};
  static const santa::detail::KernelTable table{methods, stages};
  return table;
}
