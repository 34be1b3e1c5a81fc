"""Decode attention that samples instead of reading everything: the C++ library santa, for arrays of any framework.

Arrays come by DLPack (NumPy, PyTorch, CuPy, JAX) and are not copied. Errors are ValueError: "santa: <argument> is
<given>; accepted: <accepted>".
"""

try:
    from . import _core  # noqa: F401
except ImportError as error:
    if "libcuda" not in str(error):
        raise
    raise ImportError(
        "santa: this module is built for CUDA, of which a library is missing (libcuda comes with the GPU's driver, "
        f"libcudart with CUDA's toolkit or PyTorch): {error}"
    ) from None

from ._core import (
    Cache,
    ClusterPlan,
    ClusterState,
    ClusteredCache,
    ClusteredKeys,
    Clusters,
    ContiguousCache,
    DecodePlan,
    DecodeState,
    DrawnRows,
    Exact,
    FixedTileBudget,
    MassUnit,
    Multinomial,
    NarrowCache,
    NarrowKeys,
    NewestClusters,
    PagedCache,
    ProportionalTileBudget,
    Residual,
    RowBudget,
    Shape,
    Stratified,
    Systematic,
    TokenSampler,
    __version__,
    append,
    backend,
    cluster_keys,
    compiled_for,
    concurrency,
    decode,
    discrepancy,
    draw_distinct,
    gather_add,
    initialize,
    instruction_set,
    list_ancestors,
    resample,
    share,
    thin_rows,
    validate,
)

__all__ = [
    "Cache",
    "ClusterPlan",
    "ClusterState",
    "ClusteredCache",
    "ClusteredKeys",
    "Clusters",
    "ContiguousCache",
    "DecodePlan",
    "DecodeState",
    "DrawnRows",
    "Exact",
    "FixedTileBudget",
    "MassUnit",
    "Multinomial",
    "NarrowCache",
    "NarrowKeys",
    "NewestClusters",
    "PagedCache",
    "ProportionalTileBudget",
    "Residual",
    "RowBudget",
    "Shape",
    "Stratified",
    "Systematic",
    "TokenSampler",
    "__version__",
    "append",
    "backend",
    "cluster_keys",
    "cluster_statistics_dtype",
    "compiled_for",
    "concurrency",
    "decode",
    "discrepancy",
    "draw_distinct",
    "gather_add",
    "initialize",
    "instruction_set",
    "list_ancestors",
    "resample",
    "share",
    "statistics_dtype",
    "thin_rows",
    "validate",
]

#: Records of `statistics`, one a (request, kv head): distinct value rows read, draws, effective sample size, flags.
statistics_dtype = [
    ("rows_read", "<i8"),
    ("samples", "<i8"),
    ("effective_sample_size", "<f4"),
    ("flags", "<u4"),
]

#: Records of a ClusterPlan's `statistics`: clusters, keys and rows read, and the bytes of all; flags.
cluster_statistics_dtype = {
    "names": ["clusters_read", "keys_read", "rows_read", "bytes_read", "flags"],
    "formats": ["<i8", "<i8", "<i8", "<i8", "<u4"],
    "offsets": [0, 8, 16, 24, 32],
    "itemsize": 40,
}
