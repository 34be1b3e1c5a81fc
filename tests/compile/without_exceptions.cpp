// expect: santa reports errors as std::invalid_argument
#include <santa/santa.hpp>
