"""What a module is compiled for (`santa.compiled_for`), and what it says of the rest."""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import santa
from reference import Problem

# On a device the tests of each kind meet what is not compiled, and skip it.
pytestmark = pytest.mark.skipif(santa.backend() == "Cuda", reason="of a host")

METHODS = {
    "Exact": santa.Exact(),
    "MassUnit": santa.MassUnit(),
    "MassUnit.joint_l2": santa.MassUnit(draws="joint_l2"),
    "MassUnit.separate": santa.MassUnit(draws="separate"),
    "Systematic": santa.Systematic(),
    "Stratified": santa.Stratified(),
    "Multinomial": santa.Multinomial(),
    "FixedTileBudget": santa.FixedTileBudget(),
    "ProportionalTileBudget": santa.ProportionalTileBudget(),
}
TYPES = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "float32": np.float32, "int8": np.int8,
         "float8_e4m3fn": ml_dtypes.float8_e4m3fn}  # fmt: skip
EXACT = "Exact", "bfloat16", "contiguous"


def compiled(what: str, name: str) -> bool:
    names = santa.compiled_for()[what]
    return names == "all" or name in names.split(", ")


def expect(method: str, element: str, *kinds: str) -> AbstractContextManager[Any]:
    """A ValueError where something of it is not compiled, which names the first that is not, and what is."""
    for what, argument, names in (
        ("caches", "the cache's kind", kinds),
        ("types", "keys's dtype", (element,)),
        ("methods", "method", [method] if method else []),
    ):
        for name in names:
            if not compiled(what, name):
                accepted = re.escape("; accepted: what this module is compiled for: " + santa.compiled_for()[what])
                return pytest.raises(ValueError, match=f"^santa: {argument} is .*{name.partition('.')[0]}.*{accepted}$")
    return nullcontext()


def rows(element: str = "bfloat16", length: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p = Problem(length=length)
    return p.query, p.keys.astype(TYPES[element]), p.values.astype(TYPES[element])


def paged(keys: np.ndarray, values: np.ndarray) -> santa.PagedCache:
    """Each request in one page."""
    batch, length = keys.shape[:2]
    table = np.arange(batch, dtype=np.int32)[:, None]
    return santa.PagedCache(keys, values, table, np.full(batch, length, np.int32))


@pytest.mark.parametrize("method", METHODS)
def test_methods(method):
    with expect(method, *EXACT[1:]):
        santa.decode(METHODS[method], *rows())


@pytest.mark.parametrize("pages", [False, True])
@pytest.mark.parametrize("element", TYPES)
def test_types_and_pages(element, pages):
    query, keys, values = rows(element)
    with expect("Exact", element, "paged" if pages else "contiguous"):
        santa.decode(santa.Exact(), query, *((paged(keys, values),) if pages else (keys, values)))


@pytest.mark.parametrize("pages", [False, True])
def test_narrow_keys(pages):
    query, keys, values = rows()
    full = paged(keys, values) if pages else santa.ContiguousCache(keys, values, np.full(2, 200))
    narrow = santa.NarrowCache(full, santa.NarrowKeys(full), rescored=False)
    for method in "Exact", "MassUnit":
        with expect(method, "bfloat16", "paged" if pages else "contiguous", "narrow"):
            santa.decode(METHODS[method], query, narrow)
    for call in (
        lambda: narrow.keys.calibrate(full),
        lambda: narrow.keys.encode(full),
        lambda: narrow.keys.encode_newest(full),
        lambda: santa.append(narrow, keys[:, 0], values[:, 0]),
    ):
        with expect("", "bfloat16", "paged" if pages else "contiguous", "narrow"):
            call()


@pytest.mark.parametrize("pages", [False, True])
def test_clusters(pages):
    query, keys, values = rows(length=1024)
    full = paged(keys, values) if pages else santa.ContiguousCache(keys, values)
    clusters = santa.ClusteredKeys(full, chunk=512)
    cache = santa.ClusteredCache(full, clusters)
    for call in (
        lambda: santa.cluster_keys(cache),
        lambda: santa.NewestClusters(clusters).run(cache),
        lambda: santa.ClusterPlan(santa.Clusters(bytes=1 / 4), query, cache),
    ):
        with expect("", "bfloat16", "paged" if pages else "contiguous", "clusters"):
            call()
