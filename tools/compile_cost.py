#!/usr/bin/env python3
"""Measure what the library costs whoever compiles it.

    tools/compile_cost.py                            what a host's compiler takes
    tools/compile_cost.py --demo                     and the whole demo (minutes)
    tools/compile_cost.py --cuda .deps/kokkos-cuda   kernels and instructions (minutes)

The results go to bench/results/compile.json; what a run does not measure stays
there as it was.

    host
      kokkos_seconds         a file that includes Kokkos and starts it: processor time of
                             the compiler, -O3 for this machine's processor (--march), no
                             linking, median of three
      include                as many times that: santa.hpp as well, nothing of it used
      quickstart             examples/quickstart.cpp
      quickstart_linked      the same for linking compiled kernels (-DSANTA_KERNELS);
                             null where the library has none
      demo                   all that the workflow "demo" compiles, in a clean clone
    cuda
      kernels_all_extents    of one plan of MassUnit on bf16; Kokkos' own don't count
      kernels_named_extents  with SANTA_ONLY_EXTENTS=4,128
      instructions           of the main kernels at 4 query heads of 128, on sm_90
      instructions_sm_89     on sm_89

Only the multiples and the counts can be compared between machines. Multiples move by a
few percent from run to run, more where other programs run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 3

# Which kernels are the library's, by their mangled names: Kokkos launches a class of
# namespace santa, or a lambda of one of its functions.
OWN = r"Parallel(?:For|Reduce|Scan)I(?:NS\d*_\d+CombinedFunctorReducerI)?Z?NK?5santa"
# The main kernels at 4 heads of 128, each in the cubin of one plan.
AT_4_128 = r".*ExtentsILi4ELi128E"
KERNELS = {
    "exact": ("Exact", rf"11SweepKernel{AT_4_128}.*9ExactRule"),
    # With error bars, and without them: by scores in the order of products.
    "mass_unit": (
        "MassUnit",
        rf"11SweepKernel(?!.*5JointI){AT_4_128}.*MassUnitOfILNS3_5DrawsE0E",
    ),
    "mass_unit_joint": (
        "MassUnit",
        rf"11SweepKernel.*5JointI{AT_4_128}.*MassUnitOfILNS3_5DrawsE0E",
    ),
    "merge": ("MassUnit", r"11MergeKernelI.*MassUnitArguments"),
    "subset": ("MassUnit", rf"12SubsetKernel{AT_4_128}.*5DrawsE0E"),
    "delta": ("MassUnit", r"11DeltaKernelI.*5DrawsE0E"),
}
# sm_90 is the one that all extents are counted for.
ARCHITECTURES = {"sm_90": "instructions", "sm_89": "instructions_sm_89"}
BYTES_AN_INSTRUCTION = 16
NAMED_EXTENTS = "-DSANTA_ONLY_EXTENTS=4\\,128"  # nvcc splits arguments at plain commas

START = """{include}#include <Kokkos_Core.hpp>

int main(int argc, char* argv[]) {{ const Kokkos::ScopeGuard kokkos(argc, argv); }}
"""
PLAN = """#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

using Space = Kokkos::DefaultExecutionSpace;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Space::memory_space>;

int main(int argc, char* argv[]) {{
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Space space;
  const View<float***> query("query", 1, 32, 128), out("out", 1, 32, 128);
  const View<santa::bfloat16****> rows("rows", 1, 1024, 8, 128);
  const santa::ContiguousCache cache{{rows, rows}};
  const santa::DecodePlan plan{{space, santa::{method}{{}}, query, cache}};
  plan.run(space, query, cache, out);
}}
"""


class CostError(Exception):
    """What could not be measured and why, in one sentence."""


# --- Processor time ------------------------------------------------------------------


def environment() -> dict[str, str]:
    """That of this process, without a cache of compilations."""
    own = dict(os.environ, CCACHE_DISABLE="1")
    for name in ("CMAKE_CXX_COMPILER_LAUNCHER", "CMAKE_CUDA_COMPILER_LAUNCHER"):
        own.pop(name, None)
    return own


def processor_seconds(command: list[str], what: str) -> float:
    """User and system time of a command with all that it starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise CostError(f"{command[0]}: {error.strerror}") from error
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise CostError(f"{what}: {' '.join(command)} failed:\n{done.stdout[-4000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def multiple(seconds: float, unit: float) -> float:
    return round(seconds / unit, 2)


# --- Host ----------------------------------------------------------------------------


def kokkos_includes(prefix: Path) -> Path:
    """The folder of Kokkos' headers in an installation, or in unpacked packages."""
    places = ("include", "include/kokkos", "usr/include", "usr/include/kokkos")
    for place in places:
        if (prefix / place / "Kokkos_Core.hpp").is_file():
            return prefix / place
    raise CostError(
        f"{prefix} holds no Kokkos: no Kokkos_Core.hpp in {', '.join(places)}; "
        f"configure once (cmake --preset openmp), or name another with --prefix"
    )


def knows_compiled_kernels() -> bool:
    headers = (ROOT / "include").rglob("*.hpp")
    return any("SANTA_KERNELS" in path.read_text(encoding="utf-8") for path in headers)


def measure_host(
    compiler: str, march: str, kokkos: Path, folder: Path
) -> dict[str, Any]:
    """Rounds of all files, so that what else the machine does meets each alike."""
    start, include = folder / "start.cpp", folder / "include.cpp"
    start.write_text(START.format(include=""), encoding="utf-8")
    with_santa = START.format(include="#include <santa/santa.hpp>\n\n")
    include.write_text(with_santa, encoding="utf-8")
    quickstart = ROOT / "examples" / "quickstart.cpp"
    files: dict[str, tuple[Path, list[str]]] = {
        "kokkos": (start, []),
        "include": (include, []),
        "quickstart": (quickstart, []),
    }
    if knows_compiled_kernels():
        files["quickstart_linked"] = (quickstart, ["-DSANTA_KERNELS"])

    common = [compiler, "-std=c++20", "-O3", "-DNDEBUG", "-fopenmp"]
    if march:
        common.append(f"-march={march}")
    common += ["-I", str(ROOT / "include"), "-isystem", str(kokkos_includes(kokkos))]
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(REPEATS):
        for name, (source, flags) in files.items():
            output = ["-c", str(source), "-o", str(folder / "measured.o")]
            times[name].append(processor_seconds([*common, *flags, *output], name))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    unit = medians.pop("kokkos")
    result: dict[str, Any] = {"kokkos_seconds": round(unit, 2)}
    result.update({name: multiple(taken, unit) for name, taken in medians.items()})
    result.setdefault("quickstart_linked", None)
    return result


def demo_seconds(compiler: str, prefix: Path | None, folder: Path) -> float:
    """What the workflow "demo" compiles, in a clone of the last commit."""
    clone = folder / "clone"
    processor_seconds(["git", "clone", "--quiet", str(ROOT), str(clone)], "demo")
    settings = [f"CMAKE_CXX_COMPILER={compiler}", "CMAKE_CXX_COMPILER_LAUNCHER="]
    settings.append(f"SANTA_DEPS_DIR={ROOT / '.deps'}")
    if prefix:
        settings.append(f"Kokkos_ROOT={prefix}")
    steps = ["cmake", "-S", str(clone), "-B", str(clone / "build" / "openmp")]
    steps += ["--preset", "openmp", *(f"-D{setting}" for setting in settings)]
    processor_seconds(steps, "demo")
    build = ["cmake", "--build", str(clone / "build" / "openmp"), "-j", "2"]
    return processor_seconds([*build, "--target", "santa-decode"], "demo")


# --- CUDA ----------------------------------------------------------------------------


class Section(NamedTuple):
    name: str
    size: int


def elf_sections(data: bytes) -> list[Section]:
    """The sections of a 64-bit ELF file of little-endian numbers, which a cubin is."""
    try:
        if data[:6] != b"\x7fELF\x02\x01":
            raise CostError("not a 64-bit little-endian ELF file")
        (table,) = struct.unpack_from("<Q", data, 0x28)
        entry, count, names = struct.unpack_from("<HHH", data, 0x3A)
        heads = [
            struct.unpack_from("<I20xQQ", data, table + i * entry) for i in range(count)
        ]
        _, place, size = heads[names]
        strings = data[place : place + size]
        result = []
        for name, _, size in heads:
            end = strings.index(b"\0", name)
            result.append(Section(strings[name:end].decode(), size))
        return result
    except (struct.error, IndexError, ValueError) as error:
        raise CostError(f"a broken ELF file: {error}") from error


def kernels(data: bytes) -> dict[str, int]:
    """Bytes of code of the library's kernels in a cubin, by their mangled names.

    A kernel has a bank of constants, its arguments; other functions have none.
    """
    sections = elf_sections(data)
    banks = {section.name for section in sections}
    found = {}
    for name, size in sections:
        symbol = name.removeprefix(".text.")
        if symbol == name or f".nv.constant0.{symbol}" not in banks:
            continue
        if re.search(OWN, symbol):
            found[symbol] = size
    return found


def entries(ptx: str) -> set[str]:
    """The library's kernels in PTX."""
    names = re.findall(r"\.entry\s+([\w$]+)", ptx)
    return {name for name in names if re.search(OWN, name)}


def instructions(found: dict[str, int], pattern: str) -> int:
    """Of the one kernel whose name matches."""
    sizes = [size for symbol, size in found.items() if re.search(pattern, symbol)]
    if len(sizes) != 1:
        raise CostError(
            f"{len(sizes)} of {len(found)} kernels match {pattern}, not one: "
            "has a kernel another name now? They are in KERNELS of this script"
        )
    return sizes[0] // BYTES_AN_INSTRUCTION


def kokkos_version(includes: Path) -> int:
    """As Kokkos counts: 40699 is 4.6.99."""
    config = includes / "KokkosCore_config.h"
    text = config.read_text(encoding="utf-8")
    found = re.search(r"#define KOKKOS_VERSION (\d+)", text)
    if not found:
        raise CostError(f"{config} names no KOKKOS_VERSION")
    if "#define KOKKOS_ENABLE_CUDA\n" not in text:
        raise CostError(f"{config.parent} is of a Kokkos without CUDA")
    return int(found[1])


class Nvcc:
    """Compiles plans for the device: half of what nvcc_wrapper does."""

    def __init__(self, prefix: Path, folder: Path) -> None:
        nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
        if not nvcc:
            raise CostError("no nvcc on the PATH")
        includes = kokkos_includes(prefix)
        flags = "-x cu -std=c++20 -O3 -DNDEBUG --extended-lambda"
        self._command = [nvcc, *flags.split(), "--expt-relaxed-constexpr", "-w"]
        self._command += ["-Xcompiler", "-fopenmp", "-I", str(ROOT / "include")]
        self._command += ["-isystem", str(includes)]
        if kokkos_version(includes) < 40700:
            compatible = ROOT / "cmake" / "santa_cuda13_compat.hpp"
            self._command += ["-include", str(compatible)]
        self._folder = folder

    def compile(self, method: str, architecture: str, *flags: str) -> Path:
        """A plan of the method, to what the flags say."""
        source, output = self._folder / "plan.cpp", self._folder / "plan.out"
        source.write_text(PLAN.format(method=method), encoding="utf-8")
        command = [*self._command, f"-arch={architecture}", *flags, str(source)]
        what = " ".join((method, architecture, *flags))
        seconds = processor_seconds([*command, "-o", str(output)], what)
        print(f"  {what}: {seconds:.0f} s", flush=True)
        return output


def measure_cuda(prefix: Path, folder: Path) -> dict[str, Any]:
    nvcc = Nvcc(prefix, folder)
    methods = dict.fromkeys(method for method, _ in KERNELS.values())
    result: dict[str, Any] = {}
    for architecture, entry in ARCHITECTURES.items():
        named = {}
        for method in methods:
            cubin = nvcc.compile(method, architecture, "-cubin", NAMED_EXTENTS)
            named[method] = kernels(cubin.read_bytes())
        result[entry] = {
            kernel: instructions(named[method], pattern)
            for kernel, (method, pattern) in KERNELS.items()
        }
        result.setdefault("kernels_named_extents", len(named["MassUnit"]))
    # To be counted they need not be assembled, which would take minutes more.
    every = nvcc.compile("MassUnit", next(iter(ARCHITECTURES)), "-ptx")
    count = len(entries(every.read_text(encoding="utf-8")))
    return {"kernels_all_extents": count, **result}


# --- Results -------------------------------------------------------------------------


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Entries of both, the new ones where both have one; objects inside alike."""
    result = dict(old)
    for name, value in new.items():
        known = old.get(name)
        both = isinstance(known, dict) and isinstance(value, dict)
        result[name] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def read_results(path: Path) -> dict[str, Any]:
    """Those of earlier runs; none where there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
        results = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CostError(f"{path} is not JSON: {error}") from error
    if not isinstance(results, dict):
        raise CostError(f"{path} is not an object")
    return results


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    prefix = arguments.prefix or ROOT / ".deps" / "kokkos"
    print("host:", flush=True)
    host = measure_host(arguments.compiler, arguments.march, prefix, folder)
    if arguments.demo:
        seconds = demo_seconds(arguments.compiler, arguments.prefix, folder)
        host["demo"] = multiple(seconds, host["kokkos_seconds"])
    for name, value in host.items():
        print(f"  {name}: {value}", flush=True)
    if not arguments.cuda:
        return {"host": host}
    print("cuda:", flush=True)
    return {"host": host, "cuda": measure_cuda(arguments.cuda, folder)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--prefix",
        type=Path,
        metavar="FOLDER",
        help="an installed Kokkos for the host (default: the one in .deps)",
    )
    parser.add_argument("--compiler", default="g++", help="for the host (default: g++)")
    parser.add_argument(
        "--march",
        default="native",
        help="instruction set for the host, as the project's own programs have it"
        " (default: native; '': the compiler's own)",
    )
    parser.add_argument("--demo", action="store_true", help="measure the demo as well")
    parser.add_argument(
        "--cuda",
        type=Path,
        metavar="FOLDER",
        help="measure kernels as well, with the CUDA Kokkos that is installed there",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "bench" / "results" / "compile.json",
        metavar="FILE",
        help="the results (default: bench/results/compile.json)",
    )
    arguments = parser.parse_args()
    if arguments.prefix:
        arguments.prefix = arguments.prefix.resolve()
    try:
        old = read_results(arguments.out)
        arguments.out.open("a").close()  # now, rather than after minutes of work
        with tempfile.TemporaryDirectory() as folder:
            new = measure(arguments, Path(folder))
        text = json.dumps(merged(old, new), indent=2) + "\n"
        arguments.out.write_text(text, encoding="utf-8")
    except (CostError, OSError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
