// expect: -ffinite-math-only, a part of -ffast-math and -Ofast.*Add -fno-finite-math-only
// options: -ffast-math
#include <santa/santa.hpp>

int main() {}
