// expect: santa::DecodePlan: the cache lacks a member of AddressedCache: see santa/cache/addressed_cache.hpp
#include <santa/santa.hpp>

using Rows = Kokkos::View<float****, Kokkos::HostSpace>;

/// All that a plan asks for, but length_data().
struct Cache {
  using key_view = Rows;
  using value_view = Rows;
  using length_view = santa::NoLengths;
  using Addresses = santa::ContiguousCache<Rows>::Addresses;

  santa::Shape shape() const { return {}; }
  Addresses addresses() const { return {}; }
};
using Plan = santa::DecodePlan<Kokkos::DefaultHostExecutionSpace, santa::Exact, Cache>;

std::size_t size() { return sizeof(Plan); }
