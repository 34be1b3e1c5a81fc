"""Tests' NumPy arrays in the memory of another framework: `santa` as tests call it, for arrays of PyTorch, CuPy or JAX.

Each array that a call is given has a copy of its memory there, with all that are views of one: written before a call,
read back behind it. So the tests that are written for NumPy run on a device's arrays, strides and all. JAX's arrays
have no strides and are never written: what has, and what a call writes, stays NumPy's.
"""

from __future__ import annotations

import ctypes
import weakref
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import santa

#: What takes or gives arrays, or has methods that do.
NAMES = (
    *("ClusterPlan", "ClusterState", "ClusteredCache", "ClusteredKeys", "ContiguousCache", "DecodePlan", "DecodeState"),
    *("NarrowCache", "NarrowKeys", "NewestClusters", "PagedCache", "TokenSampler", "append", "cluster_keys", "decode"),
    *("discrepancy", "draw_distinct", "gather_add", "list_ancestors", "resample", "thin_rows", "validate"),
)
#: What a module says that is compiled for less than all (see `santa.compiled_for`), or of bits that nothing names.
SKIPPED = (
    *("what this module is compiled for", "what the named kernels take", "where extents of kernels are named"),
    *("new keys's dtype is uint16", "is a read-only jaxlib"),  # a cache's rows, which `append` writes
)
#: Arguments that calls write, by name, and where a call has one by its place.
WRITTEN = {
    *("ancestors", "effective_sample_size", "error", "log_evidence", "log_sum", "logit", "lse", "out", "score"),
    *("statistics", "sum", "tokens"),
}
PLACES = {"run": 2, "decode": 5, "resample": 2, "gather_add": 2}
#: Types that a framework has only the bits of.
BITS = {np.dtype(ml_dtypes.bfloat16): np.uint16, np.dtype(ml_dtypes.float8_e4m3fn): np.uint8}


class Torch:
    """Memory of PyTorch's, on a device that it names."""

    has_types, is_written = True, True

    def __init__(self, device: str) -> None:
        import torch

        self.torch, self.device = torch, device
        self.array = torch.Tensor

    def allocate(self, size: int) -> Any:
        return self.torch.empty(size, dtype=self.torch.uint8, device=self.device)

    def write(self, memory: Any, content: np.ndarray) -> None:
        memory[: content.size].copy_(self.torch.from_numpy(content))

    def read(self, memory: Any, content: np.ndarray) -> None:
        content[:] = memory[: content.size].cpu().numpy()

    def view(self, memory: Any, offset: int, dtype: np.dtype, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        if any(stride < 0 for stride in strides):
            pytest.skip("PyTorch has no such strides")
        own = memory.view(getattr(self.torch, dtype.name))
        size = dtype.itemsize
        return own.as_strided(shape, [stride // size for stride in strides], offset // size)

    def to_numpy(self, array: Any) -> np.ndarray:
        bits = {self.torch.bfloat16: (self.torch.uint16, ml_dtypes.bfloat16)}.get(array.dtype)
        if bits is None:
            return array.cpu().numpy()
        return array.view(bits[0]).cpu().numpy().view(bits[1])


class CuPy:
    """Memory of CuPy's."""

    has_types, is_written = False, True

    def __init__(self) -> None:
        import cupy

        self.cupy = cupy
        self.array = cupy.ndarray

    def allocate(self, size: int) -> Any:
        return self.cupy.empty(size, np.uint8)

    def write(self, memory: Any, content: np.ndarray) -> None:
        memory[: content.size].set(content)

    def read(self, memory: Any, content: np.ndarray) -> None:
        content[:] = memory[: content.size].get()

    def view(self, memory: Any, offset: int, dtype: np.dtype, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        return self.cupy.ndarray(shape, BITS.get(dtype, dtype), memory.data + offset, strides)

    def to_numpy(self, array: Any) -> np.ndarray:
        return self.cupy.asnumpy(array)


class Copied:
    """Memory of NumPy's own, elsewhere: what a device's arrays go through, without a device."""

    array = np.ndarray
    has_types, is_written = False, True

    def allocate(self, size: int) -> Any:
        return np.empty(size, np.uint8)

    def write(self, memory: Any, content: np.ndarray) -> None:
        memory[: content.size] = content

    def read(self, memory: Any, content: np.ndarray) -> None:
        content[:] = memory[: content.size]

    def view(self, memory: Any, offset: int, dtype: np.dtype, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        return np.ndarray(shape, BITS.get(dtype, dtype), memory, offset, strides)

    def to_numpy(self, array: Any) -> np.ndarray:
        return array


class Typed:
    """An array of bits for a framework that has their type: its DLPack says so, where NumPy has none."""

    CODES = {np.dtype(ml_dtypes.bfloat16): 4, np.dtype(ml_dtypes.float8_e4m3fn): 10}

    def __init__(self, bits: np.ndarray, dtype: np.dtype) -> None:
        self.bits, self.code = bits, self.CODES[dtype]

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.bits.__dlpack_device__()

    def __dlpack__(self, **_: Any) -> Any:
        capsule = self.bits.__dlpack__()
        pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
        pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        tensor = pointer_of(capsule, b"dltensor")
        ctypes.c_uint8.from_address(tensor + 20).value = self.code  # DLTensor's dtype.code
        return capsule


class Jax(Copied):
    """Memory of NumPy's with JAX's arrays in it, of what has no gaps."""

    has_types, is_written = True, False

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax = jax
        self.array = jax.Array

    def allocate(self, size: int) -> Any:
        memory = np.empty(size + 64, np.uint8)
        start = -memory.ctypes.data % 64  # JAX copies what lies elsewhere
        return memory[start : start + size]

    def view(self, memory: Any, offset: int, dtype: np.dtype, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        own = np.ndarray(shape, dtype, memory, offset, strides)
        bits = BITS.get(dtype)
        if own.size == 0:
            return self.jax.numpy.empty(shape, dtype)
        if not own.flags.c_contiguous:
            return own
        array = self.jax.dlpack.from_dlpack(own if bits is None else Typed(own.view(bits), dtype))
        return array if array.unsafe_buffer_pointer() == own.ctypes.data else own

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array)


class Memory:
    """The memory of one array, and of all that are views of it."""

    def __init__(self, framework: Any, root: np.ndarray) -> None:
        self.framework = framework
        self.low, high = np.lib.array_utils.byte_bounds(root)
        self.root = weakref.ref(root)
        self.size = high - self.low
        self.writable = root.flags.writeable
        self.there = framework.allocate(-(-self.size // 16) * 16)

    def content(self) -> np.ndarray:
        return np.frombuffer((ctypes.c_uint8 * self.size).from_address(self.low), np.uint8)

    def view(self, array: np.ndarray) -> Any:
        shape, strides, dtype = array.shape, array.strides, array.dtype
        if dtype.names is not None:  # records are bytes
            shape, strides, dtype = (*shape, dtype.itemsize), (*strides, 1), np.dtype(np.uint8)
        offset = array.__array_interface__["data"][0] - self.low if array.size else 0
        return self.framework.view(self.there, offset, dtype, shape, strides)


class Wrapped:
    """An object of santa's whose methods take and give NumPy arrays."""

    def __init__(self, mirror: Mirror, own: Any) -> None:
        self._mirror, self._own = mirror, own

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._own, name)
        return self._mirror.wrap(value) if callable(value) else self._mirror.given_back(value)

    def __repr__(self) -> str:
        return repr(self._own)


class Mirror:
    """`santa` for NumPy arrays that are another framework's where it runs."""

    def __init__(self, framework: Any) -> None:
        self._framework = framework
        self._memories: dict[int, Memory] = {}
        self._wrapped: weakref.WeakValueDictionary[int, Wrapped] = weakref.WeakValueDictionary()

    def module(self) -> ModuleType:
        module = ModuleType("santa")
        module.__dict__.update({name: getattr(santa, name) for name in dir(santa)})
        for name in NAMES:
            setattr(module, name, self.wrap(getattr(santa, name)))
        return module

    def wrap(self, function: Any) -> Any:
        def call(*positional: Any, **named: Any) -> Any:
            arrays: dict[int, np.ndarray] = {}
            typed = function in (santa.ContiguousCache, santa.PagedCache, santa.decode)
            if typed and not self._framework.has_types:
                self._name_bits(function, positional, named)
            place = PLACES.get(getattr(function, "__name__", ""))
            own = [self._take(value, arrays, i == place) for i, value in enumerate(positional)]
            own_named = {name: self._take(value, arrays, name in WRITTEN) for name, value in named.items()}
            living = self._living()
            for memory in living:
                self._framework.write(memory.there, memory.content())
            try:
                result = function(*own, **own_named)
            except ValueError as refused:
                if any(words in str(refused) for words in SKIPPED):
                    pytest.skip(str(refused))
                raise
            for memory in living:
                if memory.writable:
                    self._framework.read(memory.there, memory.content())
            return arrays.get(id(result), self.given_back(result))

        return call

    def given_back(self, value: Any) -> Any:
        if isinstance(value, self._framework.array):
            return self._framework.to_numpy(value)
        if not type(value).__module__.startswith("santa") or isinstance(value, santa.Shape):
            return value
        known = self._wrapped.get(id(value))
        if known is None:
            known = self._wrapped[id(value)] = Wrapped(self, value)
        return known

    def _take(self, value: Any, arrays: dict[int, np.ndarray], written: bool) -> Any:
        if isinstance(value, Wrapped):
            return value._own
        if not isinstance(value, np.ndarray) or (written and not self._framework.is_written):
            return value
        view = self._memory_of(value).view(value)
        arrays[id(view)] = value
        return view

    def _memory_of(self, array: np.ndarray) -> Memory:
        while isinstance(array.base, np.ndarray):
            array = array.base
        memory = self._memories.get(id(array))
        if memory is None or memory.root() is not array:
            memory = self._memories[id(array)] = Memory(self._framework, array)
        return memory

    def _living(self) -> list[Memory]:
        self._memories = {key: memory for key, memory in self._memories.items() if memory.root() is not None}
        return [memory for memory in self._memories.values() if memory.size > 0]

    def _name_bits(self, function: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Say what types bits are of, where the framework has none."""
        place = 2 if function is santa.decode else 0
        keys = named.get("keys", positional[place] if len(positional) > place else None)
        if isinstance(keys, np.ndarray) and keys.dtype in BITS:
            named.setdefault("dtype", keys.dtype.name)
