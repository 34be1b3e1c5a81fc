"""New arrays beside those of a caller: of their framework, on their device."""

from __future__ import annotations

from typing import Any


def framework_of(array: Any) -> str:
    """Return "torch" or "cupy" for arrays of these and of classes derived from theirs, else "numpy"."""
    for base in type(array).__mro__:
        package = base.__module__.partition(".")[0]
        if package in ("torch", "cupy"):
            return package
    return "numpy"


def new_array(like: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """An array without content, as `like` is one: a tensor of PyTorch, an array of CuPy, else of NumPy.

    NumPy and CuPy have no bfloat16: there it is float32, which every call may write. JAX's arrays cannot be
    written: NumPy's are made, which JAX takes.
    """
    framework = framework_of(like)
    if framework == "torch":
        import torch

        return torch.empty(shape, dtype=getattr(torch, dtype), device=like.device)
    if framework == "cupy":
        import cupy as arrays
    else:
        import numpy as arrays  # type: ignore[no-redef]
    return arrays.empty(shape, "float32" if dtype == "bfloat16" else dtype)
