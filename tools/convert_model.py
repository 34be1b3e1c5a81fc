#!/usr/bin/env python3
"""Convert a language model for santa-generate, and texts to and from its tokens.

A Llama-architecture model in a GGUF file becomes one safetensors file: weights in
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
    python3 tools/convert_model.py MODEL.gguf --decode text.tokens

A file of tokens holds their numbers in decimal, apart by white space. Encoding knows
the tokenizer of SmolLM; of other models, bring files of tokens.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent))
from capture_kv import (
    CaptureError,
    FloatArray,
    GgufFile,
    read_text,
    to_bf16,
    unpermute_rotary,
    write_safetensors,
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
MODEL_TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
ROTARY_FACTORS = "rope_freqs.weight"


def read_settings(file: GgufFile) -> dict[str, Any]:
    """Read the hyperparameters, refusing variants that santa-generate does not run."""
    read = file.metadata
    width = int(read("llama.embedding_length"))
    heads = int(read("llama.attention.head_count"))
    dim = int(read("llama.attention.key_length", width // heads))
    scaling = read("llama.rope.scaling.type", "none")
    if read("llama.attention.value_length", dim) != dim:
        raise CaptureError("values that are not as long as keys are not supported")
    if read("llama.rope.dimension_count", dim) != dim:
        raise CaptureError("rotary embedding of a part of a head is not supported")
    if scaling not in ("none", "linear"):
        raise CaptureError(f"rotary embedding with {scaling} scaling is not supported")
    if read("llama.expert_count", 0) != 0:
        raise CaptureError("mixture-of-experts models are not supported")
    factor = float(read("llama.rope.scaling.factor", 1.0))
    return {
        "architecture": "llama",
        "name": read("general.name", "unnamed"),
        "licence": read("general.license", "not stated"),
        "layers": int(read("llama.block_count")),
        "width": width,
        "hidden": int(read("llama.feed_forward_length")),
        "heads": heads,
        "kv_heads": int(read("llama.attention.head_count_kv", heads)),
        "dim": dim,
        "context": int(read("llama.context_length")),
        "rope_theta": float(read("llama.rope.freq_base", 10000.0)),
        "rope_scaling": factor if scaling == "linear" else 1.0,
        "rms_epsilon": float(read("llama.attention.layer_norm_rms_epsilon")),
        "tied_head": str("output.weight" not in file.tensor_names()).lower(),
        "vocabulary": file.tensor("token_embd.weight").shape[0],
    }


def published_name(name: str) -> str | None:
    """Return what published models call a GGUF tensor; None for one not known."""
    parts = name.split(".")
    if parts[-1] != "weight":
        return None
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in LAYER_TENSORS:
        return f"model.layers.{parts[1]}.{LAYER_TENSORS[parts[2]]}.weight"
    if len(parts) == 2 and parts[0] in MODEL_TENSORS:
        return f"{MODEL_TENSORS[parts[0]]}.weight"
    return None


def in_published_order(
    name: str, weight: FloatArray, settings: dict[str, Any]
) -> FloatArray:
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
    return [token.replace("\u2581", " ").encode() for token in tokens]


def vocabulary_tensors(pieces: list[bytes]) -> dict[str, npt.NDArray[Any]]:
    lengths = np.array([0, *map(len, pieces)], dtype=np.int64)
    return {
        "vocabulary.bytes": np.frombuffer(b"".join(pieces), dtype=np.uint8),
        "vocabulary.offsets": np.cumsum(lengths),
    }


def convert(file: GgufFile, output: Path) -> None:
    if file.architecture != "llama":
        raise CaptureError(f"the model has architecture {file.architecture}, not llama")
    settings = read_settings(file)
    tensors: dict[str, npt.NDArray[Any]] = {}
    for name in sorted(file.tensor_names()):
        if name == ROTARY_FACTORS:
            tensors["rope.factors"] = file.tensor(name)
            continue
        published = published_name(name)
        if published is None:
            # A bias, say: leaving it out would be wrong in silence.
            raise CaptureError(f"the model has an unknown tensor, {name}")
        weight = in_published_order(published, file.tensor(name), settings)
        tensors[published] = to_bf16(weight)
    kind = file.metadata("tokenizer.ggml.model")
    pieces = pieces_of(file.metadata("tokenizer.ggml.tokens"), kind)
    tensors |= vocabulary_tensors(pieces)
    settings["end_token"] = file.metadata("tokenizer.ggml.eos_token_id", -1)
    write_safetensors(output, tensors, {k: str(v) for k, v in settings.items()})
    print(f"{output}: {output.stat().st_size} bytes, {len(tensors)} tensors")


def encode(file: GgufFile, text: Path, output: Path) -> None:
    tokens = file.read_tokenizer().encode(read_text(text))
    output.write_text(" ".join(map(str, tokens)) + "\n")
    print(f"{output}: {len(tokens)} tokens")


def decode(file: GgufFile, path: Path) -> None:
    try:
        tokens = [int(word) for word in read_text(path).split()]
    except ValueError as error:
        raise CaptureError(f"{path} is not a file of tokens") from error
    print(file.read_tokenizer().decode(tokens))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", metavar="MODEL.gguf", type=Path, help="Llama-architecture model"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--encode", type=Path, metavar="TEXT", help="write the tokens of a text"
    )
    what.add_argument(
        "--decode", type=Path, metavar="TOKENS", help="print the text of tokens"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write")
    arguments = parser.parse_args()
    if arguments.decode is None and arguments.output is None:
        parser.error("--output is needed")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    try:
        file = GgufFile(arguments.model)
        if arguments.decode is not None:
            decode(file, arguments.decode)
        elif arguments.encode is not None:
            encode(file, arguments.encode, arguments.output)
        else:
            convert(file, arguments.output)
    except CaptureError as error:
        print(f"convert_model.py: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"convert_model.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
