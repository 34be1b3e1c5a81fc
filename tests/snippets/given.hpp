// What the snippets of docs/ are given: the names that their text takes as a user's. They are compiled, not run.
#pragma once

#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

using Rows = View<santa::bfloat16****>;
using Lengths = View<const std::int32_t*>;
using Cache = santa::ContiguousCache<Rows, Rows, Lengths>;
