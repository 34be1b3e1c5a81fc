#!/usr/bin/env python3
"""Convert a language model for santa-generate, and texts to and from its tokens.

A model of the Llama or the Gemma 3 architecture in a GGUF file becomes one safetensors file: weights in
BF16 under the names that published models give them, hyperparameters as strings in
its metadata, and the pieces of text that tokens stand for:

    model.embed_tokens.weight, model.layers.<i>.self_attn.q_proj.weight ...
    lm_head.weight          where the head is not the embedding
    rope.factors            [dim/2] F32, divisors of the rotary frequencies, if any
    vocabulary.bytes        U8, all pieces one after the other
    vocabulary.offsets      [tokens + 1] I64, where each piece begins and ends

    pip install -r tools/requirements.txt
    python3 tools/convert_model.py MODEL.gguf --output model.safetensors
    python3 tools/convert_model.py MODEL.gguf --encode text.txt --output text.tokens
    python3 tools/convert_model.py MODEL.gguf --decode text.tokens [--output text.txt]

A file of tokens holds their numbers in decimal, apart by white space. Encoding knows
the tokenizers of SmolLM and Gemma 3; of other models, bring files of tokens.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent))
from capture_kv import (
    FloatArray,
    check_finite,
    from_bf16,
    read_tensor,
    read_text,
    read_tokenizer,
    to_bf16,
    unpermute_rotary,
    write_safetensors,
)
from gguf_file import GgufFile, UserError, check_output, shown
from gguf_model import (
    ARCHITECTURES,
    HEAD,
    ROTARY_FACTORS,
    check_tensors,
    check_token_numbers,
    read_architecture,
    read_end_token,
    read_hyperparameters,
)

LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Of Gemma 3, in which attention ends with a norm of the name that Llama's MLP begins with.
GEMMA_TENSORS = {
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
MODEL_TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}


def read_settings(file: GgufFile) -> dict[str, Any]:
    """Read the hyperparameters, refusing variants that santa-generate does not run."""
    name = read_architecture(file)
    architecture = ARCHITECTURES[name]
    sizes = read_hyperparameters(file)
    if sizes.dim % 8 != 0:
        raise file.error(
            f"heads have {sizes.dim} elements ({name}.attention.key_length, or "
            "embedding_length by head_count); accepted: a multiple of 8"
        )
    check_tensors(file, sizes, rotary_factors=architecture.permuted_rotary)
    tokens = len(file.texts("tokenizer.ggml.tokens"))
    windows = {}
    if sizes.window is not None:
        windows = {
            "window": sizes.window,
            "full_layer_every": architecture.full_layer_every,
            "window_rope_theta": architecture.window_rope_base,
        }
    return windows | {
        "architecture": name,
        "name": file.text("general.name", "unnamed"),
        "licence": file.text("general.license", "not stated"),
        "layers": sizes.layers,
        "width": sizes.width,
        "hidden": sizes.hidden,
        "heads": sizes.heads,
        "kv_heads": sizes.kv_heads,
        "dim": sizes.dim,
        "context": sizes.context,
        "rope_theta": sizes.rope_base,
        "rope_scaling": sizes.rope_scaling,
        "rms_epsilon": sizes.rms_epsilon,
        "tied_head": str(HEAD not in file.tensors).lower(),
        "vocabulary": tokens,
        "end_token": read_end_token(file, tokens),
    }


def published_name(name: str, architecture: str) -> str:
    """Return what published models call a GGUF tensor of a model."""
    *layer, part, _ = name.split(".")
    if layer:
        names = LAYER_TENSORS | (GEMMA_TENSORS if architecture == "gemma3" else {})
        return f"model.layers.{layer[1]}.{names[part]}.weight"
    return f"{MODEL_TENSORS[part]}.weight"


def in_published_order(
    name: str, weight: FloatArray, settings: dict[str, Any]
) -> FloatArray:
    if not ARCHITECTURES[settings["architecture"]].permuted_rotary:
        return weight
    if name.endswith("q_proj.weight"):
        return unpermute_rotary(weight, settings["heads"])
    if name.endswith("k_proj.weight"):
        return unpermute_rotary(weight, settings["kv_heads"])
    return weight


def byte_of_letter() -> dict[str, int]:
    """Return the bytes that the letters of byte-level vocabularies stand for."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}


def pieces_of(tokens: list[str], kind: str) -> list[bytes]:
    """Return the text of each token as bytes."""
    if kind == "gpt2":
        table = byte_of_letter()
        return [
            bytes(table[c] for c in token)
            if all(c in table for c in token)
            else token.encode()
            for token in tokens
        ]
    return [
        bytes.fromhex(token[3:5])
        if re.fullmatch("<0x[0-9A-F]{2}>", token)  # for what no other token writes
        else token.replace("\u2581", " ").encode()
        for token in tokens
    ]


def vocabulary_tensors(pieces: list[bytes]) -> dict[str, npt.NDArray[Any]]:
    lengths = np.array([0, *map(len, pieces)], dtype=np.int64)
    return {
        "vocabulary.bytes": np.frombuffer(b"".join(pieces), dtype=np.uint8),
        "vocabulary.offsets": np.cumsum(lengths),
    }


def read_factors(file: GgufFile) -> FloatArray:
    factors = read_tensor(file, ROTARY_FACTORS)
    if not (factors > 0).all():
        raise file.error(
            f"tensor {ROTARY_FACTORS} holds {factors.min()}; accepted: positive numbers"
        )
    return factors


def to_checked_bf16(
    file: GgufFile, name: str, weight: FloatArray
) -> npt.NDArray[np.uint16]:
    # The largest of float32 round to infinity.
    bits = to_bf16(weight)
    check_finite(file, f"{name} in BF16", from_bf16(bits))
    return bits


def convert(file: GgufFile, output: Path) -> None:
    settings = read_settings(file)
    kind = file.text("tokenizer.ggml.model", among=("gpt2", "llama"))
    pieces = pieces_of(file.texts("tokenizer.ggml.tokens"), kind)
    tensors: dict[str, npt.NDArray[Any]] = {}
    for name in sorted(file.tensors):
        if name == ROTARY_FACTORS:
            tensors["rope.factors"] = read_factors(file)
            continue
        published = published_name(name, settings["architecture"])
        weight = in_published_order(published, read_tensor(file, name), settings)
        tensors[published] = to_checked_bf16(file, name, weight)
    tensors |= vocabulary_tensors(pieces)
    write_safetensors(output, tensors, {k: str(v) for k, v in settings.items()})
    print(f"{output}: {output.stat().st_size} bytes, {len(tensors)} tensors")


def encode(file: GgufFile, text: Path, output: Path) -> None:
    tokens = read_tokenizer(file).encode(read_text(text))
    output.write_text(" ".join(map(str, tokens)) + "\n")
    print(f"{output}: {len(tokens)} tokens")


def read_token_file(path: Path) -> list[int]:
    tokens = []
    for word in read_text(path).split():
        # Not all that int() takes, as "1_000".
        if re.fullmatch("-?[0-9]{1,18}", word) is None:
            raise UserError(
                f"{path} is not a file of tokens: it holds {shown(word)}; accepted: "
                "whole numbers apart by white space"
            )
        tokens.append(int(word))
    return tokens


def decode(file: GgufFile, path: Path, output: Path | None) -> None:
    tokens = read_token_file(path)
    tokenizer = read_tokenizer(file)
    check_token_numbers(tokens, tokenizer.count, str(path))
    text = tokenizer.decode(tokens)
    if output is None:
        print(text)
        return
    output.write_text(text, encoding="utf-8")
    print(f"{output}: {len(tokens)} tokens")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", metavar="MODEL.gguf", type=Path, help="model to convert"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--encode", type=Path, metavar="TEXT", help="write the tokens of a text"
    )
    what.add_argument(
        "--decode", type=Path, metavar="TOKENS", help="print or write the text of tokens"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write")
    arguments = parser.parse_args()
    if arguments.decode is None and arguments.output is None:
        parser.error("--output is needed")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    read = (arguments.model, arguments.encode, arguments.decode)
    try:
        if arguments.output is not None:
            check_output(arguments.output, filter(None, read))
        file = GgufFile(arguments.model)
        if arguments.decode is not None:
            decode(file, arguments.decode, arguments.output)
        elif arguments.encode is not None:
            encode(file, arguments.encode, arguments.output)
        else:
            convert(file, arguments.output)
    except (UserError, OSError) as error:
        print(f"convert_model.py: error: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print(
            "convert_model.py: error: not enough memory for this model", file=sys.stderr
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
