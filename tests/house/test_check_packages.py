"""Tests of check_packages.py, and of what it can't read: the Spack recipe as Python, the others by their schemas.

python3 -m unittest discover --start-directory tests/house
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_packages

ROOT = Path(__file__).resolve().parents[2]


class RulesTest(unittest.TestCase):
    """On a copy of the repository's own files."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name in ("CMakeLists.txt", "LICENSE", "include/santa/core/version.hpp", "examples/first_step.cpp",
                     *check_packages.PATTERNS):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        for name in ("cmake", "tests/package"):
            shutil.copytree(ROOT / name, self.root / name, dirs_exist_ok=True)

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        self.assertIn(old, text)
        path.write_text(text.replace(old, new), encoding="utf-8")

    def expect(self, *findings: str) -> None:
        self.assertEqual([str(finding) for finding in check_packages.check(self.root)], list(findings))

    def test_nothing_is_found_where_all_is_well(self) -> None:
        self.expect()

    def test_what_differs(self) -> None:
        library = check_packages.facts_of_library(self.root)
        for name in ("CITATION.cff", check_packages.CONDA, check_packages.SPACK):
            for what, value in library._asdict().items():
                with self.subTest(name=name, what=what):
                    self.replace(name, value, "other")
                    self.expect(f"{name}:1: [agree] its {what} is 'other'; the library's is {value!r}")
                    self.replace(name, "other", value)
        self.replace("cmake/santa.pc.in", "License: Apache-2.0", "License: MIT")
        self.expect("cmake/santa.pc.in:1: [agree] its licence is 'MIT'; the library's is 'Apache-2.0'")

    def test_what_is_gone(self) -> None:
        (self.root / "CITATION.cff").unlink()
        self.assertEqual([finding.place for finding in check_packages.check(self.root)], ["CITATION.cff:1"] * 3)

    def test_the_python_package(self) -> None:
        library = check_packages.facts_of_library(self.root)
        path = self.root / check_packages.PYTHON
        path.parent.mkdir()
        path.write_text(f'[project]\ndescription = "{library.description}"\nlicense = "Apache-2.0"\ndynamic = ["version"]\n')
        self.expect()
        path.write_text(f'[project]\ndescription = "Other"\nlicense = {{text = "MIT"}}\nversion = "{library.version}"\n')
        self.expect(
            "python/pyproject.toml:1: [agree] its licence is 'MIT'; the library's is 'Apache-2.0'",
            f"python/pyproject.toml:1: [agree] its description is 'Other'; the library's is {library.description!r}",
        )

    def test_options_that_are_none(self) -> None:
        self.replace("cmake/SantaKernels.cmake", "set(SANTA_KERNELS_CHOICE ", "set(SANTA_KERNELS_CHOICES ")
        self.assertEqual([(finding.place.partition(":")[0], finding.text) for finding in check_packages.check(self.root)],
                         [(check_packages.SPACK, "CMake has no option SANTA_KERNELS_CHOICE")])

    def test_files_that_are_gone(self) -> None:
        (self.root / "examples/first_step.cpp").unlink()
        self.assertEqual([finding.text for finding in check_packages.check(self.root)],
                         ["there is no examples/first_step.cpp"])


class Spec:
    """Stands in for a concrete spec: the variants that are on."""

    def __init__(self, *variants: str) -> None:
        self._on = variants
        self.variants = {"cuda_arch": types.SimpleNamespace(value=("90",))}

    def satisfies(self, variant: str) -> bool:
        return variant in self._on


class SpackTest(unittest.TestCase):
    """The recipe, read as Spack reads it: its directives are noted, its arguments asked for."""

    def setUp(self) -> None:
        self.directives: list[tuple[str, str]] = []

        def directive(name: str):
            return lambda first, *rest, **named: self.directives.append((name, first))

        class Package:
            cuda_arch_values = ("89", "90")

            def define(self, name: str, value: object) -> tuple[str, object]:
                return name, value

            def __getitem__(self, name: str) -> types.SimpleNamespace:
                return types.SimpleNamespace(prefix=f"/{name}", kokkos_cxx=f"/{name}/bin/nvcc_wrapper")

        api = types.ModuleType("spack.package")
        for name in ("conflicts", "depends_on", "license", "variant", "version"):
            setattr(api, name, directive(name))
        modules = {"spack": types.ModuleType("spack"), "spack.package": api}
        for name in ("spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"):
            modules[name] = types.ModuleType(name)
        for name, base in (("cmake", "CMakePackage"), ("cuda", "CudaPackage")):
            modules[f"spack_repo.builtin.build_systems.{name}"] = module = types.ModuleType(name)
            setattr(module, base, type(base, (Package,), {}))
        spec = importlib.util.spec_from_file_location("recipe", ROOT / check_packages.SPACK)
        recipe = importlib.util.module_from_spec(spec)
        with mock.patch.dict(sys.modules, modules), mock.patch.object(sys, "dont_write_bytecode", True):
            spec.loader.exec_module(recipe)
        self.package = recipe.Santa()

    def test_directives(self) -> None:
        self.assertIn(("license", "Apache-2.0"), self.directives)
        for first in ("kokkos@4.6:5 cxxstd=20", "kokkos+cuda cuda_arch=90"):
            self.assertIn(("depends_on", first), self.directives)
        self.assertEqual(self.package.git, ROOT.as_uri())

    def test_arguments(self) -> None:
        self.package.spec = Spec("+kernels")
        host = dict(self.package.cmake_args())
        self.assertEqual((host["Kokkos_ROOT"], host["SANTA_BUILD_KERNELS"]), ("/kokkos", True))
        self.assertNotIn("CMAKE_CXX_COMPILER", host)
        self.package.spec = Spec("+cuda")
        device = dict(self.package.cmake_args())
        self.assertEqual((device["CMAKE_CXX_COMPILER"], device["CMAKE_CUDA_ARCHITECTURES"], device["SANTA_BUILD_KERNELS"]),
                         ("/kokkos/bin/nvcc_wrapper", ("90",), False))


class SchemaTest(unittest.TestCase):
    @unittest.skipUnless(importlib.util.find_spec("yaml"), "needs PyYAML")
    def test_the_conda_recipe_is_yaml(self) -> None:
        import yaml

        recipe = yaml.safe_load((ROOT / check_packages.CONDA).read_text(encoding="utf-8"))
        self.assertEqual(set(recipe), {"schema_version", "context", "package", "source", "build", "requirements", "tests",
                                       "about"})
        self.assertTrue((ROOT / check_packages.CONDA).parent.joinpath(recipe["source"]["path"], "CMakeLists.txt").is_file())
        self.assertEqual([line.split()[:2] for line in recipe["build"]["script"]],
                         [["cmake", "-S"], ["cmake", "--build"], ["cmake", "--install"]])

    @unittest.skipUnless(importlib.util.find_spec("cffconvert"), "needs cffconvert")
    def test_the_citation_by_its_schema(self) -> None:
        from cffconvert import Citation

        Citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")).validate()


if __name__ == "__main__":
    unittest.main()
