#!/bin/sh
# build_devices.sh FOLDER FLASHINFER: beside_flashinfer, into FOLDER, with a checkout of flashinfer-ai/flashinfer (its
# headers, and those of 3rdparty/cccl). With
#   KOKKOS  a prefix of Kokkos with CUDA and its nvcc_wrapper (docs/cuda.md)
#   ARCH    sm_90 (FlashInfer: sm_90a)
#   CCCL    another checkout of NVIDIA/cccl
# A minute of one core for each of six files.
set -eu
folder=$1 flashinfer=$2
source=$(cd "$(dirname "$0")/../.." && pwd)
kokkos=${KOKKOS:-$source/.deps/kokkos-cuda}
cccl=${CCCL:-$flashinfer/3rdparty/cccl}
arch=${ARCH:-sm_90}
export NVCC_WRAPPER_DEFAULT_COMPILER="${CXX:-g++}"
mkdir -p "$folder"

nvcc -std=c++17 -arch="${arch}a" -O3 -DNDEBUG --expt-relaxed-constexpr -I"$cccl/libcudacxx/include" -I"$cccl/cub" \
  -I"$cccl/thrust" -isystem "$flashinfer/include" -c "$source/bench/peers/device/flashinfer.cu" -o "$folder/flashinfer.o"

suppress=
for warning in 20011 20013 20014 20015 128 549; do suppress="$suppress -Xcudafe --diag_suppress=$warning"; done
compile() { # file [extents]
  # shellcheck disable=SC2086 # a list of options
  "$kokkos/bin/nvcc_wrapper" -std=c++20 -arch="$arch" -O3 -DNDEBUG -fopenmp -extended-lambda ${2:+"-DSANTA_ONLY_EXTENTS=$2"} \
    $suppress -include "$source/cmake/santa_cuda13_compat.hpp" -I"$source/bench" -I"$source/examples" \
    -I"$source/include" -isystem "$kokkos/include" -c "$1" -o "$folder/$(basename "$1" .cpp).o"
}
for name in even paged scaled; do compile "$source/bench/peers/device/$name.cpp" 4,128; done
compile "$source/bench/peers/device/tokens.cpp" 16,128
for file in bench/peers/device/beside_flashinfer bench/portability/options examples/decode/kokkos_options; do
  compile "$source/$file.cpp"
done
cd "$folder"
"$kokkos/bin/nvcc_wrapper" -arch="$arch" -fopenmp beside_flashinfer.o even.o paged.o scaled.o tokens.o options.o \
  kokkos_options.o flashinfer.o -o beside_flashinfer -L"$kokkos/lib" -lkokkoscontainers -lkokkoscore -lcuda -ldl
