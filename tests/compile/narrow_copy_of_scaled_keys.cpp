// expect: santa::NarrowCache: keys and values with scales or of one byte have no narrow copies
#include <santa/santa.hpp>

using Memory = Kokkos::HostSpace;
using View = Kokkos::View<float****, Memory>;
const santa::ContiguousCache cache{santa::Scaled{View(), santa::TensorScale{0.5F}}, View()};
const santa::NarrowCache narrow{cache, santa::NarrowKeys<std::int8_t, Memory>()};
