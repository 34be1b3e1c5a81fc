// Binding what names a run's random numbers, the same for every stage that draws.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/core/check.hpp>
#include <santa/decode/options.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa::detail::inline SANTA_BUILD {

/// `each` is set where there is a number for each request.
template <class T, class MemorySpace>
Scalar<T> bind_scalar(const char* name, const RunScalar<T, MemorySpace>& given, std::int64_t batch, bool& each) {
  each = given.each();
  if (each)
    require(given.count() >= batch, std::string(name) + ".extent(0)", given.count(),
            {"the batch (", batch, ") or more"});
  return {given.where(), given.value(name)};
}

/// Seed, step, stream and requests of any stage's options. Errors: std::invalid_argument: name, given, accepted.
template <class Options>
Chance bind_chance(const Options& options, std::int64_t batch) {
  Chance chance;
  chance.seed = bind_scalar("seed", options.seed, batch, chance.seed_each);
  chance.step = bind_scalar("step", options.step, batch, chance.step_each);
  chance.stream = options.stream.template as<std::uint16_t>("stream");
  if (options.requests.data() == nullptr) return chance;
  const auto given = static_cast<std::int64_t>(options.requests.extent(0));
  require(given >= batch, "requests.extent(0)", given, {"the batch (", batch, ") or more"});
  chance.requests = options.requests.data();
  return chance;
}

}  // namespace santa::detail::inline SANTA_BUILD
