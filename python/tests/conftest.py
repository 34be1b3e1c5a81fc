"""Which arrays tests run on: NumPy's, or those of PyTorch, CuPy and JAX with the same content (mirrored.py).

On a host NumPy's, unless SANTA_TEST_ARRAYS names others ("numpy torch jax copied"); with a module for CUDA those that are
installed. Where a module is compiled for less than all, arrays are copied ones: tests of what it lacks are skipped.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

import mirrored
import pytest
import santa

ON_DEVICE = santa.backend() == "Cuda"
LESS = any(names != "all" for names in santa.compiled_for().values())


def frameworks() -> list[str]:
    installed = [name for name in ("torch", "cupy") if importlib.util.find_spec(name) is not None]
    if not ON_DEVICE:
        installed = ["copied" if LESS else "numpy"]
    return os.environ.get("SANTA_TEST_ARRAYS", " ".join(installed)).split()


def pytest_configure(config: Any) -> None:
    config.addinivalue_line("markers", "numpy: about NumPy's arrays themselves")
    config.addinivalue_line("markers", "once: about numbers, whatever arrays they are in; with one framework's")
    config.addinivalue_line("markers", "host: about threads and memory of a host, by plans of any kind")


def pytest_generate_tests(metafunc: Any) -> None:
    own = ("test_compiled", "test_pages", "test_session", "test_transformers")
    if metafunc.module.__name__ in own:  # which have arrays of their own
        return
    names = frameworks()
    if "once" in {mark.name for mark in metafunc.definition.iter_markers()}:
        names = names[:1]
    if names != ["numpy"]:
        metafunc.fixturenames.append("arrays")
        metafunc.parametrize("arrays", names, indirect=True)


@pytest.fixture(autouse=True)
def arrays(request: Any, monkeypatch: Any) -> str:
    """Have a test's module call santa with arrays of the framework that is its parameter."""
    name = getattr(request, "param", "numpy")
    marks = {mark.name for mark in request.node.iter_markers()}
    if "host" in marks and (ON_DEVICE or LESS):
        pytest.skip("of a host's module for all")
    if name == "numpy":
        return name
    if "numpy" in marks:
        pytest.skip("of NumPy's arrays")
    device = "cuda" if ON_DEVICE else "cpu"
    made = {"torch": lambda: mirrored.Torch(device), "cupy": mirrored.CuPy, "jax": mirrored.Jax, "copied": mirrored.Copied}
    module = mirrored.Mirror(made[name]()).module()
    monkeypatch.setitem(sys.modules, "santa", module)
    monkeypatch.setattr(request.module, "santa", module)
    return name
