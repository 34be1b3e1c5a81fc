// Copies of keys in 4 bits, and plans that score by them.
#include "narrow_of.hpp"

namespace santa::python {

SANTA_PYTHON_NARROW(int4x2)

}  // namespace santa::python
