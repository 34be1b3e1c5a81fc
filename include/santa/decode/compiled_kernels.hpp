// What the library of kernels has compiled: programs that link santa::kernels leave it out.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/core/narrow.hpp>
#include <santa/decode/instruction_set.hpp>
#include <santa/decode/kernel_list.hpp>
#include <santa/decode/methods.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/score/any_stage.hpp>
#include <santa/score/cache_stages.hpp>
#include <santa/score/modifiers.hpp>

#include <cstdint>

SANTA_KERNELS_METHODS(SANTA_KERNELS_DECLARE_METHOD)
SANTA_KERNELS_STAGES(SANTA_KERNELS_DECLARE_STAGE)
