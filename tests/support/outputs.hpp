// Memory for the outputs of a step.
#pragma once

#include "support/data.hpp"
#include "support/runner.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::test {

/// Views of the outputs of a step in a space's memory. Of the space alone, so that a file of steps of many methods and
/// caches compiles them once.
template <class Space, class T = float>
struct Outputs {
  using Memory = typename Space::memory_space;
  Kokkos::View<T***, Kokkos::LayoutRight, Memory> out;
  Kokkos::View<float**, Kokkos::LayoutRight, Memory> lse, error;
  Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics;

  explicit Outputs(const Shape& shape)
      : out("test::out", size(shape.batch), size(shape.heads), size(shape.values())),
        lse("test::lse", size(shape.batch), size(shape.heads)),
        error("test::error", size(shape.batch), size(shape.heads)),
        statistics("test::statistics", size(shape.batch), size(shape.kv_heads)) {}

  [[nodiscard]] Result result() const { return {flat(out), flat(lse), flat(error), flat(statistics)}; }

 private:
  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }
  template <class View>
  static auto flat(const View& view) {
    using V = typename View::value_type;
    return to_host<V>(Kokkos::View<V*, Memory>(view.data(), view.size()));
  }
};

template <class Space>
RunOptions<typename Space::memory_space> options_of(const Outputs<Space>& to, const Settings<Space>& settings) {
  RunOptions<typename Space::memory_space> options;
  options.seed = settings.seed;
  options.step = settings.step;
  if (!settings.sinks.empty()) options.sinks = to_space<Space>(settings.sinks, "test::sinks");
  options.lse = to.lse;
  options.error = to.error;
  options.statistics = to.statistics;
  options.state = settings.state;
  return options;
}

}  // namespace santa::test
