#!/usr/bin/env bash
# Builds the Python module by pip in a virtual environment and runs its tests: python/check.sh [<pip option>...]
# Needs python3-venv and python3-dev of Debian, and a C++ compiler; Kokkos comes as for the project itself.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$PWD/build/python
venv=$build/venv
python3 -m venv "$venv"
"$venv/bin/pip" --quiet install 'scikit-build-core>=0.10' 'nanobind>=3.1,<4' numpy ml_dtypes pytest cmake ninja

# Debian's Kokkos, where it is here already: by itself pip takes it only where Python runs on its C library.
options=()
loader=
if [ -e .deps/kokkos/.packages ] && [ -z "${Kokkos_ROOT:-}" ]; then
  options+=(-C cmake.define.SANTA_KOKKOS=debian)
  loader=$(echo .deps/kokkos/usr/lib/*/ld-linux*.so.*)
fi
CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-2} \
  "$venv/bin/pip" --quiet install --no-deps --no-build-isolation --force-reinstall "${options[@]}" "$@" ./python

# python <argument>...: the environment's, on the C library that Kokkos was built for.
python() {
  if [ -n "$loader" ]; then
    "$loader" --library-path "$(dirname "$loader")" --argv0 "$venv/bin/python" "$venv/bin/python" "$@"
  else
    "$venv/bin/python" "$@"
  fi
}

export OMP_PROC_BIND=false OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
python -m nanobind.stubgen --quiet --module santa._core --output-file "$build/_core.pyi"
diff python/santa/_core.pyi "$build/_core.pyi" || { echo "python/santa/_core.pyi is not that of the module"; exit 1; }
python -m pytest --quiet -p no:cacheprovider python/tests
