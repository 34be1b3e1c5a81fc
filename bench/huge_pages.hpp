// Huge pages for a benchmark's data on Linux.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>

namespace santa_bench {

/// Asks for huge pages for memory, before it is written: whole ones in it. A system that has none does nothing.
inline void ask_for_huge_pages(const void* data, std::size_t bytes) {
  constexpr std::uintptr_t page = std::uintptr_t{2} << 20;
  const auto from = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  const auto to = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
}

/// How much of this process' memory lies in huge pages.
inline double bytes_in_huge_pages() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string word; rollup >> word;) {
    double kilobytes = 0.;
    if (word == "AnonHugePages:" && rollup >> kilobytes) return 1024. * kilobytes;
  }
  return 0.;
}

}  // namespace santa_bench
