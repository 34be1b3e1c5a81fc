#!/usr/bin/env python3
"""Writes a text with SmolLM2-135M by transformers and santa, and by santa-generate: are they the same?

README.md ("A whole language model") tells where the three files come from. Run by hand: it takes minutes.

    python/tests/smollm2_same_text.py MODEL.safetensors PROMPT.tokens build/openmp/examples/santa-generate

santa-generate has weights and cache in BF16 and all else in float. `alike` has the same: weights of these values in
float, and a cache that rounds to BF16. The other two are a model as people load it, all float or all BF16.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

import santa
import santa.transformers


class RoundingCache(DynamicCache):
    """Keeps keys and values in BF16, whatever the model computes in."""

    def update(self, key_states: Any, value_states: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        return super().update(key_states.bfloat16(), value_states.bfloat16(), *arguments, **options)


def load(path: Path, dtype: torch.dtype) -> tuple[LlamaForCausalLM, list[bytes]]:
    """Return the model and the pieces of text that its tokens stand for."""
    with safe_open(path, "pt") as file:
        sizes, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    text, ends = bytes(tensors.pop("vocabulary.bytes").tolist()), tensors.pop("vocabulary.offsets").tolist()
    config = LlamaConfig(
        vocab_size=int(sizes["vocabulary"]), hidden_size=int(sizes["width"]), intermediate_size=int(sizes["hidden"]),
        num_hidden_layers=int(sizes["layers"]), num_attention_heads=int(sizes["heads"]), head_dim=int(sizes["dim"]),
        num_key_value_heads=int(sizes["kv_heads"]), max_position_embeddings=int(sizes["context"]),
        rms_norm_eps=float(sizes["rms_epsilon"]), tie_word_embeddings=True, eos_token_id=int(sizes["end_token"]),
        rope_parameters={"rope_type": "default", "rope_theta": float(sizes["rope_theta"])},
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    missing, unknown = model.load_state_dict(tensors, strict=False)
    assert missing in ([], ["lm_head.weight"]), missing
    assert not unknown, unknown
    return model.to(dtype), [text[a:b] for a, b in zip(ends[:-1], ends[1:])]


def write(model: LlamaForCausalLM, prompt: torch.Tensor, tokens: int, **options: Any) -> list[int]:
    written = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=tokens,
        pad_token_id=model.config.eos_token_id, **options,
    )  # fmt: skip
    return written[0, prompt.shape[1] :].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("prompt", type=Path, help="a file of tokens")
    parser.add_argument("generate", type=Path, help="santa-generate")
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()

    prompt = torch.tensor([[int(token) for token in options.prompt.read_text().split() if token.isdigit()]])
    command = [options.generate, "--method", "exact", "--model", options.model, "--prompt-tokens", options.prompt]
    command += ["--tokens", str(options.tokens)]
    report = subprocess.run(command, check=True, capture_output=True).stdout
    theirs = report.split(b"\n\n", 1)[1]

    wide, pieces = load(options.model, torch.float32)
    texts = {}
    for name, model, method, cache in [
        ("santa, exact, alike", wide, santa.Exact(), RoundingCache()),
        ("santa, exact, float", wide, santa.Exact(), None),
        ("eager, float", wide, None, None),
        ("santa, exact, BF16", load(options.model, torch.bfloat16)[0], santa.Exact(), None),
        ("santa, a tenth of the rows, alike", wide, santa.MassUnit(steered=True), RoundingCache()),
    ]:
        if method is not None:
            attention = santa.transformers.register("santa", method, exact_below=512, count_rows=True)
        model.set_attn_implementation("eager" if method is None else "santa")
        written = write(model, prompt, options.tokens, past_key_values=cache)
        texts[name] = b"".join(pieces[token] for token in written)
        same = texts[name].strip() == theirs.strip()
        read = "" if method is None else f", {attention.share_read:.1%} of the value rows read"
        print(f"{name}: {'the same text as santa-generate' if same else 'another text'}{read}", flush=True)
    for name, text in {"santa-generate, exact": theirs, **texts}.items():
        print(f"\n[{name}]\n{text.decode(errors='replace')}")


if __name__ == "__main__":
    main()
