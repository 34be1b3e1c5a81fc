#!/bin/sh
# check.sh <objdump> <alone> <beside>: whether a program of one unit and that of several print the same, and whether in the
# latter no function of santa's but those of the unit for AVX-512 (and of one for this processor) needs that.
set -eu
objdump=$1 alone=$2 beside=$3
expected=$("$alone")
given=$("$beside")
if [ "$given" != "$expected" ]; then
  printf '%s prints\n%s\nexpected\n%s\n' "$beside" "$given" "$expected"
  exit 1
fi

# Functions that use registers or masks of AVX-512, by their name.
functions() {
  "$objdump" --disassemble --no-show-raw-insn --demangle "$beside" | awk '
    /^[0-9a-f]+ <.*>:$/ { name = substr($0, index($0, "<") + 1) }
    /%zmm|%k[1-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])/ { if (name != "") print name; name = "" }'
}
all=$(functions | grep -c . || true)
if [ "$all" -eq 0 ]; then
  echo "no function of $beside uses AVX-512: the unit for it is not there"
  exit 1
fi
shared=$(functions | grep 'santa::' | grep -v -e 'x86_64_v4' -e 'santa::test::' -e 'Kokkos::deep_copy' -e '^[^(]* Kokkos::' -e '^Kokkos::' || true)
if [ -n "$shared" ]; then
  printf 'functions that other units run as well use AVX-512:\n%s\n' "$shared"
  exit 1
fi
