#include "scaled.hpp"

#include "copies.hpp"
#include "read_ceiling.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

namespace santa_bench {

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

/// The numbers of a cache's scales: so that normal numbers use most of e4m3's.
constexpr float scale_of_rows = 1.F / 64.F;

}  // namespace

/// e4m3 copies of the bf16 caches, which may then be in any number of places. Not in an unnamed namespace, as lambdas
/// for a device must be in functions of known name.
class ByteCaches {
 public:
  using Rows = Kokkos::View<santa::e4m3****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

  ByteCaches(const Space& space, const Caches<Space>& from, std::size_t at_least)
      : shape(from.shape),
        _elements(from.bytes() / (2 * sizeof(santa::bfloat16))),
        _copies(std::max<std::size_t>(2, (at_least + bytes() - 1) / bytes())),
        _pool(santa::allocate_aligned<santa::e4m3>(space, "bytes", static_cast<std::int64_t>(bytes() * _copies))),
        _scales("scales", static_cast<std::size_t>(shape.kv_heads)) {
    Kokkos::deep_copy(_scales, scale_of_rows);
    round(space, reinterpret_cast<const santa::bfloat16*>(from.data(0)));
    space.fence();
  }

  void round(const Space& space, const santa::bfloat16* from) const {
    using Policy = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;
    const auto pool = _pool;
    const auto all = static_cast<std::int64_t>(bytes());
    const auto copies = static_cast<std::int64_t>(_copies);
    Kokkos::parallel_for(
        "santa::bench::round", Policy(space, 0, all), KOKKOS_LAMBDA(const std::int64_t i) {
          const santa::e4m3 x(static_cast<float>(from[i]) / scale_of_rows);
          for (std::int64_t copy = 0; copy < copies; ++copy) pool(static_cast<std::size_t>(copy * all + i)) = x;
        });
  }

  [[nodiscard]] std::size_t bytes() const { return 2 * _elements; }
  [[nodiscard]] std::size_t copies() const { return _copies; }
  [[nodiscard]] const std::byte* data(std::size_t copy) const {
    return reinterpret_cast<const std::byte*>(_pool.data() + copy * bytes());
  }
  [[nodiscard]] auto cache(std::size_t copy) const {
    santa::e4m3* const keys = _pool.data() + copy * bytes();
    return santa::ContiguousCache{santa::Scaled{rows(keys), santa::HeadScales{_scales}},
                                  santa::Scaled{rows(keys + _elements), santa::HeadScales{_scales}}};
  }

  santa::Shape shape;

 private:
  [[nodiscard]] Rows rows(santa::e4m3* from) const {
    const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
    return Rows(from, n(shape.batch), n(shape.length), n(shape.kv_heads), n(shape.dim));
  }

  std::size_t _elements, _copies;
  Kokkos::View<santa::e4m3*, Memory> _pool;
  Kokkos::View<float*, Memory> _scales;
};

namespace {

template <class Method>
Measured measure_bytes(const Space& space, const Caches<Space>& caches, const ByteCaches& bytes, const Method& method,
                       int repeats) {
  const santa::Shape& shape = caches.shape;
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Caches<Space>::Outputs out("out", n(shape.batch), n(shape.heads), n(shape.dim));
  const Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", n(shape.batch),
                                                                                  n(shape.kv_heads));
  const santa::DecodePlan plan(space, method, caches.query, bytes.cache(0));
  std::vector<santa::DecodeState<Memory>> states;
  for (std::size_t copy = 0; copy < bytes.copies(); ++copy) states.emplace_back(space, plan.shape());
  Measured result =
      time_steps(space, bytes.copies(), bytes.copies(), repeats, [&](std::size_t copy, std::uint32_t step, bool count) {
        santa::RunOptions<Memory> options{.seed = run_seed, .step = step, .state = states[copy]};
        if (count) options.statistics = statistics;
        plan.run(space, caches.query, bytes.cache(copy), out, options);
      });
  result.rows_fraction = rows_of(statistics) / static_cast<double>(shape.batch * shape.kv_heads * shape.length);
  result.bytes = static_cast<double>(bytes.bytes()) / 2. * (1. + result.rows_fraction);
  result.out = outputs_of(out);
  return result;
}

}  // namespace

void run_fp8_cache(const Space& space, const Options& options, Report& report) {
  const santa::Shape shape{4, 32, 8, 32768 / options.divide, 128};
  const std::size_t rotation = santa::lanes::is_host_space<Space> ? rotation_bytes() : std::size_t{512} << 20U;
  const Caches<Space> caches(space, shape, options.sharpness, rotation);
  const ByteCaches bytes(space, caches, rotation);
  report.set_scenario("fp8-cache");
  report.set_elements("e4m3");
  report.set_layout(santa::CacheLayout::token_major);
  report.set_ceiling(shape, ceiling_of(space, bytes.copies(), bytes.bytes(), options.repeats,
                                       [&](std::size_t copy) { return bytes.data(copy); }));
  const Measured wide = measure(space, caches, FullStage<Space>{caches}, santa::Exact{}, options.repeats);
  Measured exact;
  const auto add = [&](const char* name, const auto& method, const Report::Budget& budget) {
    try {
      const Measured measured = measure_bytes(space, caches, bytes, method, options.repeats);
      if (exact.out.empty()) exact = measured;
      report.add(shape, name, budget, measured, wide.microseconds() / measured.microseconds(),
                 relative_error(measured.out, exact.out), {.score = "e4m3"});
    } catch (const std::exception& error) {
      space.fence();
      report.add_unsupported(shape, name, error.what(), {.score = "e4m3"});
    }
  };
  add("exact", santa::Exact{}, {});
  add("mass-unit", santa::MassUnit{.rows = santa::share(options.share)},
      {.rows = options.share * static_cast<double>(shape.length)});
  report.set_scenario("");
  report.set_elements("bf16");
}

}  // namespace santa_bench
