#!/bin/sh
# check.sh <objdump> <alone> <beside>: whether a program of one unit and that of several print the same, and whether in the
# latter no kernel nor lane code but that of units for newer processors needs these. Functions are known by their mangled
# names: those in namespaces of santa's, and Kokkos' that run its kernels. Kokkos' other functions, and those of the standard
# library, are shared by all units, as in any program.
set -eu
objdump=$1 alone=$2 beside=$3
expected=$("$alone")
given=$("$beside")
if [ "$given" != "$expected" ]; then
  printf '%s prints\n%s\nexpected\n%s\n' "$beside" "$given" "$expected"
  exit 1
fi

# Functions of a program that have instructions from AVX on, by their name.
newer() {
  "$objdump" --disassemble --no-show-raw-insn "$1" | awk '
    /^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3) }
    /\tv[a-z]/ { if (name != "") print name; name = "" }'
}
kernels='^_ZNK?(5santa(5lanes|6detail)|6Kokkos4Impl11ParallelForIN5santa|5santa10DecodePlanI.*3runI|5santa8DrawPlanI.*3runI)'
if newer "$alone" | grep -qE "$kernels"; then
  echo "$alone has kernels for newer processors than it is compiled for"
  exit 1
fi
if ! newer "$beside" | grep -E "$kernels" | grep -q x86_64_v4; then
  echo "$beside has no kernels for AVX-512: the unit for it is not there"
  exit 1
fi
shared=$(newer "$beside" | grep -E "$kernels" | grep -v -e x86_64_v -e x86_64_avx || true)
if [ -n "$shared" ]; then
  printf 'functions that units for older processors run as well:\n%s\n' "$shared"
  exit 1
fi
