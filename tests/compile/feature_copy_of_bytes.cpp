// expect: santa::FeatureCache: keys and values with scales or of one byte have no feature-major copies
#include <santa/santa.hpp>

using Memory = Kokkos::HostSpace;
using View = Kokkos::View<santa::e4m3****, Memory>;
const santa::ContiguousCache cache{View(), View()};
const santa::FeatureCache features{cache, santa::FeatureKeys<float, Memory>(), santa::TopFeatures{}};
