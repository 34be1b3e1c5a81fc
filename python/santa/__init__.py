"""Decode attention that samples instead of reading everything: the C++ library santa, for arrays of any framework.

Arrays come by DLPack (NumPy, PyTorch, CuPy, JAX) and are not copied. Errors are ValueError: "santa: <argument> is
<given>; accepted: <accepted>".
"""

from ._core import (
    ContiguousCache,
    DecodePlan,
    DecodeState,
    Exact,
    FixedTileBudget,
    MassUnit,
    Multinomial,
    ProportionalTileBudget,
    RowBudget,
    Shape,
    Stratified,
    Systematic,
    __version__,
    backend,
    concurrency,
    decode,
    initialize,
    instruction_set,
    share,
)

__all__ = [
    "ContiguousCache",
    "DecodePlan",
    "DecodeState",
    "Exact",
    "FixedTileBudget",
    "MassUnit",
    "Multinomial",
    "ProportionalTileBudget",
    "RowBudget",
    "Shape",
    "Stratified",
    "Systematic",
    "__version__",
    "backend",
    "concurrency",
    "decode",
    "initialize",
    "instruction_set",
    "share",
    "statistics_dtype",
]

#: Records of `statistics`, one a (request, kv head): distinct value rows read, draws, effective sample size, flags.
statistics_dtype = [
    ("rows_read", "<i8"),
    ("samples", "<i8"),
    ("effective_sample_size", "<f4"),
    ("flags", "<u4"),
]
