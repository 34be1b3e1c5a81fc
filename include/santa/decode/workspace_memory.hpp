// Memory of a caller's that a plan works in.
#pragma once

#include <santa/core/check.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

namespace santa {

/// Bytes that a plan works in, in the place of memory that it allocates; `workspace_bytes` says how many it takes. A
/// plan keeps the view, has the bytes zeroed on its execution space when it is made, and is the only one to use them:
/// another plan in the same place takes its turn when this one is done for good.
class WorkspaceMemory {
 public:
  /// None: the plan allocates.
  WorkspaceMemory() = default;
  /// Of any element type of one byte, contiguous, aligned to 64 bytes, in the memory space of the plan.
  template <class View>
    requires Kokkos::is_view_v<View> WorkspaceMemory(const View& bytes)  // NOLINT(google-explicit-constructor)
        : _kept(std::make_shared<View>(bytes)),
          _data(reinterpret_cast<std::byte*>(bytes.data())),
          _bytes(static_cast<std::int64_t>(bytes.extent(0))),
          _space(View::memory_space::name()) {
      static_assert(
          View::rank() == 1 && sizeof(typename View::value_type) == 1 && !std::is_const_v<typename View::value_type>,
          "santa::WorkspaceMemory: a view of bytes, of rank 1");
      const auto stride = static_cast<std::int64_t>(bytes.stride(0));
      detail::require(stride == 1 || _bytes <= 1, "workspace.stride(0)", stride, "1");
    }
    /// None, and none is allocated: the plan only counts what it would take, and can't run.
    static WorkspaceMemory counted() {
      WorkspaceMemory result;
      result._only_counted = true;
      return result;
    }

    [[nodiscard]] bool given() const { return _kept != nullptr; }
    /// Whether it is `counted()`.
    [[nodiscard]] bool only_counted() const { return _only_counted; }
    [[nodiscard]] std::byte* data() const { return _data; }
    [[nodiscard]] std::int64_t bytes() const { return _bytes; }
    [[nodiscard]] const std::string& space() const { return _space; }

   private:
    std::shared_ptr<const void> _kept;
    std::byte* _data = nullptr;
    std::int64_t _bytes = 0;
    std::string _space;
    bool _only_counted = false;
};

}  // namespace santa
