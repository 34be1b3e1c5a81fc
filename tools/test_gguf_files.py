"""Broken GGUF files, some hundreds of them: each gets one sentence and exit code 2.

python3 -m unittest discover --start-directory tools

Needs no package: what the scripts read by Python's own library is tested anyway, the
scripts themselves where numpy and tokenizers are there.
"""

from __future__ import annotations

import importlib.util
import io
import struct
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import gguf_file
import gguf_model
from gguf_file import GgufFile, UserError
from tiny_gguf import TinyGguf, TinyTensor, Value, text_bytes

SCRIPTS_RUN = all(map(importlib.util.find_spec, ("numpy", "tokenizers")))
NAN, INFINITY = float("nan"), float("inf")

MODEL = ("convert", "capture")
TOKENIZER = ("encode", "decode", "capture")
EVERY = ("convert", "encode", "decode", "capture")


@dataclass
class Case:
    what: str
    data: bytes
    expected: tuple[str, ...]  # parts of the sentence
    commands: tuple[str, ...]
    stored: bool = False  # in the tensors' data, which needs numpy


def spoilt(
    what: str,
    change: Callable[[TinyGguf], Any],
    *expected: str,
    commands: tuple[str, ...] = MODEL,
    stored: bool = False,
    architecture: str = "llama",
) -> Case:
    tiny = TinyGguf(architecture)
    change(tiny)
    return Case(what, tiny.encoded(), expected, commands, stored)


def with_value(
    key: str, kind: str, value: Any, *expected: str, commands: tuple[str, ...] = MODEL
) -> Case:
    """The key is in the sentence; one that begins with a dot is the architecture's."""

    def change(tiny: TinyGguf) -> None:
        tiny.set(key, kind, value)

    name = "llama" + key if key.startswith(".") else key
    what = f"{name} = {value!r} ({kind})"
    return spoilt(what, change, name, *expected, "accepted: ", commands=commands)


# --- Metadata ------------------------------------------------------------------------

WHOLE_KEYS = (
    ".embedding_length",
    ".feed_forward_length",
    ".block_count",
    ".context_length",
    ".attention.head_count",
    ".attention.head_count_kv",
    ".attention.key_length",
    ".attention.value_length",
    ".rope.dimension_count",
)
NUMBER_KEYS = (
    ".rope.freq_base",
    ".attention.layer_norm_rms_epsilon",
    ".rope.scaling.factor",
)
TEXT_KEYS = (
    "general.architecture",
    "general.name",
    "general.license",
    "tokenizer.ggml.model",
    "tokenizer.ggml.pre",
    ".rope.scaling.type",
)
NEEDED_KEYS = (
    "general.architecture",
    "llama.embedding_length",
    "llama.feed_forward_length",
    "llama.block_count",
    "llama.context_length",
    "llama.attention.head_count",
    "llama.attention.layer_norm_rms_epsilon",
    "tokenizer.ggml.model",
    "tokenizer.ggml.tokens",
)
READ_BY = {
    "general.name": ("capture", "convert"),
    "general.license": ("convert",),
    "tokenizer.ggml.model": EVERY,
    "tokenizer.ggml.tokens": EVERY,
    "tokenizer.ggml.pre": TOKENIZER,
}


def missing_keys() -> Iterator[Case]:
    for key in NEEDED_KEYS:

        def change(tiny: TinyGguf, key: str = key) -> None:
            del tiny.metadata[key]

        commands = READ_BY.get(key, MODEL)
        yield spoilt(f"no {key}", change, f"{key} is missing", commands=commands)


def wrong_types() -> Iterator[Case]:
    for key in WHOLE_KEYS:
        yield with_value(key, "FLOAT32", 4.0, "is 4.0 (FLOAT32)")
        yield with_value(key, "BOOL", 1, "is True (BOOL)")
        yield with_value(key, "STRING", "8", "is '8' (STRING)")
        yield with_value(key, "UINT32[]", [2], "is an array of 1 UINT32")
        yield with_value(key, "INT32", -1, "is -1 (INT32)")
        yield with_value(key, "UINT32", 0, "is 0 (UINT32)")
        yield with_value(key, "UINT64", 2**64 - 1, "is 18446744073709551615 (UINT64)")
    for key in NUMBER_KEYS:
        for number in (NAN, INFINITY, -INFINITY, 0.0, -1.0, 1e-38, 3e38):
            yield with_value(key, "FLOAT32", number, "(FLOAT32)")
        yield with_value(key, "FLOAT64", 1e-320, "is 1e-320 (FLOAT64)")
        yield with_value(key, "FLOAT64", 1e300, "is 1e+300 (FLOAT64)")
        yield with_value(key, "STRING", "q", "is 'q' (STRING)")
        yield with_value(key, "BOOL", 1, "is True (BOOL)")
        yield with_value(key, "FLOAT32[]", [1.0], "is an array of 1 FLOAT32")
    for key in TEXT_KEYS:
        commands = READ_BY.get(key, MODEL)
        yield with_value(key, "UINT32", 1, "is 1 (UINT32)", commands=commands)
        yield with_value(key, "STRING[]", ["a"], "array of 1 STRING", commands=commands)
        yield with_value(
            key, "STRING", b"\xe6\xad", "is the bytes e6 ad", commands=commands
        )


def wrong_sizes() -> Iterator[Case]:
    yield with_value(".attention.head_count", "UINT32", 3, "head_count_kv is 2", "(3)")
    yield with_value(".attention.head_count_kv", "UINT32", 3, "is 3", "heads (4)")
    yield with_value(".attention.head_count_kv", "UINT32", 8, "is 8", "from 1 to 4")
    yield with_value(".attention.head_count_kv", "UINT32[]", [2] * 30, "array of 30")
    yield with_value(".attention.key_length", "UINT32", 7, "7 elements", "even number")
    yield with_value(".attention.value_length", "UINT32", 16, "is 16", "from 8 to 8")
    yield with_value(".rope.dimension_count", "UINT32", 4, "is 4", "from 8 to 8")
    yield with_value(".rope.scaling.type", "STRING", "yarn", "'yarn'", "none or linear")
    yield with_value(".expert_count", "UINT32", 8, "is 8", "from 0 to 0")
    yield with_value("general.architecture", "STRING", "mamba", "is 'mamba'", "llama")
    yield with_value(
        "general.architecture", "STRING", "x\n\x1b[31m\x9b", "\\n\\x1b[31m"
    )
    yield with_value("general.architecture", "STRING", "y" * 9999, "yyy'...")

    def no_key_length(heads: int) -> Callable[[TinyGguf], None]:
        def change(tiny: TinyGguf) -> None:
            tiny.set(".attention.head_count", "UINT32", heads)
            tiny.set(".attention.head_count_kv", "UINT32", 1)
            for key in ("attention.key_length", "rope.dimension_count"):
                del tiny.metadata[f"llama.{key}"]

        return change

    divisor = "accepted: a divisor of llama.embedding_length (8)"
    yield spoilt("3 heads", no_key_length(3), "head_count is 3", divisor)
    yield spoilt("9 heads", no_key_length(9), "head_count is 9", divisor)
    yield spoilt("8 heads", no_key_length(8), "heads have 1 elements", "even number")

    def window(tiny: TinyGguf) -> None:
        tiny.set(".attention.sliding_window", "UINT32", 0)

    yield spoilt(
        "no window",
        window,
        "gemma3.attention.sliding_window is 0",
        commands=("capture",),
        architecture="gemma3",
    )


def wrong_tokens() -> Iterator[Case]:
    key = "tokenizer.ggml.tokens"
    for kind, values in (
        ("UINT8[]", range(6)),
        ("INT32[]", range(6)),
        ("FLOAT32[]", [0.5] * 6),
        ("STRING[]", []),
    ):
        yield with_value(key, kind, values, "is an array of", commands=EVERY)
    yield with_value(key, "STRING", "abc", "is 'abc' (STRING)", commands=EVERY)
    broken = ["a", "b", b"\xe6\xad", "ab", "c", "d"]
    yield with_value(
        key, "STRING[]", broken, "tokens[2] is the bytes e6 ad", commands=EVERY
    )
    twice = ["a", "b", "\u0120", "ab", "\u0120a", "a"]
    yield with_value(
        key, "STRING[]", twice, "tokens[5] is 'a', and so is [0]", commands=TOKENIZER
    )
    model = "tokenizer.ggml.model"
    yield with_value(
        model, "STRING", "rwkv", "is 'rwkv'", "'llama'", commands=TOKENIZER
    )
    yield with_value(
        model, "STRING", "rwkv", "is 'rwkv'", "gpt2 or llama", commands=("convert",)
    )
    yield with_value(
        "tokenizer.ggml.pre", "STRING", "qwen2", "'qwen2'", commands=TOKENIZER
    )
    end = "tokenizer.ggml.eos_token_id"
    for kind, value in (
        ("UINT32", 6),
        ("INT32", -7),
        ("FLOAT32", 1.0),
        ("STRING", "5"),
    ):
        yield with_value(end, kind, value, "from 0 to 5", commands=("convert",))


def wrong_merges() -> Iterator[Case]:
    merges = "tokenizer.ggml.merges"
    for merge in ("ab", "a  b", "a b c", "", " ", "a c", "b a", "a ", b"\xff \xff"):
        yield with_value(
            merges, "STRING[]", ["a b", merge], "merges[1] is ", commands=TOKENIZER
        )
    yield with_value(merges, "UINT32[]", [1], "array of 1 UINT32", commands=TOKENIZER)

    def first(kind: str, value: Any) -> Callable[[TinyGguf], None]:
        def change(tiny: TinyGguf) -> None:
            tiny.set("tokenizer.ggml.add_bos_token", "BOOL", 1)
            tiny.set("tokenizer.ggml.bos_token_id", kind, value)

        return change

    for kind, value in (("UINT32", 6), ("INT64", -1), ("STRING", "<s>")):
        yield spoilt(
            f"bos {value}",
            first(kind, value),
            "bos_token_id is ",
            "from 0 to 5",
            commands=TOKENIZER,
        )
    for flag in ("tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_space_prefix"):
        yield with_value(flag, "UINT32", 1, "is 1 (UINT32)", commands=TOKENIZER)


def wrong_scores() -> Iterator[Case]:
    scores, kinds = "tokenizer.ggml.scores", "tokenizer.ggml.token_type"

    def case(key: str, kind: str, values: Any, *expected: str) -> Case:
        def change(tiny: TinyGguf) -> None:
            tiny.use_sentence_piece()
            tiny.set(key, kind, values)

        what = f"{key} = {values!r} ({kind})"
        return spoilt(what, change, key, *expected, commands=TOKENIZER)

    yield case(scores, "STRING[]", ["x"] * 6, "array of 6 STRING", "6 numbers")
    yield case(scores, "BOOL[]", [1] * 6, "array of 6 BOOL", "6 numbers")
    yield case(scores, "FLOAT32", 1.0, "is 1.0 (FLOAT32)")
    yield case(scores, "FLOAT32[]", [1.0] * 5, "array of 5 FLOAT32", "6 numbers")
    yield case(scores, "FLOAT32[]", [], "array of 0 FLOAT32")
    for bad in (NAN, INFINITY, -INFINITY):
        yield case(scores, "FLOAT32[]", [0.0] * 4 + [bad, 0.0], f"scores[4] is {bad}")
    yield case(kinds, "FLOAT32[]", [1.0] * 6, "array of 6 FLOAT32")
    yield case(kinds, "INT32[]", [1] * 7, "array of 7 INT32")
    for number in (-1, 7):
        yield case(kinds, "INT32[]", [1, number] * 3, f"token_type[1] is {number}")


# --- Tensors -------------------------------------------------------------------------


def in_tensor(
    what: str, name: str, change: Callable[[TinyTensor], Any], *expected: str
) -> Case:
    def spoil(tiny: TinyGguf) -> None:
        change(tiny.tensors[name])

    return spoilt(f"{name}: {what}", spoil, f"tensor '{name}'", *expected)


def set_to(**values: Any) -> Callable[[Any], None]:
    def change(thing: Any) -> None:
        for name, value in values.items():
            setattr(thing, name, value)

    return change


def wrong_tensors() -> Iterator[Case]:
    embedding, last = "token_embd.weight", "blk.0.ffn_down.weight"
    for name in (embedding, last):
        for offset, part in (
            (1, "the offset 1; accepted: a multiple of 32"),
            (2**40, f"bytes {2**40} to"),
            (2**63, f"bytes {2**63} to"),
            (2**64 - 32, f"bytes {2**64 - 32} to"),
        ):
            yield in_tensor(f"offset {offset}", name, set_to(offset=offset), part)
        for shape, part in (
            ([], "0 dimensions; accepted: 1 to 4"),
            ([1] * 5, "5 dimensions; accepted: 1 to 4"),
            ([0, 8], "[8, 0]; accepted: positive"),
            ([6, 0], "[0, 6]; accepted: positive"),
            ([2**32, 2**32], "fewer than 2^63"),
            ([2**63, 2], "fewer than 2^63"),
            ([2**61], "of the data; accepted: up to"),
            ([2**40, 8], "of the data; accepted: up to"),
        ):
            yield in_tensor(f"shape {shape}", name, set_to(shape=shape), part)
        for kind in (4, 5, 9, 15, 24, 26, 28, 31, 99, 2**32 - 1):
            part = f"the type {kind}; accepted: 0 (F32), 1 (F16)"
            yield in_tensor(f"type {kind}", name, set_to(kind=kind), part)
        yield in_tensor("rows of 8 in Q4_0", name, set_to(kind=2), "a multiple of 32")

    def twins(tiny: TinyGguf) -> None:
        tiny.tensors["output_norm.weight"].offset = 32

    yield spoilt(
        "overlap", twins, "within tensor 'token_embd.weight'", "from its end on"
    )

    def same_bytes(tiny: TinyGguf) -> None:
        tiny.tensors["blk.0.attn_v.weight"].offset = 0

    yield spoilt("the same bytes", same_bytes, "begins at byte 0 of the data, within")

    def twice(tiny: TinyGguf) -> None:
        tiny.tensors["again"] = tiny.tensors["output_norm.weight"]

    yield spoilt("twice", twice, "tensor 'output_norm.weight' is there twice")

    def no_text(tiny: TinyGguf) -> None:
        tiny.tensors[embedding].name = b"\xff\xfe"

    yield spoilt("a name", no_text, "name of tensor 0 is the bytes ff fe", "UTF-8")


def wrong_models() -> Iterator[Case]:
    for name in TinyGguf().tensors:

        def remove(tiny: TinyGguf, name: str = name) -> None:
            del tiny.tensors[name]

        def shorten(tiny: TinyGguf, name: str = name) -> None:
            *rows, columns = tiny.tensors[name].shape
            tiny.add(name, [*rows, columns - 1])

        yield spoilt(f"no {name}", remove, f"tensor {name} is missing")
        yield spoilt(f"short {name}", shorten, f"tensor {name} has the shape")
    for name in ("token_embd.weight", "blk.0.attn_k.weight", "blk.0.ffn_down.weight"):

        def transpose(tiny: TinyGguf, name: str = name) -> None:
            tiny.tensors[name].shape.reverse()

        def flatten(tiny: TinyGguf, name: str = name) -> None:
            rows, columns = tiny.tensors[name].shape
            tiny.tensors[name].shape = [rows * columns]

        part = f"tensor {name} has the shape"
        yield spoilt(f"{name} transposed", transpose, part, "accepted: ")
        yield spoilt(f"{name} flat", flatten, part, "accepted: ")

    def few_tokens(tiny: TinyGguf) -> None:
        tiny.set("tokenizer.ggml.tokens", "STRING[]", ["a", "b", "ab"])
        tiny.set("tokenizer.ggml.eos_token_id", "UINT32", 0)
        tiny.set("tokenizer.ggml.merges", "STRING[]", ["a b"])

    yield spoilt(
        "3 tokens", few_tokens, "token_embd.weight", "[6, 8]; accepted: [3, 8]"
    )

    def many_layers(tiny: TinyGguf) -> None:
        tiny.set(".block_count", "UINT32", 9)

    yield spoilt("9 layers", many_layers, "tensor blk.1.attn_norm.weight is missing")
    for name in ("blk.0.attn_q.bias", "blk.1.attn_q.weight", "x\n\x1b", "blk.0.attn_q"):

        def add(tiny: TinyGguf, name: str = name) -> None:
            tiny.add(name, [8])

        part = f"tensor {ascii(name)} is unknown; accepted: "
        yield spoilt(f"unknown {name!r}", add, part)

    def head(tiny: TinyGguf) -> None:
        tiny.add("output.weight", [5, 8])

    yield spoilt("head", head, "tensor output.weight has the shape [5, 8]")

    def factors(tiny: TinyGguf) -> None:
        tiny.add("rope_freqs.weight", [8], [1.0] * 8)

    part = "tensor rope_freqs.weight has the shape [8]"
    yield spoilt("factors", factors, part, commands=("convert",))


def wrong_numbers() -> Iterator[Case]:
    def case(name: str, shape: list[int], number: float, *parts: str) -> Case:
        def change(tiny: TinyGguf) -> None:
            count = shape[0] * shape[-1] if len(shape) > 1 else shape[0]
            tiny.add(name, shape, [1.0] * (count - 1) + [number])

        what = f"{name} holds {number}"
        return spoilt(what, change, *parts, commands=("convert",), stored=True)

    for number in (NAN, INFINITY, -INFINITY):
        yield case("token_embd.weight", [6, 8], number, f"{number} at [5, 7]; accepted")
        yield case("blk.0.attn_norm.weight", [8], number, f"{number} at [7]; accepted")
        yield case("blk.0.attn_q.weight", [32, 8], number, f"{number} at [31, 7]")
        yield case("rope_freqs.weight", [4], number, f"{number} at [3]")
    yield case("output_norm.weight", [8], 3.4e38, "in BF16 holds inf at [7]")
    for number in (0.0, -1.0):
        yield case("rope_freqs.weight", [4], number, f"holds {number}", "positive")

    def nan_norm(tiny: TinyGguf) -> None:
        tiny.add("output_norm.weight", [8], [NAN] * 8)

    part = "tensor output_norm.weight holds nan at [0]"
    yield spoilt("NaN", nan_norm, part, commands=("capture",), stored=True)

    def large(tiny: TinyGguf) -> None:
        tiny.add("blk.0.attn_k.weight", [16, 8], [3e38] * 128)

    part = "a key of layer 0 is infinite or no number; accepted: "
    yield spoilt("overflow", large, part, commands=("capture",), stored=True)

    def scaled(tiny: TinyGguf) -> None:
        tiny.set(".rope.scaling.type", "STRING", "linear")
        tiny.set(".rope.scaling.factor", "FLOAT32", 2.0)

    part = "llama.rope.scaling.factor is 2.0 (FLOAT32); accepted: 1"
    yield spoilt("scaled", scaled, part, commands=("capture",), stored=True)

    odd = TinyGguf(dim=4)
    parts = ("heads have 4 elements", "accepted: a multiple of 8")
    yield Case("dim 4", odd.encoded(), parts, ("convert",), stored=True)


# --- The file's structure ------------------------------------------------------------


def counted(tensors: int, fields: int) -> bytes:
    """A right file but for its counts."""
    right = TinyGguf().encoded()
    return right[:8] + struct.pack("<QQ", tensors, fields) + right[24:]


def with_raw(value: bytes) -> bytes:
    """A file whose first value, of the key 'k', is these bytes from its type on."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text_bytes("k") + value
    return head + bytes(64)


def wrong_structure() -> Iterator[Case]:
    def case(what: str, data: bytes, *expected: str) -> Case:
        return Case(what, data, expected, EVERY)

    right = TinyGguf().encoded()
    yield case("nothing", b"", "not a GGUF file: it begins with nothing")
    yield case("3 bytes", b"GGU", "not a GGUF file: it begins with 47 47 55")
    yield case("safetensors", b"\x08" + bytes(7) + b"{}      ", "not a GGUF file")
    yield case("zeros", bytes(4096), "not a GGUF file")
    yield case("half", right[: len(right) // 2], "accepted: up to")
    yield case("last byte", right[: -1 - 31], "accepted: up to")
    for version in (0, 1, 4, 0x03000000, 2**32 - 1):
        data = right[:4] + struct.pack("<I", version) + right[8:]
        yield case(f"version {version}", data, f"the version is {version}; accepted: 2")


def wrong_counts() -> Iterator[Case]:
    def case(what: str, data: bytes, *expected: str) -> Case:
        return Case(what, data, expected, EVERY)

    tiny = TinyGguf()
    tensors, fields = len(tiny.tensors), len(tiny.metadata)
    for count in (2**31, 2**32, 2**60, 2**63, 2**64 - 1):
        part = f"is {count}; accepted: 0 to"
        yield case("tensors", counted(count, fields), "number of tensors", part)
        yield case("fields", counted(tensors, count), "number of metadata", part)
        for element in (0, 7, 8, 12):
            data = with_raw(struct.pack("<IIQ", 9, element, count))
            yield case(f"{count} of {element}", data, "'k'", part)
        data = with_raw(struct.pack("<IQ", 8, count))
        yield case(f"a string of {count}", data, f"metadata 'k' takes {count} bytes")
    fewer = counted(tensors - 1, fields)
    yield Case("a tensor less", fewer, ("blk.0.ffn_down.weight is missing",), MODEL)
    yield case("a tensor more", counted(tensors + 1, fields))
    yield case("a field less", counted(tensors, fields - 1))
    yield case("a field more", counted(tensors, fields + 1))
    for kind in (13, 99, 2**32 - 1):
        data = with_raw(struct.pack("<I", kind))
        yield case(f"type {kind}", data, f"metadata 'k' has the type {kind}; accepted")
        data = with_raw(struct.pack("<IIQ", 9, kind, 1))
        yield case(f"elements of {kind}", data, f"has the type {kind}; accepted")
    nested = with_raw(struct.pack("<IIQ", 9, 9, 1))
    yield case("nested", nested, "an array of arrays; accepted: numbers or strings")
    yield case(
        "a BOOL of 2", with_raw(struct.pack("<IB", 7, 2)), "is 2 (BOOL)", "0 or 1"
    )
    large = with_raw(struct.pack("<IIQ", 9, 4, 40))
    yield case("an array", large, "metadata 'k' takes 160 bytes")


def wrong_entries() -> Iterator[Case]:
    alignments: tuple[tuple[str, Any], ...] = (
        ("UINT32", 0),
        ("UINT32", 33),
        ("UINT32", 2**32 - 1),
        ("UINT64", 32),
        ("INT32", -32),
        ("FLOAT32", 32.0),
        ("STRING", "32"),
        ("UINT32[]", [32]),
    )
    for name, alignment in alignments:
        yield with_value("general.alignment", name, alignment, commands=EVERY)
    yield spoilt(
        "alignment 2^31",
        lambda tiny: tiny.set("general.alignment", "UINT32", 2**31),
        "accepted: ",
        commands=EVERY,
    )

    def twice(tiny: TinyGguf) -> None:
        tiny.metadata[b"general.name"] = Value("STRING", "again")

    part = "metadata 'general.name' is there twice"
    yield spoilt("a key twice", twice, part, commands=EVERY)

    def no_text(tiny: TinyGguf) -> None:
        tiny.metadata = {b"\xc3(": Value("UINT32", 1), **tiny.metadata}

    part = "the key of metadata 0 is the bytes c3 28; accepted: UTF-8"
    yield spoilt("a key", no_text, part, commands=EVERY)

    def control(tiny: TinyGguf) -> None:
        tiny.metadata["a\n\x1b]0;x\x07\x9b" * 99] = Value("BOOL", 9)

    yield spoilt(
        "a key of commands", control, "a\\n\\x1b]0;x\\x07\\x9b", commands=EVERY
    )


def all_cases() -> list[Case]:
    sources = (
        missing_keys,
        wrong_types,
        wrong_sizes,
        wrong_tokens,
        wrong_merges,
        wrong_scores,
        wrong_tensors,
        wrong_models,
        wrong_numbers,
        wrong_structure,
        wrong_counts,
        wrong_entries,
    )
    return [case for source in sources for case in source()]


# --- Tests ---------------------------------------------------------------------------


def read_metadata(path: Path, command: str) -> None:
    """What the script does with a file before it needs a package."""
    file = GgufFile(path)
    if command in ("encode", "decode", "capture"):
        gguf_model.read_tokenizer_parts(file)
    if command == "convert":
        gguf_model.read_end_token(file, len(file.texts("tokenizer.ggml.tokens")))
        file.text("tokenizer.ggml.model", among=("gpt2", "llama"))
        file.text("general.license", "")
    if command in ("convert", "capture"):
        file.text("general.name", "")
        sizes = gguf_model.read_hyperparameters(file)
        gguf_model.check_tensors(file, sizes, rotary_factors=command == "convert")


def sentence_of(path: Path, command: str) -> str:
    try:
        read_metadata(path, command)
    except UserError as error:
        return str(error)
    return ""


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "tiny.gguf"

    def write(self, data: bytes) -> None:
        self.path.unlink(missing_ok=True)  # writing over a file waits for the disk
        self.path.write_bytes(data)

    def check_sentence(self, sentence: str, *parts: str) -> None:
        """One line of a size that a terminal shows, in characters that do nothing."""
        self.assertIn("tiny.gguf: ", sentence)
        self.assertTrue(sentence.isascii() and sentence.isprintable(), sentence)
        self.assertLess(len(sentence), 1000)
        for part in parts:
            self.assertIn(part, sentence)


class CorpusTest(Folder):
    def test_right_files_are_read(self) -> None:
        for tiny in (TinyGguf(), TinyGguf("gemma3", layers=6), TinyGguf(layers=3)):
            for command in ("convert", "encode", "capture"):
                tiny.write(self.path)
                self.assertEqual(sentence_of(self.path, command), "")
        tiny = TinyGguf()
        tiny.use_sentence_piece()
        tiny.version = 2
        tiny.set("an.empty.array", "UINT8[]", [])
        tiny.set("unread", "STRING", b"\xff")
        tiny.set(".rope.freq_base", "UINT32", 10000)
        tiny.add("output.weight", [6, 8])
        tiny.write(self.path)
        for command in EVERY:
            self.assertEqual(sentence_of(self.path, command), "")

    def test_broken_files_get_a_sentence_each(self) -> None:
        cases = [case for case in all_cases() if not case.stored]
        self.assertGreaterEqual(len({case.data for case in cases}), 200)
        for case in cases:
            self.write(case.data)
            for command in case.commands:
                with self.subTest(case.what, command=command):
                    sentence = sentence_of(self.path, command)
                    self.check_sentence(sentence, *case.expected)

    def test_a_file_cut_anywhere_gets_a_sentence(self) -> None:
        tiny = TinyGguf()
        whole = tiny.encoded()
        for length in [*range(len(tiny.header())), len(whole) - 32]:
            self.write(whole[:length])
            with self.subTest(length=length):
                self.check_sentence(sentence_of(self.path, "convert"))

    def test_a_large_file_makes_no_large_header(self) -> None:
        def start(fields: int) -> bytes:
            return b"GGUF" + struct.pack("<IQQ", 3, 0, fields)

        size = 300 << 30  # of which next to nothing is on the disk
        array = struct.pack("<II", 9, 0)
        most = gguf_file.MOST_HEADER_BYTES
        half = most // 2
        for head, part in (
            (start(1) + text_bytes("k") + array + struct.pack("<Q", size - 99), "'k'"),
            (start(1) + text_bytes("k") + struct.pack("<IQ", 8, size - 99), "'k'"),
            (start(1) + struct.pack("<Q", size - 99), "the key of metadata 0"),
            (start(size // 64), "number of metadata"),
            (b"GGUF" + struct.pack("<IQQ", 3, size // 64, 0), "number of tensors"),
        ):
            with self.subTest(part):
                self.write(head)
                with self.path.open("r+b") as file:
                    file.truncate(size)
                sentence = sentence_of(self.path, "convert")
                self.check_sentence(sentence, part, f"a header of {most} bytes in all")
        # Nor do several arrays, of which each would fit.
        self.write(start(2))
        with self.path.open("r+b") as file:
            for key in ("a", "b"):
                file.seek(0, 2)
                file.write(text_bytes(key) + array + struct.pack("<Q", half))
                file.truncate(file.tell() + half)
        sentence = sentence_of(self.path, "convert")
        self.check_sentence(sentence, "'b'", "a header of ")

    def test_a_header_with_any_one_byte_changed_loads_or_gets_a_sentence(self) -> None:
        tiny = TinyGguf()
        whole = bytearray(tiny.encoded())
        loaded = 0
        for index in range(len(tiny.header())):
            for change in (0x01, 0x80):
                whole[index] ^= change
                self.write(bytes(whole))
                sentence = sentence_of(self.path, "convert")
                whole[index] ^= change
                loaded += not sentence
                if sentence:
                    with self.subTest(index=index, change=change):
                        self.check_sentence(sentence)
        self.assertGreater(loaded, 0)  # a name may be another

    def test_numbers_that_are_no_tokens(self) -> None:
        gguf_model.check_token_numbers([0, 5], 6, "text")
        for token in (-1, 6, 2**64):
            with self.assertRaisesRegex(UserError, f"text holds the token {token}; "):
                gguf_model.check_token_numbers([0, token], 6, "text")

    def test_what_is_no_file(self) -> None:
        for path in (self.folder / "absent", self.folder, Path("/dev/null")):
            with self.assertRaisesRegex(UserError, "cannot read|not a regular file"):
                GgufFile(path)

    @unittest.skipUnless(importlib.util.find_spec("gguf"), "needs the package gguf")
    def test_sizes_of_types_are_those_of_the_package(self) -> None:
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        for number, (name, elements, size) in gguf_file.TENSOR_TYPES.items():
            kind = GGMLQuantizationType(number)
            self.assertEqual(
                (kind.name, GGML_QUANT_SIZES[kind]), (name, (elements, size))
            )


class ScaleTest(unittest.TestCase):
    def test_models_of_another_scale_of_scores_are_refused(self) -> None:
        read = gguf_model.read_hyperparameters
        for architecture in ("llama", "gemma3"):
            tiny = TinyGguf(architecture)
            usual = read(tiny.opened()).scale
            tiny.set(".attention.scale", "FLOAT32", usual)
            self.assertEqual(read(tiny.opened()).scale, usual)
            tiny.set(".attention.scale", "FLOAT32", 168**-0.5)
            with self.assertRaisesRegex(gguf_file.UserError, "scale is .* 0.353553"):
                read(tiny.opened())
        # Of 62 layers Gemma 3 27B alone: of heads of 128 elements, divided by 168.
        self.assertEqual(read(TinyGguf("llama", layers=62).opened()).layers, 62)
        with self.assertRaisesRegex(gguf_file.UserError, "gemma3.block_count is 62"):
            read(TinyGguf("gemma3", layers=62).opened())


@unittest.skipUnless(SCRIPTS_RUN, "needs the packages numpy and tokenizers")
class ScriptTest(Folder):
    def setUp(self) -> None:
        super().setUp()
        self.text = self.folder / "text"
        self.text.write_text("ab a")
        self.tokens = self.folder / "tokens"
        self.tokens.write_text("3 4\n")
        self.output = self.folder / "output"

    def arguments(self, command: str) -> list[str]:
        if command == "capture":
            span = ["--length", "2", "--positions", "1"]
            return ["capture_kv.py", str(self.path), str(self.text), "--stats", *span]
        what = ["convert_model.py", str(self.path)]
        if command == "decode":
            return [*what, "--decode", str(self.tokens)]
        if command == "encode":
            what += ["--encode", str(self.text)]
        return [*what, "--output", str(self.output)]

    def run_script(self, arguments: list[str]) -> tuple[int, str]:
        """Run a script; return its exit code and what it says where errors go."""
        # Imported here, for both import numpy.
        import capture_kv
        import convert_model

        main = capture_kv.main if "capture" in arguments[0] else convert_model.main
        errors = io.StringIO()
        with mock.patch.object(sys, "argv", arguments):
            with redirect_stderr(errors), redirect_stdout(io.StringIO()):
                code = main()
        # Progress ends with a carriage return: what is shown is what follows.
        return code, errors.getvalue().rpartition("\r")[2]

    def test_right_files_are_taken(self) -> None:
        for tiny, commands in (
            (TinyGguf(), EVERY),
            (TinyGguf("gemma3", layers=6), ("encode", "decode", "capture")),
        ):
            tiny.write(self.path)
            for command in commands:
                code, errors = self.run_script(self.arguments(command))
                self.assertEqual((code, errors.strip()), (0, ""), command)

    def test_broken_files_get_a_sentence_and_exit_code_2(self) -> None:
        for case in all_cases():
            self.write(case.data)
            for command in case.commands:
                with self.subTest(case.what, command=command):
                    self.output.unlink(missing_ok=True)
                    code, errors = self.run_script(self.arguments(command))
                    self.assertEqual(code, 2)
                    self.assertRegex(errors, r"^[a-z_]+\.py: error: .*\n$")
                    self.check_sentence(errors.rstrip("\n"), *case.expected)
                    self.assertFalse(self.output.exists())

    @unittest.skipUnless(importlib.util.find_spec("gguf"), "needs the package gguf")
    def test_quantised_tensors_have_the_values_of_the_package(self) -> None:
        import capture_kv
        import gguf
        import numpy as np

        numbers = np.random.default_rng(1).standard_normal((3, 64), dtype=np.float32)
        for kind in ("F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
            with self.subTest(kind):
                number = gguf.GGMLQuantizationType[kind]
                blocks = gguf.quantize(numbers, number)
                tiny = TinyGguf()
                data = blocks.tobytes()
                tiny.tensors["x"] = TinyTensor("x", [3, 64], data, int(number))
                actual = capture_kv.read_tensor(tiny.opened(), "x")
                expected = gguf.dequantize(blocks, number)
                np.testing.assert_array_equal(actual, expected)

    def test_tokens_that_the_model_does_not_have(self) -> None:
        TinyGguf().write(self.path)
        for text, part in (
            ("-1", "holds the token -1; accepted: 0 to 5"),
            ("1 6", "holds the token 6; accepted: 0 to 5"),
            ("99999999999", "holds the token 99999999999; accepted: 0 to 5"),
            ("9" * 5000, "it holds '999"),
            ("1_0", "it holds '1_0'; accepted: whole numbers"),
            ("\u0661", "it holds '\\u0661'"),
            ("two", "it holds 'two'"),
            ("1.0", "it holds '1.0'"),
        ):
            self.tokens.write_text(text)
            code, errors = self.run_script(self.arguments("decode"))
            self.assertEqual(code, 2)
            self.assertIn(part, errors)
            self.assertEqual(errors.count("\n"), 1)
        arguments = ["convert_model.py", str(self.path), "--decode", "-1"]
        self.assertEqual(self.run_script(arguments)[0], 2)

    def test_a_text_of_tokens_is_written(self) -> None:
        TinyGguf().write(self.path)
        arguments = [*self.arguments("decode"), "--output", str(self.output)]
        self.assertEqual(self.run_script(arguments), (0, ""))
        printed = io.StringIO()
        with redirect_stdout(printed), mock.patch.object(sys, "argv", arguments[:-2]):
            import convert_model

            self.assertEqual(convert_model.main(), 0)
        self.assertEqual(self.output.read_text() + "\n", printed.getvalue())

    def test_a_model_beyond_memory(self) -> None:
        TinyGguf().write(self.path)
        for command in MODEL:
            with mock.patch.object(GgufFile, "data_of", side_effect=MemoryError):
                code, errors = self.run_script(self.arguments(command))
            self.assertEqual(code, 2)
            self.assertIn("error: not enough memory for this model\n", errors)

    def test_what_is_read_is_not_written_over(self) -> None:
        TinyGguf().write(self.path)
        for command in EVERY:
            arguments = self.arguments(command)
            read = [self.path]
            read += [p for p in (self.text, self.tokens) if str(p) in arguments]
            for path in read:
                before = path.read_bytes()
                self.output = path
                with self.subTest(command=command, path=path.name):
                    code, errors = self.run_script(
                        [*self.arguments(command), "--output", str(path)]
                    )
                    self.assertEqual(code, 2)
                    self.assertIn("which is read; accepted: another file", errors)
                    self.assertEqual(path.read_bytes(), before)

    def test_a_folder_that_is_not_there(self) -> None:
        TinyGguf().write(self.path)
        self.output = self.path / "none" / "file"
        for command in EVERY:
            with self.subTest(command):
                code, errors = self.run_script(
                    [*self.arguments(command), "--output", str(self.output)]
                )
                self.assertEqual(code, 2)
                self.assertIn("there is no folder", errors)

    def test_an_empty_prompt(self) -> None:
        TinyGguf().write(self.path)
        arguments = [*self.arguments("capture"), "--check", "--prompt", ""]
        code, errors = self.run_script(arguments)
        self.assertEqual(code, 2)
        self.assertIn("--prompt is ''", errors)


if __name__ == "__main__":
    unittest.main()
