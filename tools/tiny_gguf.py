"""A tiny model in a GGUF file, for tests: every part of it can be spoilt by itself."""

from __future__ import annotations

import random
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf_file

KINDS = {name: number for number, (name, _) in gguf_file.SCALARS.items()}
LETTERS = dict(gguf_file.SCALARS.values())
F32 = 0


def text_bytes(text: str | bytes) -> bytes:
    encoded = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(encoded)) + encoded


@dataclass
class Value:
    """A value of the metadata; a kind that ends in [] is an array of it."""

    kind: str
    value: Any

    def encoded(self) -> bytes:
        if not self.kind.endswith("[]"):
            return self._type() + self._one(self.value)
        elements = b"".join(map(self._one, self.value))
        count = struct.pack("<Q", len(self.value))
        return struct.pack("<I", gguf_file.ARRAY) + self._type() + count + elements

    def _type(self) -> bytes:
        number = KINDS.get(self.kind.removesuffix("[]"), gguf_file.STRING)
        return struct.pack("<I", number)

    def _one(self, value: Any) -> bytes:
        kind = self.kind.removesuffix("[]")
        if kind == "STRING":
            return text_bytes(value)
        return struct.pack("<" + LETTERS[kind], value)


@dataclass
class TinyTensor:
    name: str | bytes
    shape: list[int]  # rows first
    data: bytes
    kind: int = F32
    offset: int | None = None  # in the data; None: where there is room

    def encoded(self, offset: int) -> bytes:
        at = offset if self.offset is None else self.offset
        sizes = struct.pack(f"<{len(self.shape)}Q", *self.shape[::-1])
        return (
            text_bytes(self.name)
            + struct.pack("<I", len(self.shape))
            + sizes
            + struct.pack("<IQ", self.kind, at)
        )


class TinyGguf:
    """One layer, 4 heads on 2 kv heads of dim 8, or what `sizes` say."""

    def __init__(self, architecture: str = "llama", **sizes: int) -> None:
        defaults = {"layers": 1, "width": 8, "hidden": 12, "heads": 4, "kv_heads": 2}
        self.sizes = {**defaults, "dim": 8, "window": 3, **sizes}
        self.architecture = architecture
        self.version = 3
        self.tokens = ["a", "b", "\u0120", "ab", "\u0120a", "<|end|>"]
        self.metadata: dict[str | bytes, Value] = {}
        self._add_metadata()
        self.tensors: dict[str, TinyTensor] = {}
        self._random = random.Random(7)
        self._add_tensors()

    def _add_metadata(self) -> None:
        s = self.sizes
        for key, size in {
            "embedding_length": s["width"],
            "feed_forward_length": s["hidden"],
            "block_count": s["layers"],
            "context_length": 32,
            "attention.head_count": s["heads"],
            "attention.head_count_kv": s["kv_heads"],
            "attention.key_length": s["dim"],
            "attention.value_length": s["dim"],
            "attention.sliding_window": s["window"],
            "rope.dimension_count": s["dim"],
        }.items():
            self.metadata[f"{self.architecture}.{key}"] = Value("UINT32", size)
        of_model = f"{self.architecture}."
        self.metadata |= {
            of_model + "rope.freq_base": Value("FLOAT32", 50.0),
            of_model + "attention.layer_norm_rms_epsilon": Value("FLOAT32", 1e-3),
            "general.architecture": Value("STRING", self.architecture),
            "general.name": Value("STRING", "tiny"),
            "general.license": Value("STRING", "none"),
            "general.alignment": Value("UINT32", 32),
            "tokenizer.ggml.model": Value("STRING", "gpt2"),
            "tokenizer.ggml.pre": Value("STRING", "smollm"),
            "tokenizer.ggml.tokens": Value("STRING[]", self.tokens),
            "tokenizer.ggml.merges": Value("STRING[]", ["a b", "\u0120 a"]),
            "tokenizer.ggml.eos_token_id": Value("UINT32", 5),
            "tokenizer.ggml.bos_token_id": Value("UINT32", 5),
            "tokenizer.ggml.add_bos_token": Value("BOOL", False),
        }

    def use_sentence_piece(self) -> None:
        count = len(self.tokens)
        self.metadata |= {
            "tokenizer.ggml.model": Value("STRING", "llama"),
            "tokenizer.ggml.pre": Value("STRING", "default"),
            "tokenizer.ggml.add_space_prefix": Value("BOOL", False),
            "tokenizer.ggml.scores": Value(
                "FLOAT32[]", [-float(i) for i in range(count)]
            ),
            "tokenizer.ggml.token_type": Value("INT32[]", [1] * count),
        }

    def _add_tensors(self) -> None:
        s = self.sizes
        width, hidden, dim = s["width"], s["hidden"], s["dim"]
        queries, keys = s["heads"] * dim, s["kv_heads"] * dim
        shapes = {
            "attn_norm": [width],
            "attn_q": [queries, width],
            "attn_k": [keys, width],
            "attn_v": [keys, width],
            "attn_output": [width, queries],
            "ffn_norm": [width],
            "ffn_gate": [hidden, width],
            "ffn_up": [hidden, width],
            "ffn_down": [width, hidden],
        }
        if self.architecture == "gemma3":
            shapes |= {"attn_q_norm": [dim], "attn_k_norm": [dim]}
            shapes |= {"post_attention_norm": [width], "post_ffw_norm": [width]}
        self.add("token_embd.weight", [len(self.tokens), width])
        self.add("output_norm.weight", [width])
        for layer in range(s["layers"]):
            for name, shape in shapes.items():
                self.add(f"blk.{layer}.{name}.weight", shape)

    def add(self, name: str, shape: list[int], numbers: Any = None) -> TinyTensor:
        """A tensor of random numbers, or of those given."""
        count = 1
        for size in shape:
            count *= size
        if numbers is None:
            numbers = [self._random.gauss(0.0, 1.0) for _ in range(count)]
        data = struct.pack(f"<{count}f", *numbers)
        self.tensors[name] = TinyTensor(name, list(shape), data)
        return self.tensors[name]

    def set(self, key: str, kind: str, value: Any) -> None:
        """Set metadata; a key that begins with a dot is one of the architecture."""
        name = self.architecture + key if key.startswith(".") else key
        self.metadata[name] = Value(kind, value)

    def header(self) -> bytes:
        tensors = list(self.tensors.values())
        head = b"GGUF" + struct.pack(
            "<IQQ", self.version, len(tensors), len(self.metadata)
        )
        for key, value in self.metadata.items():
            head += text_bytes(key) + value.encoded()
        offset = 0
        for tensor in tensors:
            head += tensor.encoded(offset)
            offset += len(tensor.data) + -len(tensor.data) % 32
        return head

    def encoded(self) -> bytes:
        head = self.header()
        data = b"".join(
            tensor.data + bytes(-len(tensor.data) % 32)
            for tensor in self.tensors.values()
        )
        return head + bytes(-len(head) % 32) + data

    def write(self, path: Path) -> None:
        path.write_bytes(self.encoded())

    def opened(self) -> gguf_file.GgufFile:
        """The file's contents, which outlive the file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tiny.gguf"
            self.write(path)
            return gguf_file.GgufFile(path)
