// The memory of a plan.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/fill.hpp>
#include <santa/decode/workspace_memory.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace santa::detail {

/// All of a plan's memory in one allocation, or in the caller's, cut into the arrays that arguments of kernels name
/// (`take_memory`) by one function that also counts the bytes.
template <class Space>
class Workspace {
 public:
  Workspace() = default;
  /// Allocates, or takes what is given, and notes where the arrays lie. Fences, so that runs may be on any instance.
  template <class Build, class Arguments>
  void allocate(const Space& space, Arguments& a, const WorkspaceMemory& given = {}) {
    _bytes = cut<Build>(a, nullptr);
    if (given.only_counted()) return;
    if (given.given()) {
      take<Build>(given);
    } else {
      _memory = detail::allocate<Memory, Fresh::unset>(space, purpose, _bytes);
    }
    fill_words(space, _memory.data(), _bytes / 4, 0);  // the counters must be 0
    space.fence("santa::workspace");
    cut<Build>(a, _memory.data());
  }
  /// Errors: std::runtime_error for a plan that was made to count alone.
  void require_memory() const {
    if (_bytes > 0 && _memory.data() == nullptr)
      throw std::runtime_error("santa: the plan was made to count the bytes of its workspace; it has none to run with");
  }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(_bytes); }

 private:
  using Memory = Kokkos::View<std::byte*, typename Space::memory_space>;

  static constexpr const char* purpose = "santa::workspace";

  template <class Build, class Arguments>
  static std::int64_t cut(Arguments& a, std::byte* base) {
    std::int64_t used = 0;
    a.take_memory([&]<class T, class... Factors>(T*& pointer, Factors... factors) {
      const std::int64_t bytes = bytes_of(purpose, {std::int64_t{factors}..., sizeof(T)});
      pointer = bytes > 0 ? reinterpret_cast<T*>(base + used) : nullptr;
      used += (bytes + alignment - 1) / alignment * alignment;
    });
    return used;
  }

  /// Errors: std::invalid_argument: name, given, accepted.
  template <class Build>
  void take(const WorkspaceMemory& given) {
    const char* const expected = Memory::memory_space::name();
    if (given.space() != expected) reject("workspace", "in memory of " + given.space(), expected);
    require(given.bytes() >= _bytes, "workspace.extent(0)", given.bytes(), {"", _bytes, " or more"});
    if (_bytes > 0) require_pointer(given.data(), "workspace.data()");
    if (reinterpret_cast<std::uintptr_t>(given.data()) % alignment != 0)
      reject("workspace.data()", "misaligned", "a multiple of 64 bytes");
    _caller = given;
    _memory = Memory(given.data(), static_cast<std::size_t>(_bytes));
  }

  static constexpr std::int64_t alignment = 64;

  WorkspaceMemory _caller;
  Memory _memory;
  std::int64_t _bytes = 0;
};

}  // namespace santa::detail
