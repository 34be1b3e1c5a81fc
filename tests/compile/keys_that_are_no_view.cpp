// expect: santa::ContiguousCache: keys, values and lengths must be Kokkos views
#include <santa/santa.hpp>

const santa::ContiguousCache<float*, float*> cache(nullptr, nullptr);
