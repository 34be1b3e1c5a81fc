// Methods on caches whose scores are made from a copy of the keys, as they are and rescored.
#pragma once

#include "report.hpp"

#include <cstddef>
#include <exception>

namespace santa_bench {

/// One way to use `Copies`, which has a cache for each copy of the data and the bytes that must be read of it.
template <class Copies, bool again>
struct CopyStage {
  const Copies& copies;

  [[nodiscard]] auto cache(std::size_t copy) const {
    if constexpr (again)
      return santa::rescored(copies.cache(copy));
    else
      return copies.cache(copy);
  }
  [[nodiscard]] double bytes(double rows_fraction) const { return copies.bytes(rows_fraction, again); }
};

/// Adds Exact, and MassUnit as it is and rescored, to the report.
template <class Space, class Copies>
void run_stages(const Space& space, const Caches<Space>& caches, const Copies& copies, const char* score,
                const Measured& exact, const Options& options, Report& report) {
  const santa::Shape& shape = caches.shape;
  const auto add = [&]<bool again>(const char* name, const auto& method, double rows) {
    const Report::Stage stage{score, again};
    try {
      const auto measured = measure(space, caches, CopyStage<Copies, again>{copies}, method, options.repeats);
      report.add(shape, name, {.rows = rows}, measured, exact.microseconds() / measured.microseconds(),
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

}  // namespace santa_bench
