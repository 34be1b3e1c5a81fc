"""Tests of compile_cost.py that compile nothing.

python3 -m unittest discover --start-directory tools
"""

from __future__ import annotations

import io
import json
import struct
import sys
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compile_cost
from compile_cost import CostError

LAUNCH = "_ZN6Kokkos4Impl33cuda_parallel_launch_local_memoryINS0_11ParallelForI"
CONTEXT = "INS5_13KernelContextINS3_5lanes9for_plain7ExtentsILi{}ELi{}ELb1EEEEE"
DETAIL = "N5santa6detail9for_plain"
FILL = LAUNCH + "NS0_16ViewValueFunctorINS_6DeviceINS_4CudaEEEN5santa8bfloat16EEEEEvT_"


def kernel(name: str, heads: int, dim: int, rest: str) -> str:
    return LAUNCH + DETAIL + name + CONTEXT.format(heads, dim) + rest + "EEvT_"


EXACT = kernel("11SweepKernel", 4, 128, "NS5_9ExactRuleELb0ELb0E")
JOINT = kernel("11SweepKernel", 4, 128, "NS5_6RecipeINS3_10MassUnitOfILNS3_5DrawsE0EEEE4RuleELb0E")
JOINT_8 = kernel("11SweepKernel", 8, 128, "NS5_6RecipeINS3_10MassUnitOfILNS3_5DrawsE0EEEE4RuleELb0E")
DELTA = kernel("11DeltaKernel", 4, 128, "LNS3_5DrawsE0EE")
DELTA_L2 = kernel("11DeltaKernel", 4, 128, "LNS3_5DrawsE1EE")


def elf(sections: dict[str, int]) -> bytes:
    """A file with these sections, of so many bytes each, and their names."""
    strings = b"\0.shstrtab\0"

    def head(name: int, size: int) -> bytes:
        return struct.pack("<II4Q2I2Q", name, 1, 0, 0, 64, size, *[0] * 4)

    heads = [head(0, 0)]
    for name, size in sections.items():
        heads.append(head(len(strings), size))
        strings += name.encode() + b"\0"
    heads.append(head(1, len(strings)))
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack(
        "<16sHHI3QI6H",
        *(identity, 2, 190, 1, 0, 0, 64 + len(strings), 0),
        *(64, 0, 0, 64, len(heads), len(heads) - 1),
    )
    return header + strings + b"".join(heads)


def cubin(sizes: dict[str, int]) -> bytes:
    sections = {".nv.info": 12}
    for symbol, size in sizes.items():
        sections[".text." + symbol] = size
        sections[".nv.constant0." + symbol] = 900
    return elf(sections)


class ElfTest(unittest.TestCase):
    def test_sections_have_their_names_and_sizes(self) -> None:
        found = compile_cost.elf_sections(elf({".text.a": 32, ".data": 5}))
        self.assertEqual(
            [tuple(section) for section in found[:-1]],
            [("", 0), (".text.a", 32), (".data", 5)],
        )
        self.assertEqual(found[-1].name, ".shstrtab")

    def test_what_is_no_such_file_is_refused(self) -> None:
        whole = elf({".text.a": 32})
        for data in (b"", b"\x7fELF\x01\x01", whole[4:]):
            with self.subTest(data[:8]), self.assertRaisesRegex(CostError, "not a 64"):
                compile_cost.elf_sections(data)
        for size in (16, 60, 70, len(whole) - 30):
            with self.subTest(size), self.assertRaisesRegex(CostError, "a broken ELF"):
                compile_cost.elf_sections(whole[:size])


class KernelsTest(unittest.TestCase):
    def test_those_of_kokkos_and_functions_are_not_counted(self) -> None:
        data = cubin({EXACT: 160, FILL: 80})
        self.assertEqual(compile_cost.kernels(data), {EXACT: 160})
        self.assertEqual(compile_cost.kernels(elf({".text." + EXACT: 160})), {})

    def test_lambdas_and_reductions_are(self) -> None:
        functor = "ParallelReduceINS0_22CombinedFunctorReducerI" + DETAIL
        names = (
            LAUNCH + "ZN5santa6detail4fillEvEUlvE_EEvT_",
            LAUNCH + "ZNK5santa10DecodePlanIiE3runEvEUlvE_EEvT_",
            f"_ZN6Kokkos4Impl20cuda_parallel_launchINS0_14{functor}3SumEEEEvT_",
        )
        found = compile_cost.kernels(cubin(dict.fromkeys(names, 16)))
        self.assertEqual(tuple(found), names)

    def test_kernels_of_ptx(self) -> None:
        declared = (f".weak .func {JOINT}(", f".weak .entry {EXACT}(\n", "ret;")
        lines = (*declared, f".visible .entry {DELTA}(", f".entry {FILL}(")
        self.assertEqual(compile_cost.entries("\n".join(lines)), {EXACT, DELTA})

    def test_main_kernels_are_told_from_others(self) -> None:
        sizes = {EXACT: 160, JOINT: 320, JOINT_8: 480, DELTA: 640, DELTA_L2: 800}
        found = compile_cost.kernels(cubin(sizes))
        for name, count in (("exact", 10), ("mass_unit", 20), ("delta", 40)):
            _, pattern = compile_cost.KERNELS[name]
            self.assertEqual(compile_cost.instructions(found, pattern), count)

    def test_none_or_two_are_no_answer(self) -> None:
        _, pattern = compile_cost.KERNELS["exact"]
        with self.assertRaisesRegex(CostError, "0 of 1 kernels match .*ExactRule"):
            compile_cost.instructions({JOINT: 16}, pattern)
        with self.assertRaisesRegex(CostError, "2 of 2 kernels match .*ExactRule"):
            compile_cost.instructions({EXACT: 16, EXACT + "_": 16}, pattern)


class HostTest(unittest.TestCase):
    def test_multiples(self) -> None:
        self.assertEqual(compile_cost.multiple(7.0, 3.0), 2.33)

    def test_time_is_that_of_what_a_command_starts(self) -> None:
        busy = "import time\nwhile time.process_time() < 0.3: pass"
        start = f"import subprocess as s, sys; s.run([sys.executable, '-c', {busy!r}])"
        seconds = compile_cost.processor_seconds([sys.executable, "-c", start], "busy")
        self.assertLess(0.3, seconds)
        self.assertLess(seconds, 3.0)

    def test_a_command_that_fails_is_shown(self) -> None:
        command = [sys.executable, "-c", "import sys; sys.exit('no such header')"]
        with self.assertRaisesRegex(CostError, "demo: .*failed:\nno such header"):
            compile_cost.processor_seconds(command, "demo")
        with self.assertRaisesRegex(CostError, "absent-compiler: No such file"):
            compile_cost.processor_seconds(["absent-compiler"], "demo")

    def test_headers_are_found_in_both_kinds_of_prefix(self) -> None:
        for place in ("include", "usr/include/kokkos"):
            with self.subTest(place), tempfile.TemporaryDirectory() as folder:
                prefix = Path(folder)
                with self.assertRaisesRegex(CostError, "holds no Kokkos"):
                    compile_cost.kokkos_includes(prefix)
                (prefix / place).mkdir(parents=True)
                (prefix / place / "Kokkos_Core.hpp").touch()
                self.assertEqual(compile_cost.kokkos_includes(prefix), prefix / place)

    def test_a_kokkos_without_cuda_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "KokkosCore_config.h"
            config.write_text("#define KOKKOS_VERSION 40699\n")
            with self.assertRaisesRegex(CostError, "without CUDA"):
                compile_cost.kokkos_version(config.parent)
            config.write_text(config.read_text() + "#define KOKKOS_ENABLE_CUDA\n")
            self.assertEqual(compile_cost.kokkos_version(config.parent), 40699)


class ResultsTest(unittest.TestCase):
    def test_what_was_not_measured_stays(self) -> None:
        old = {
            "host": {"include": 2.0, "demo": 50.0},
            "cuda": {"instructions": {"a": 1}},
        }
        new = {"host": {"include": 3.0, "quickstart_linked": None}}
        self.assertEqual(
            compile_cost.merged(old, new),
            {
                "host": {"include": 3.0, "demo": 50.0, "quickstart_linked": None},
                "cuda": {"instructions": {"a": 1}},
            },
        )
        self.assertEqual(old["host"], {"include": 2.0, "demo": 50.0})

    def test_files_of_results(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "compile.json"
            self.assertEqual(compile_cost.read_results(path), {})
            path.touch()
            self.assertEqual(compile_cost.read_results(path), {})
            path.write_text(json.dumps({"host": {}}))
            self.assertEqual(compile_cost.read_results(path), {"host": {}})
            for text, error in (("{", "is not JSON"), ("[]", "is not an object")):
                path.write_text(text)
                with self.subTest(text), self.assertRaisesRegex(CostError, error):
                    compile_cost.read_results(path)

    def test_results_that_cannot_be_written_are_told_before_measuring(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "none" / "compile.json"
            with (
                mock.patch.object(sys, "argv", ["", "--out", str(output)]),
                mock.patch.object(compile_cost, "measure") as measure,
                redirect_stderr(io.StringIO()) as errors,
            ):
                self.assertEqual(compile_cost.main(), 2)
            measure.assert_not_called()
            self.assertIn(str(output), errors.getvalue())


if __name__ == "__main__":
    unittest.main()
