// Copies of keys in floats of 8 bits, and plans that score by them.
#include "narrow_of.hpp"

namespace santa::python {

SANTA_PYTHON_NARROW(float8)

}  // namespace santa::python
