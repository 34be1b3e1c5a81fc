// Binding what names a run's random numbers, the same for every stage that draws.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/decode/options.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa::detail::inline SANTA_BUILD {

template <class T, class MemorySpace>
Scalar<T> bind_scalar(const char* name, const RunScalar<T, MemorySpace>& given) {
  return {given.where(), given.value(name)};
}

/// Notes seed, step, stream and requests of any stage's options in what its kernels are given. Errors:
/// std::invalid_argument: name, given, accepted.
template <class KernelArguments, class Options>
void bind_chance(KernelArguments& a, const Options& options) {
  a.seed = bind_scalar("seed", options.seed);
  a.step = bind_scalar("step", options.step);
  a.stream = options.stream.template as<std::uint16_t>("stream");
  if (options.requests.data() == nullptr) return;
  const auto given = static_cast<std::int64_t>(options.requests.extent(0));
  require(given >= a.batch, "requests.extent(0)", given, "the batch (" + std::to_string(a.batch) + ") or more");
  a.requests = options.requests.data();
}

}  // namespace santa::detail::inline SANTA_BUILD
