// What Kokkos reports to a tool while an object lives: allocations, fences, kernels, regions.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace santa::test {

/// Notes events from construction to destruction; one at a time.
class Events {
 public:
  Events() {
    allocations = 0;
    fences.clear();
    kernels.clear();
    regions.clear();
    fence_devices.clear();
    kernel_devices.clear();
    regions_of_kernels.clear();
    namespace tools = Kokkos::Tools::Experimental;
    _before = tools::get_callbacks();
    tools::set_allocate_data_callback(
        [](Kokkos::Profiling::SpaceHandle, const char*, const void*, std::uint64_t bytes) {
          if (bytes > 0) ++allocations;  // Kokkos 4.6 reports no bytes of team scratch for each launch on CUDA
        });
    tools::set_begin_fence_callback([](const char* name, std::uint32_t device, std::uint64_t*) {
      // Kokkos fences around kernels for the tool's own sake.
      if (std::string(name).find("Profile Tool Fence") != std::string::npos) return;
      fences.emplace_back(name);
      fence_devices.push_back(device);
    });
    const auto kernel = [](const char* name, std::uint32_t device, std::uint64_t*) {
      kernels.emplace_back(name);
      kernel_devices.push_back(device);
      regions_of_kernels.push_back(regions.empty() ? "" : regions.back());
    };
    tools::set_begin_parallel_for_callback(kernel);
    tools::set_begin_parallel_reduce_callback(kernel);
    tools::set_begin_parallel_scan_callback(kernel);
    tools::set_push_region_callback([](const char* name) { regions.emplace_back(name); });
    tools::set_pop_region_callback([] { regions.emplace_back(); });
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() { Kokkos::Tools::Experimental::set_callbacks(_before); }

  static inline int allocations = 0;
  static inline std::vector<std::string> fences, kernels;
  static inline std::vector<std::string> regions;  // names as they begin, "" as they end
  static inline std::vector<std::uint32_t> fence_devices, kernel_devices;
  static inline std::vector<std::string> regions_of_kernels;  // the last of `regions` when each began

 private:
  Kokkos::Tools::Experimental::EventSet _before;
};

}  // namespace santa::test
