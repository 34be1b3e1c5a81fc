"""Decode attention of Hugging Face `transformers` models.

    import santa.transformers

    santa.transformers.register(seed=7)
    model = AutoModelForCausalLM.from_pretrained(name, attn_implementation="santa")
    model.generate(**prompt)

`register` gives `transformers.AttentionInterface` an attention function. Several query
tokens at once (prompts, drafts to verify) are attended to exactly, by PyTorch; one new
token, a decode step, by the method that was named, over the model's own cache, of which
nothing is copied.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import transformers
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface

import santa

from ._exact_attention import attend_exactly
from ._visible_keys import Span, make_mask, spans_of

# Options of an attention function that change what it computes, and that santa has no place for: indices and
# block_indices are the keys of sparse attention, sinks are a token's own.
_REFUSED = ("position_bias", "head_mask", "output_attentions", "indices", "block_indices", "sinks")
# Tensors that change nothing: the mask says what they say, or losses are made of them. Of any other it is not known.
_TENSORS_TAKEN = (
    *("s_aux", "position_ids", "cache_position"),
    *("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "seq_idx"),
    *("num_items_in_batch", "shift_labels"),
)
_RECORD_BYTES = np.dtype(santa.statistics_dtype).itemsize


@dataclass
class _Layer:
    """What is carried from step to step of a layer, for one sequence of them."""

    key: tuple[Any, ...] = ()  # of what the states are for
    states: list[santa.DecodeState] = field(default_factory=list)  # one for all requests, or one each
    step: int = 0
    end: int = 0  # keys that the last step saw, 0 behind a prompt

    def begin(self) -> None:
        """Forget what was carried: it does not fit what follows."""
        self.states.clear()
        self.end = 0

    def go_on(self, end: int) -> None:
        """Number a step by the last key that it sees, `end` keys in all; where a window is full, by counting on."""
        if end == 1 or end not in (self.end, self.end + 1):  # a prompt of one token; another cache, or behind a prompt
            self.begin()
            self.step = end - 1
        else:
            self.step += 1
        self.end = end


class Attention:
    """An attention function for `transformers.AttentionInterface`; `register` makes one.

    `method`, `seed`, `exact_layers` and `exact_below` may be set anew between generations.
    States are a layer's and begin anew behind a prompt; a step's number is the place of its newest key, so that the
    same seed writes the same text. One generation at a time: several that take turns on one model share states,
    which costs rows or variance and is no bias.
    """

    def __init__(
        self,
        method: Any = None,
        *,
        seed: int = 0,
        exact_layers: Collection[int] = (),
        exact_below: int = 1024,
        count_rows: bool = False,
    ) -> None:
        self.method = santa.MassUnit(steered=True) if method is None else method
        self.seed = seed
        self.exact_layers = exact_layers
        self.exact_below = exact_below
        self.count_rows = count_rows
        self._layers: weakref.WeakKeyDictionary[torch.nn.Module, _Layer] = weakref.WeakKeyDictionary()
        self._rows_read: int | torch.Tensor = 0
        self._rows_seen = 0

    def reset(self) -> None:
        """Forget states, step numbers and counted rows, as if no step had been run."""
        self._layers.clear()
        self._rows_read = self._rows_seen = 0

    @property
    def share_read(self) -> float:
        """Value rows read, over those that were visible, of all decode steps since `reset`.

        NaN before the first one, and without `count_rows`.
        """
        return float(self._rows_read) / self._rows_seen if self._rows_seen else float("nan")

    @torch.compiler.disable
    def __call__(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, None]:
        """Attend, as `AttentionInterface` has it.

        Shapes: query [batch, heads, tokens, dim]; key, value [batch, kv_heads, keys, dim], values of any dim;
                attention_mask None, or [batch, 1, tokens, keys]: True (or 0, of floats) is seen. Returns
                [batch, tokens, heads, dim of values].
        Errors: ValueError for what is not supported, one sentence that says what.
        """
        _refuse(options)
        causal = options.get("is_causal")
        decodes = _is_decoder(module, causal)
        if query.shape[2] == 1 and decodes:
            output = self._decode(module, query, key, value, attention_mask, dropout, scaling, options)
            return output.unsqueeze(1), None
        if module in self._layers:
            self._layers[module].begin()
        key, value = key.to(query.dtype), value.to(query.dtype)  # of a cache that keeps fewer bits
        soft_cap, sinks = options.get("softcap"), options.get("s_aux")
        if soft_cap is None and sinks is None:
            return sdpa_attention_forward(
                module,
                query,
                key,
                value,
                attention_mask,
                dropout=dropout,
                scaling=scaling,
                is_causal=options.get("is_causal"),
            )
        if dropout > 0.0:
            raise ValueError("dropout beside a soft cap or sinks is not supported: call model.eval()")
        causal = decodes if causal is None else causal
        return attend_exactly(query, key, value, attention_mask, causal, scaling, soft_cap, sinks), None

    def _decode(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        dropout: float,
        scaling: float | None,
        options: dict[str, Any],
    ) -> torch.Tensor:
        """Attend with one token of each request: [batch, heads, dim of values]."""
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value)):
            raise ValueError("a decode step has no gradients: call the model in torch.no_grad()")
        if dropout > 0.0:
            raise ValueError("dropout in a decode step is not supported: call model.eval()")
        batch, heads, _, _ = query.shape
        dtype = query.dtype
        if key.dtype != value.dtype:  # under autocast; a copy, as for prompts
            key, value = key.to(dtype), value.to(dtype)
        elif dtype != key.dtype:  # over another cache: the query is widened, of which nothing is lost
            query = query.float()
        spans = spans_of(mask, batch, key.shape[2], options.get("sliding_window"))
        layer = self._layers.setdefault(module, _Layer())
        layer.go_on(max(span.end for span in spans))

        number = getattr(module, "layer_idx", None) or 0
        sinks = options.get("s_aux")
        run: dict[str, Any] = {
            "scale": query.shape[3] ** -0.5 if scaling is None else scaling,
            "soft_cap": options.get("softcap"),
            "sinks": None if sinks is None else sinks.detach().float(),
            "seed": self.seed,
            "step": layer.step,
            "stream": number,
        }

        # Requests whose first key is the same are one call; padding in front of prompts makes each its own.
        alike = len({span.first for span in spans}) == 1
        parts = [slice(0, batch)] if alike else [slice(i, i + 1) for i in range(batch)]
        carries = isinstance(self.method, santa.MassUnit)
        if carries:
            _fit_states(layer, [part.stop - part.start for part in parts], heads, query.device)
        output = query.new_empty((batch, heads, value.shape[3]))
        for i, part in enumerate(parts):
            run["out"] = output[part]
            exact = number in self.exact_layers or _most_seen(spans[part]) < self.exact_below
            run["state"] = layer.states[i] if carries and not exact else None
            if part.start > 0:
                run["requests"] = torch.tensor([part.start], dtype=torch.uint32, device=query.device)
            self._run(
                santa.Exact() if exact else self.method, query[part, :, 0], key[part], value[part], spans[part], **run
            )
        return output.to(dtype)

    def _run(
        self, method: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, spans: list[Span], **run: Any
    ) -> None:
        """Attend with requests whose first key is the same, query [requests, heads, dim], as santa.decode has it."""
        first, end = spans[0].first, max(span.end for span in spans)
        if first == end:  # of requests that see nothing
            run["out"].zero_()
            return
        lengths = None
        if any(span.end != end for span in spans):
            lengths = torch.tensor([span.end - first for span in spans], dtype=torch.int32, device=query.device)
        cache = santa.ContiguousCache(key[:, :, first:end], value[:, :, first:end], lengths, layout="head_major")
        if not self.count_rows:
            santa.decode(method, query, cache, **run)
            return
        records = torch.zeros((len(spans), key.shape[1], _RECORD_BYTES), dtype=torch.uint8, device=query.device)
        santa.decode(method, query, cache, statistics=records, **run)
        # rows_read is the first of a record. Summed where it is: nothing waits for a device.
        self._rows_read = self._rows_read + records.view(torch.int64)[..., 0].sum()
        self._rows_seen += key.shape[1] * sum(span.end - first for span in spans)


def register(name: str = "santa", method: Any = None, **options: Any) -> Attention:
    """Make an attention function known to `transformers`, as `attn_implementation=name`.

    Computes: Exact attention of PyTorch for several query tokens at once; `method` for one token of a request that
              sees `exact_below` keys or more; santa.Exact() for fewer, and in `exact_layers`.
    Options:  method: santa.Exact(), santa.MassUnit(...) and the other methods; None: MassUnit(steered=True), a tenth
              of the value rows. seed (int). exact_layers: numbers of layers. exact_below: keys; 1024 unless told.
              count_rows: keep count of the rows that are read, for `share_read`.
    Returns:  the function: keep it to set another `seed` or `method`. Registering a name again replaces it.
    Errors:   ValueError for a name that transformers has a function of its own for.
    """
    known = transformers.AttentionInterface._global_mapping.get(name)
    if name in ("", "eager") or not (known is None or isinstance(known, Attention)):
        raise ValueError(f"name is '{name}'; accepted: one that transformers has no attention of its own for")
    attention = Attention(method, **options)
    transformers.AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, make_mask)
    return attention


def _refuse(options: dict[str, Any]) -> None:
    for name, given in options.items():
        unknown = isinstance(given, torch.Tensor) and name not in _TENSORS_TAKEN
        if unknown or (name in _REFUSED and given is not None and given is not False):
            raise ValueError(f"{name} is given; santa's attention has no place for it: use attn_implementation='eager'")


def _is_decoder(module: torch.nn.Module, causal: bool | None) -> bool:
    """Whether a module attends to a decoder's own keys.

    Some models call with is_causal=False where PyTorch needs no mask, as for one token: what the module says counts.
    """
    own = getattr(module, "is_causal", causal is not False)
    return own and not getattr(module, "is_cross_attention", False)


def _most_seen(spans: list[Span]) -> int:
    return max(span.end - span.first for span in spans)


def _fit_states(layer: _Layer, sizes: list[int], heads: int, device: torch.device) -> None:
    """Make new states where there are none for such batches."""
    key = (tuple(sizes), heads, device)
    if layer.key != key or not layer.states:
        layer.key = key
        layer.states = [santa.DecodeState(size, heads) for size in sizes]
