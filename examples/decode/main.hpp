// What santa-decode's main function does.
#pragma once

namespace santa::example {

/// Reads options and data, decodes, prints. Returns the program's exit code.
int decode_main(int argc, char* argv[]);

}  // namespace santa::example
