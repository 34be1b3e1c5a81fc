"""Attention in double precision, and problems to compare with it."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import santa

#: How far exact outputs may be from those of double precision; a device adds up in another order.
CLOSE = 1e-5 if santa.backend() == "Cuda" else 2e-6

#: Element types of caches: NumPy's type, and how far outputs may be from those of double precision.
ELEMENTS = {
    "float32": (np.float32, CLOSE),
    "float16": (np.float16, CLOSE),
    "bfloat16": (ml_dtypes.bfloat16, CLOSE),
}


class Problem:
    """Random queries [batch, tokens, heads, dim], and keys and values [batch, length, kv_heads, dim] of one type."""

    def __init__(self, batch=2, heads=6, kv_heads=2, length=200, dim=64, *, tokens=1, value_dim=None, element="float32", seed=1):
        normal = np.random.default_rng(seed).standard_normal
        dtype = ELEMENTS[element][0]
        self.query = normal((batch, tokens, heads, dim)).astype(np.float32)
        self.keys = normal((batch, length, kv_heads, dim)).astype(dtype)
        self.values = (1 + normal((batch, length, kv_heads, value_dim or dim))).astype(dtype)
        if tokens == 1:
            self.query = self.query[:, 0]


def attention(query, keys, values, lengths=None, *, scale=None, window=None, soft_cap=None, sinks=None, causal=True):
    """Outputs and log-sum-exps of token-major caches, in float64; query as santa.decode has it."""
    rank_3 = query.ndim == 3
    q = (query[:, None] if rank_3 else query).astype(np.float64)
    batch, tokens, heads, dim = q.shape
    group = heads // keys.shape[2]
    k = keys.astype(np.float64).repeat(group, axis=2)
    v = values.astype(np.float64).repeat(group, axis=2)
    scores = np.einsum("bthd,blhd->bthl", q, k) * (scale or dim**-0.5)
    if soft_cap is not None:
        scores = soft_cap * np.tanh(scores / soft_cap)
    for b in range(batch):
        length = keys.shape[1] if lengths is None else int(lengths[b])
        for t in range(tokens):
            end = length - tokens + t + 1 if causal else length
            begin = 0 if window is None else max(0, end - window)
            scores[b, t, :, :begin] = -np.inf
            scores[b, t, :, end:] = -np.inf
    if sinks is not None:
        sink = np.broadcast_to(sinks[None, None, :, None], scores.shape[:3] + (1,)).astype(np.float64)
        scores = np.concatenate([scores, sink], axis=-1)
    largest = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - largest)
    total = weights.sum(axis=-1, keepdims=True)
    out = np.einsum("bthl,blhd->bthd", (weights / total)[..., : keys.shape[1]], v)
    lse = (np.log(total) + largest)[..., 0]
    return (out[:, 0], lse[:, 0]) if rank_3 else (out, lse)


def head_major(rows):
    """The same rows in memory [batch, kv_heads, length, dim]."""
    return np.ascontiguousarray(rows.swapaxes(1, 2))


def error(given, expected):
    """Largest difference in units of an output's norm."""
    difference = np.linalg.norm(given.astype(np.float64) - expected, axis=-1)
    return float((difference / np.linalg.norm(expected, axis=-1)).max())
