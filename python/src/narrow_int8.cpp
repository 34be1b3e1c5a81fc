// Copies of keys in 8 bits, and plans that score by them.
#include "narrow_of.hpp"

namespace santa::python {

SANTA_PYTHON_NARROW(std::int8_t)

}  // namespace santa::python
