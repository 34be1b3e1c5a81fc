#include "decode/rotation.hpp"

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

namespace santa::example {

namespace {

/// Of a file with text such as 32768K; 0 where there is none.
std::size_t read_size(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::size_t size = 0;
  char unit = ' ';
  if (!(file >> size)) return 0;
  file >> unit;
  return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : unit == 'G' ? size << 30 : size;
}

}  // namespace

std::size_t last_level_cache_bytes(const std::string& processors) {
  constexpr std::size_t fallback = std::size_t{64} << 20;
  std::map<std::string, std::size_t> caches;  // by the processors that share one
  std::error_code error;
  for (const auto& processor : std::filesystem::directory_iterator(processors, error)) {
    const auto cache = processor.path() / "cache" / "index3";
    std::ifstream file(cache / "shared_cpu_list");
    std::string sharing;
    if (std::getline(file, sharing)) caches[sharing] = read_size(cache / "size");
  }
  std::size_t bytes = 0;
  for (const auto& cache : caches) bytes += cache.second;
  return bytes > 0 ? bytes : fallback;
}

#if defined(KOKKOS_ENABLE_CUDA)

std::string processor() { return Kokkos::Cuda().cuda_device_prop().name; }

std::size_t processor_cache_bytes() { return static_cast<std::size_t>(Kokkos::Cuda().cuda_device_prop().l2CacheSize); }

#else

std::string processor() {
  const int threads = static_cast<int>(Kokkos::DefaultExecutionSpace().concurrency());
  return std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

std::size_t processor_cache_bytes() { return last_level_cache_bytes(); }

#endif

std::size_t rotation_copies(std::size_t copy_bytes) {
  constexpr std::size_t most = std::size_t{3} << 29;
  const std::size_t wanted = std::min(most, processor_cache_bytes() / 2 * 5);
  return std::max<std::size_t>(1, wanted / std::max<std::size_t>(1, copy_bytes));
}

}  // namespace santa::example
