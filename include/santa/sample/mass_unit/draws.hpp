// How MassUnit draws for several heads.
#pragma once

#include <cstdint>

namespace santa {

/// How MassUnit draws for the query heads that share one kv head. A program compiles the kernels of those it names.
enum class Draws : std::uint8_t {
  joint,     // once for all heads: pi = min(1, max over heads of w / delta)
  joint_l2,  // once for all heads: pi = min(1, root of the sum over heads of (w / delta)^2)
  separate,  // head by head: pi = min(1, w / delta); the rows read are the union
};

}  // namespace santa
