// expect: santa reports errors as std::invalid_argument
// options: -fno-exceptions
#include <santa/santa.hpp>
