#include "narrow.hpp"

#include <cstddef>
#include <exception>
#include <vector>

namespace santa_bench {

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

/// Narrow keys for every copy of a cache.
template <class Code>
class NarrowCopies {
 public:
  NarrowCopies(const Space& space, const Caches<Space>& caches) : _caches(caches) {
    for (std::size_t copy = 0; copy < caches.copies(); ++copy) {
      _narrow.emplace_back(space, caches.shape, caches.layout);
      santa::calibrate(space, caches.cache(copy), _narrow.back());
      santa::encode_keys(space, caches.cache(copy), _narrow.back());
    }
    space.fence();
  }

  [[nodiscard]] auto cache(std::size_t copy) const { return santa::NarrowCache{_caches.cache(copy), _narrow[copy]}; }
  /// Codes, scales, drawn values, and drawn keys where they are read.
  [[nodiscard]] double bytes(double rows_fraction, bool rescored) const {
    const santa::Shape& s = _caches.shape;
    const double keys = static_cast<double>(s.batch * s.length * s.kv_heads);
    const double code = static_cast<double>(s.dim) * sizeof(Code) / santa::detail::features_per_element<Code>;
    return keys * (code + sizeof(santa::bfloat16)) + bytes_of_rows(s) * rows_fraction * (rescored ? 2. : 1.);
  }

 private:
  const Caches<Space>& _caches;
  std::vector<santa::NarrowKeys<Code, Memory>> _narrow;
};

template <class Code, bool again>
struct NarrowStage {
  const NarrowCopies<Code>& copies;

  [[nodiscard]] auto cache(std::size_t copy) const {
    if constexpr (again)
      return santa::rescored(copies.cache(copy));
    else
      return copies.cache(copy);
  }
  [[nodiscard]] double bytes(double rows_fraction) const { return copies.bytes(rows_fraction, again); }
};

template <class Code>
void run(const Space& space, const Caches<Space>& caches, double ceiling, const Measured& exact, const Options& options,
         Report& report) {
  const santa::Shape& shape = caches.shape;
  const NarrowCopies<Code> copies(space, caches);
  const auto add = [&]<bool again>(const char* name, const auto& method, double rows) {
    const Report::Stage stage{santa::detail::NarrowTraits<Code>::name, again};
    try {
      const auto measured = measure(space, caches, NarrowStage<Code, again>{copies}, method, options.repeats);
      report.add(shape, name, {.rows = rows}, ceiling, measured, exact.microseconds() / measured.microseconds(),
                 relative_error(measured.out, exact.out), stage);
    } catch (const std::exception& error) {
      space.fence();
      report.add_unsupported(shape, name, error.what(), stage);
    }
  };
  const santa::MassUnit mass_unit{.rows = santa::share(options.share)};
  const double rows = options.share * static_cast<double>(shape.length);
  add.template operator()<false>("exact", santa::Exact{}, 0.);
  add.template operator()<false>("mass-unit", mass_unit, rows);
  add.template operator()<true>("mass-unit", mass_unit, rows);
}

}  // namespace

void run_narrow(const Space& space, const Caches<Space>& caches, double ceiling, const Measured& exact,
                const Options& options, Report& report) {
  const bool compiled = santa::lanes::is_host_space<Space> || (caches.shape.group() <= 4 && caches.shape.dim <= 128);
  if (!compiled) return;
  run<std::int8_t>(space, caches, ceiling, exact, options, report);
  run<santa::float8>(space, caches, ceiling, exact, options, report);
  run<santa::int4x2>(space, caches, ceiling, exact, options, report);
}

}  // namespace santa_bench
