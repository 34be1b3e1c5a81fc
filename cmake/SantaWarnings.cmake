# Warnings that this project is clean under.
include_guard(GLOBAL)

# Of all that is compiled here, by g++ and by clang++.
set(SANTA_WARNINGS
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wcast-qual -Wextra-semi -Wnon-virtual-dtor -Woverloaded-virtual)
set(SANTA_GNU_WARNINGS -Wduplicated-cond -Wlogical-op)

# Of the public headers besides, by g++ 12 and by clang++ 14 to 16 (tests/warnings). Left out: -Wold-style-cast, as that is
# how vectors change their type; -Wfloat-equal, as equality is what is meant; -Wsign-conversion of g++, which gives it for
# each array whose extent is an int that a template was given.
set(SANTA_HEADER_WARNINGS ${SANTA_WARNINGS}
  -Wcast-align -Wdouble-promotion -Wundef -Wformat=2 -Wimplicit-fallthrough -Wzero-as-null-pointer-constant
  -Wmissing-declarations -Wredundant-decls)
set(SANTA_CLANG_HEADER_WARNINGS -Wsign-conversion)
