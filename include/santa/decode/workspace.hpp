// The memory of a plan.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/extent.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail {

/// All of a plan's memory in one allocation, cut into the arrays that arguments of kernels name (`take_memory`) by one
/// function that also counts the bytes.
template <class Space>
class Workspace {
 public:
  Workspace() = default;
  /// Allocates, and notes where the arrays lie.
  template <class Build, class Arguments>
  void allocate(const Space& space, Arguments& a) {
    const std::int64_t bytes = cut<Build>(a, nullptr);
    _memory = detail::allocate<Memory>(space, purpose, bytes);  // zeroed: the counters must be
    cut<Build>(a, _memory.data());
  }
  [[nodiscard]] std::size_t bytes() const { return _memory.size(); }

 private:
  using Memory = Kokkos::View<std::byte*, typename Space::memory_space>;

  static constexpr const char* purpose = "santa::workspace";

  template <class Build, class Arguments>
  static std::int64_t cut(Arguments& a, std::byte* base) {
    std::int64_t used = 0;
    a.take_memory([&]<class T, class... Factors>(T*& pointer, Factors... factors) {
      const std::int64_t bytes = bytes_of(purpose, {std::int64_t{factors}..., sizeof(T)});
      pointer = bytes > 0 ? reinterpret_cast<T*>(base + used) : nullptr;
      used += (bytes + 63) / 64 * 64;
    });
    return used;
  }

  Memory _memory;
};

}  // namespace santa::detail
