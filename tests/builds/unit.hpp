// One decode, by each of several translation units of a program that are compiled for different processors.
#pragma once

#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>

namespace santa::test {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;

/// What units hand to each other: types of the library that programs hold.
struct Step {
  using Keys = Kokkos::View<bfloat16****, Memory>;
  using Cache = ContiguousCache<Keys>;
  static constexpr std::size_t heads = 4, kv_heads = 2, dim = 64, length = 3000;

  Kokkos::View<float***, Memory> query{"query", 1, heads, dim}, out{"out", 1, heads, dim};
  Keys keys{"keys", 1, length, kv_heads, dim}, values{"values", 1, length, kv_heads, dim};
  Cache cache{keys, values};
  using Plan = DecodePlan<Space, MassUnit, Cache>;
  Plan plan{Space{}, MassUnit{.rows = 200}, query, cache};
  DecodeState<Memory> state{Space{}, plan.shape()};

  Step();
};

// Each runs the plan (a type by itself, which is the same for all) for one step, and exact attention into `exact`.
using Unit = void(const Step& step, const Step::Plan& plan, int number, const Kokkos::View<float***, Memory>& exact);
Unit run_plain, run_native, run_for_avx512, run_generic;

}  // namespace santa::test
