// santa-decode: exact and sampled decode attention side by side, on the queries, keys and values of a language model.
#include "decode/main.hpp"

int main(int argc, char* argv[]) { return santa::example::decode_main(argc, argv); }
