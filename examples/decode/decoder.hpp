// One decode step by a method that is chosen at run time.
#pragma once

#include "decode/methods.hpp"
#include <santa/cache/contiguous.hpp>
#include <santa/core/shape.hpp>
#include <santa/decode/options.hpp>

#include <Kokkos_Core.hpp>

#include <memory>

namespace santa::example {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Unmanaged = Kokkos::MemoryTraits<Kokkos::Unmanaged>;

// A request alone: the batch is 1.
template <class T>
using RowsView = Kokkos::View<const T****, Kokkos::LayoutRight, Memory, Unmanaged>;  // [1, visible, kv_heads, dim]
template <class T>
using Cache = ContiguousCache<RowsView<T>>;
using QueryView = Kokkos::View<const float***, Kokkos::LayoutRight, Memory, Unmanaged>;  // [1, heads, dim]
using OutView = Kokkos::View<float***, Kokkos::LayoutRight, Memory, Unmanaged>;          // [1, heads, dim]

/// A method bound to a plan.
template <class T>
class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;

  virtual void run(const Space& space, const QueryView& query, const Cache<T>& cache, const OutView& out,
                   const RunOptions<Memory>& options) const = 0;
};

/// Errors: std::invalid_argument from the library.
template <class T>
std::unique_ptr<Decoder<T>> make_decoder(const Space& space, const AnyMethod& method, const Shape& shape, float scale);

}  // namespace santa::example
