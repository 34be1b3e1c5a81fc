#!/bin/sh
# build.sh FOLDER [GGML]: santa_hosts, its variants and, from a checkout of ggml, ggml_attention, into FOLDER. With
#   KOKKOS  a prefix of Kokkos (lib/libkokkoscore.so or .a; include/, include/kokkos/ or usr/include/kokkos/)
#   MARCH   what all of it is compiled for (native)
#   VARIANTS  names of variants to build, of those below (all)
#   JOBS    1: one compiler at a time
# FOLDER/run PROGRAM ARGUMENT... starts one of them on the libraries that Kokkos came with, where those are newer than the
# system's: the folder can then be taken to another machine.
set -eu
folder=$1 ggml=${2:-}
source=$(cd "$(dirname "$0")/../.." && pwd)
kokkos=${KOKKOS:-$source/.deps/kokkos}
march=${MARCH:--march=native}
mkdir -p "$folder"

includes=
for include in include include/kokkos usr/include/kokkos; do
  if [ -e "$kokkos/$include/Kokkos_Core.hpp" ]; then includes="$includes -isystem $kokkos/$include"; fi
done
# shellcheck disable=SC2086 # lists of options
compile() { ${CXX:-g++} -std=c++20 -O3 -DNDEBUG -fopenmp $march -I"$source/include" -I"$source/bench" -I"$source/examples" $includes "$@"; }
# shellcheck disable=SC2086
link_with_kokkos() {
  ${CXX:-g++} -s -fopenmp "$@" -L"$kokkos/lib" -Wl,-rpath,"$kokkos/lib" -lkokkoscontainers -lkokkoscore -ldl \
    -Wl,--allow-shlib-undefined
}

for name in options kokkos_options rotation; do
  case $name in options) from=bench/portability ;; *) from=examples/decode ;; esac
  compile -c "$source/$from/$name.cpp" -o "$folder/$name.o" &
done
# Variants of the kernels: each names a build of its own.
build() { # name option...
  name=$1
  shift
  compile "$@" -c "$source/bench/peers/hosts.cpp" -o "$folder/$name.o" &&
    echo "$name" >>"$folder/built"
}
: >"$folder/built"
for name in santa_hosts ${VARIANTS-ahead_8 ahead_48 ahead_64 level_1 bf16_dots direct}; do
  case $name in
    santa_hosts) build santa_hosts & ;;
    ahead_*) build "$name" -DSANTA_ROWS_AHEAD="${name#ahead_}" & ;;
    level_*) build "$name" -DSANTA_KEY_LEVEL="${name#level_}" & ;;
    direct) build direct -DSANTA_DIRECT_STAGES & ;;
    bf16_dots) build bf16_dots -DSANTA_BF16_DOTS & ;;
    *) echo "no such variant: $name" >&2 && exit 2 ;;
  esac
  if [ "${JOBS:-0}" = 1 ]; then wait; fi
done
wait
while read -r name; do
  link_with_kokkos -o "$folder/$name" "$folder/$name.o" "$folder/options.o" "$folder/kokkos_options.o" "$folder/rotation.o"
done <"$folder/built"

printf '#!/bin/sh\nexec "$@"\n' >"$folder/run"
for loader in "$kokkos"/usr/lib/*/ld-linux*.so.*; do
  if [ -e "$loader" ]; then
    mkdir -p "$folder/lib"
    from=$(dirname "$loader")
    for name in c m dl pthread rt gcc_s gomp stdc++ kokkoscore kokkoscontainers; do
      cp -L "$from/lib$name".so.[0-9]* "$folder/lib/"
    done
    cp -L "$loader" "$folder/lib/"
    # shellcheck disable=SC2016 # for the script to expand
    printf '#!/bin/sh\nlib=$(dirname "$0")/lib\nexec "$lib/%s" --library-path "$lib" "$@"\n' "$(basename "$loader")" >"$folder/run"
  fi
done
chmod +x "$folder/run"

if [ -n "$ggml" ]; then
  native=ON
  if [ "$march" != -march=native ]; then native=OFF; fi
  cmake -S "$ggml" -B "$folder/ggml" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=$native \
    -DGGML_OPENMP=OFF -DGGML_BUILD_TESTS=OFF -DGGML_BUILD_EXAMPLES=OFF -DCMAKE_C_FLAGS="$march" \
    -DCMAKE_CXX_FLAGS="$march" >"$folder/ggml.log"
  cmake --build "$folder/ggml" --target ggml-cpu ggml-base -j "${JOBS:-8}" >>"$folder/ggml.log" 2>&1
  ${CC:-gcc} -O2 -std=gnu11 -I"$ggml/include" -c "$source/bench/peers/ggml_attention.c" -o "$folder/ggml_attention.o"
  ${CXX:-g++} -s "$folder/ggml_attention.o" -o "$folder/ggml_attention" \
    "$(find "$folder/ggml" -name libggml-cpu.a)" "$(find "$folder/ggml" -name libggml-base.a)" -lpthread -lm -ldl
fi
