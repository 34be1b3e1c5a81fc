// What Kokkos reports to a tool while an object lives: allocations, fences, kernels.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace santa::test {

/// Counts events from construction to destruction; one at a time.
class Events {
 public:
  Events() {
    allocations = 0;
    fences.clear();
    kernels.clear();
    namespace tools = Kokkos::Tools::Experimental;
    _before = tools::get_callbacks();
    tools::set_allocate_data_callback(
        [](Kokkos::Profiling::SpaceHandle, const char*, const void*, std::uint64_t) { ++allocations; });
    tools::set_begin_fence_callback([](const char* name, std::uint32_t, std::uint64_t*) {
      // Kokkos fences around kernels for the tool's own sake.
      if (std::string(name).find("Profile Tool Fence") == std::string::npos) fences.emplace_back(name);
    });
    const auto kernel = [](const char* name, std::uint32_t, std::uint64_t*) { kernels.emplace_back(name); };
    tools::set_begin_parallel_for_callback(kernel);
    tools::set_begin_parallel_reduce_callback(kernel);
    tools::set_begin_parallel_scan_callback(kernel);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() { Kokkos::Tools::Experimental::set_callbacks(_before); }

  static inline int allocations = 0;
  static inline std::vector<std::string> fences, kernels;

 private:
  Kokkos::Tools::Experimental::EventSet _before;
};

}  // namespace santa::test
