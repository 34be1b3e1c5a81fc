#include "narrow.hpp"

#include "stages.hpp"

#include <cstddef>
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

template <class Code>
void run(const Space& space, const Caches<Space>& caches, const Measured& exact, const Options& options,
         Report& report) {
  const NarrowCopies<Code> copies(space, caches);
  run_stages(space, caches, copies, santa::detail::NarrowTraits<Code>::name, exact, options, report);
}

}  // namespace

void run_narrow(const Space& space, const Caches<Space>& caches, const Measured& exact, const Options& options,
                Report& report) {
  const bool compiled = santa::lanes::is_host_space<Space> || (caches.shape.group() <= 4 && caches.shape.dim <= 128);
  if (!compiled) return;
  run<std::int8_t>(space, caches, exact, options, report);
  run<santa::float8>(space, caches, exact, options, report);
  run<santa::int4x2>(space, caches, exact, options, report);
}

}  // namespace santa_bench
