"""Exact attention of several tokens with a soft cap or sinks, which PyTorch's own has no place for."""

from __future__ import annotations

import torch

# Scores that are in memory at a time, in elements: 64 MiB.
_MOST_SCORES = 2**24


def attend_exactly(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scaling: float | None,
    soft_cap: float | None,
    sinks: torch.Tensor | None,
) -> torch.Tensor:
    """Return softmax(cap(scale <q, k>)) V, sinks taking their share, in float32.

    Shapes: query [batch, heads, tokens, dim]; key, value [batch, kv_heads, keys, dim]; mask None, or
            [batch, 1, tokens, keys], bool or added to scores; without one, causal tokens begin at the first key.
            sinks [heads]. Returns [batch, tokens, heads, dim of values], of the query's type.
    """
    batch, heads, tokens, dim = query.shape
    kv_heads, keys = key.shape[1:3]
    scale = dim**-0.5 if scaling is None else scaling
    wide_keys, wide_values = key.float().transpose(2, 3), value.float()
    places = torch.arange(keys, device=query.device)
    output = query.new_empty((batch, tokens, heads, value.shape[3]))
    chunk = max(1, _MOST_SCORES // max(1, batch * heads * keys))
    for begin in range(0, tokens, chunk):
        part = slice(begin, min(tokens, begin + chunk))
        count = part.stop - begin
        # A kv head's query heads side by side, so that no key is repeated.
        rows = query[:, :, part].float().reshape(batch, kv_heads, -1, dim)
        scores = (rows @ wide_keys * scale).reshape(batch, heads, count, keys)
        if soft_cap is not None:
            scores = soft_cap * torch.tanh(scores / soft_cap)
        if mask is None:
            seen = places <= torch.arange(begin, part.stop, device=query.device)[:, None] if causal else None
            scores = _masked(scores, seen)
        else:
            scores = _masked(scores, mask[:, :, part])
        weights = _softmax(scores, sinks).reshape(batch, kv_heads, -1, keys)
        output[:, part] = (weights @ wide_values).reshape(batch, heads, count, -1).transpose(1, 2)
    return output


def _masked(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if mask is None:
        return scores
    if mask.dtype != torch.bool:
        return scores + mask
    # Not -infinity: a padding token that sees nothing would be NaN.
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def _softmax(scores: torch.Tensor, sinks: torch.Tensor | None) -> torch.Tensor:
    if sinks is None:
        return scores.softmax(dim=-1)
    column = sinks.float().reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    return torch.cat([scores, column], dim=-1).softmax(dim=-1)[..., :-1]
