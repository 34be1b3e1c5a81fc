"""Which keys the requests of a batch see, by the masks that transformers makes."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from transformers.masking_utils import sdpa_mask


class Span(NamedTuple):
    """The keys that a request sees: first, first + 1, ..., end - 1."""

    first: int
    end: int


def make_mask(*sizes: Any, **options: Any) -> torch.Tensor | None:
    """Make the mask that the layers of a step share, bool, with a place for its spans."""
    mask = sdpa_mask(*sizes, **options)
    if mask is not None:
        mask._santa_spans = []
    return mask


def _visible(mask: torch.Tensor) -> torch.Tensor:
    """Return which keys the last token of each request sees, by the model's mask: bool [batch, keys]."""
    if mask.dim() != 4 or mask.shape[1] != 1:
        raise ValueError(f"attention_mask has shape {list(mask.shape)}; accepted: [batch, 1, tokens, keys]")
    row = mask[:, 0, -1]
    if row.dtype == torch.bool:
        return row
    # Floats are added to scores: 0 is seen, the least number is not.
    seen = row == 0
    if not bool((seen | (row <= torch.finfo(row.dtype).min / 2)).all()):
        raise ValueError("attention_mask has biases; accepted: True or 0 for keys that are seen, False or -infinity")
    return seen


def spans_of(mask: torch.Tensor | None, batch: int, keys: int, window: int | None) -> list[Span]:
    """Return the keys that each request sees at a decode step, by the mask and by the layer's window.

    Errors: ValueError where they are not one span, as with padding in the middle.
    """
    if mask is None:
        spans = [Span(0, keys)] * batch
    else:
        # One of ours is looked at once, not by each layer: that is a wait on a GPU.
        kept = getattr(mask, "_santa_spans", None)
        spans = kept or _read_spans(mask, batch, keys)
        if kept is not None:
            mask._santa_spans = spans
    if window is None:
        return spans
    return [Span(max(span.first, span.end - window), span.end) for span in spans]


def _read_spans(mask: torch.Tensor, batch: int, keys: int) -> list[Span]:
    visible = _visible(mask)
    if visible.shape[0] not in (1, batch) or visible.shape[1] != keys:
        raise ValueError(f"attention_mask has shape {list(mask.shape)}; accepted: [{batch}, 1, 1, {keys}]")
    visible = visible.expand(batch, keys).to(torch.int32)
    count = visible.sum(dim=1)
    first = visible.argmax(dim=1)
    end = torch.where(count > 0, keys - visible.flip(1).argmax(dim=1), first)
    spans = []
    for request, (a, b, n) in enumerate(torch.stack([first, end, count], dim=1).tolist()):
        if b - a != n:
            raise ValueError(
                f"attention_mask leaves out keys between those that request {request} sees; accepted: padding before"
                " or behind them"
            )
        spans.append(Span(a, b))
    return spans
