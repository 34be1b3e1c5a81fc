#include "decode/rotation.hpp"

#include <algorithm>
#include <fstream>

namespace santa::example {

std::size_t last_level_cache_bytes() {
  constexpr std::size_t fallback = std::size_t{64} << 20;
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");  // such as 32768K
  std::size_t size = 0;
  char unit = ' ';
  if (!(file >> size)) return fallback;
  file >> unit;
  const std::size_t bytes = unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : unit == 'G' ? size << 30 : size;
  return bytes > 0 ? bytes : fallback;
}

std::size_t rotation_copies(std::size_t copy_bytes) {
  constexpr std::size_t most = std::size_t{3} << 29;
  const std::size_t wanted = std::min(most, last_level_cache_bytes() / 2 * 5);
  return std::max<std::size_t>(1, wanted / std::max<std::size_t>(1, copy_bytes));
}

}  // namespace santa::example
