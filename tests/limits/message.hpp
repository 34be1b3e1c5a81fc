// The message of whatever a call throws.
#pragma once

#include <doctest/doctest.h>

#include <exception>
#include <string>

namespace santa::test {

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace santa::test
