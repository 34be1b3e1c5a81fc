#!/usr/bin/env python3
"""Capture the attention inputs of a language model on a real text.

Runs a model of the Llama or Gemma 3 architecture from a GGUF file over a text, in
float32 with numpy, and writes the query, key and value tensors of chosen layers to
one safetensors file:

    layers.<i>.query     [positions, heads, dim]     BF16, after rotary embedding
    layers.<i>.key       [length, kv_heads, dim]     BF16, after rotary embedding
    layers.<i>.value     [length, kv_heads, dim]     BF16
    layers.<i>.position  [positions]                 I64

The query at position p attends to the keys 0..p, itself included. Layers that see a
window of the text only are captured where the whole text is in their window.

    pip install -r tools/requirements.txt
    python3 tools/capture_kv.py MODEL.gguf TEXT --stats
    python3 tools/capture_kv.py MODEL.gguf TEXT --layers 3,17 --output kv.safetensors
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent))
from gguf_file import GgufFile, UserError, check_output
from gguf_model import (
    ARCHITECTURES,
    HEAD,
    Architecture,
    ByteLevel,
    Hyperparameters,
    check_tensors,
    read_architecture,
    read_hyperparameters,
    read_tokenizer_parts,
)

FloatArray = npt.NDArray[np.float32]

# Rows handled at once, so that the scores of one key-value head stay near the cache
# and the logits of the large vocabulary fit in memory.
QUERY_CHUNK = 256
TOKEN_CHUNK = 512

CHECK_PROMPT = "The water cycle describes how water moves. First, water evaporates from"
CHECK_TOKENS = 48


# --- Numbers and files ---------------------------------------------------------------


def to_bf16(values: FloatArray) -> npt.NDArray[np.uint16]:
    """Round float32 to the bit patterns of bfloat16: nearest, ties to even."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    lowest_kept_bit = (bits >> 16) & 1
    # A NaN wraps around in this sum; it is replaced below.
    rounded = (bits + (0x7FFF + lowest_kept_bit)) >> 16
    quiet_nan = (bits >> 16) | 0x0040
    return np.where(np.isnan(values), quiet_nan, rounded).astype(np.uint16)


def from_bf16(bits: npt.NDArray[np.uint16]) -> FloatArray:
    """Widen bit patterns of bfloat16 to float32, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


# The types a capture uses; numpy has no bfloat16, so its bit patterns stand for it.
SAFETENSORS_TYPES = {
    np.dtype(np.int64): "I64",
    np.dtype(np.float32): "F32",
    np.dtype(np.uint16): "BF16",
    np.dtype(np.uint8): "U8",
}


def write_safetensors(
    path: Path, tensors: dict[str, npt.NDArray[Any]], metadata: dict[str, str]
) -> None:
    """Write a safetensors file; arrays of uint16 are taken as bfloat16."""
    # Wide types first: then every tensor is aligned to its own element size.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for name, tensor in ordered:
        header[name] = {
            "dtype": SAFETENSORS_TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    encoded = json.dumps(header, separators=(",", ":")).encode("utf-8")
    # Spaces after the header align the data to 64 bytes for readers that map the file.
    encoded += b" " * (-(8 + len(encoded)) % 64)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for _, tensor in ordered:
            little_endian = tensor.dtype.newbyteorder("<")
            file.write(np.ascontiguousarray(tensor, dtype=little_endian).tobytes())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- Model ---------------------------------------------------------------------------


def silu(gate: FloatArray) -> FloatArray:
    return gate / (1.0 + np.exp(-gate))


def gelu(gate: FloatArray) -> FloatArray:
    """By the tangent, as models compute it."""
    inner = np.float32(math.sqrt(2.0 / math.pi)) * (
        gate + 0.044715 * gate * gate * gate
    )
    return 0.5 * gate * (1.0 + np.tanh(inner))


ACTIVATIONS = {"silu": silu, "gelu": gelu}


@dataclass(frozen=True)
class Layer:
    attention_norm: FloatArray
    query: FloatArray
    key: FloatArray
    value: FloatArray
    output: FloatArray
    mlp_norm: FloatArray
    gate: FloatArray
    up: FloatArray
    down: FloatArray
    rope_base: float
    window: int | None = None  # keys that a query sees, itself included; None: all
    # None: the architecture has no such norm.
    query_norm: FloatArray | None = None
    key_norm: FloatArray | None = None
    attention_post_norm: FloatArray | None = None
    mlp_post_norm: FloatArray | None = None


@dataclass(frozen=True)
class Model:
    name: str
    architecture: Architecture
    hyperparameters: Hyperparameters
    embedding: FloatArray
    layers: list[Layer]
    output_norm: FloatArray
    head: FloatArray


def unpermute_rotary(weight: FloatArray, heads: int) -> FloatArray:
    """Undo the row order that GGUF gives the query and key weights of Llama models.

    Rotary embedding turns pairs of elements. The published weights pair element i of a
    head with element i + dim/2; GGUF moves the two next to each other. Undoing that
    makes the capture look like what other implementations hold in their caches.
    """
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


def read_tensor(file: GgufFile, name: str) -> FloatArray:
    """Dequantise a tensor; all of its elements are finite."""
    info = file.tensors[name]
    data = np.frombuffer(file.data_of(name), dtype=np.uint8)
    if info.kind == "F32":
        weight = data.view("<f4").astype(np.float32)
    else:
        gguf = import_required("gguf")
        rows = data.reshape(-1, info.row_bytes)
        with np.errstate(all="ignore"):  # what is not finite is found below
            weight = gguf.dequantize(rows, gguf.GGMLQuantizationType[info.kind])
    weight = np.asarray(weight, dtype=np.float32).reshape(info.shape)
    check_finite(file, name, weight)
    return weight


def check_finite(file: GgufFile, name: str, weight: FloatArray) -> None:
    finite = np.isfinite(weight)
    if not finite.all():
        first = np.unravel_index(np.argmin(finite), weight.shape)
        at = [int(index) for index in first]
        raise file.error(
            f"tensor {name} holds {weight[first]} at {at}; accepted: finite numbers"
        )


def read_layer(file: GgufFile, index: int, sizes: Hyperparameters) -> Layer:
    architecture = ARCHITECTURES[read_architecture(file)]

    def part(name: str) -> FloatArray:
        return read_tensor(file, f"blk.{index}.{name}.weight")

    def rotated(name: str, heads: int) -> FloatArray:
        weight = part(name)
        permuted = architecture.permuted_rotary
        return unpermute_rotary(weight, heads) if permuted else weight

    def norm(name: str) -> FloatArray | None:
        return part(name) if architecture.more_norms else None

    sees_all = (index + 1) % architecture.full_layer_every == 0
    return Layer(
        attention_norm=part("attn_norm"),
        query=rotated("attn_q", sizes.heads),
        key=rotated("attn_k", sizes.kv_heads),
        value=part("attn_v"),
        output=part("attn_output"),
        mlp_norm=part("ffn_norm"),
        gate=part("ffn_gate"),
        up=part("ffn_up"),
        down=part("ffn_down"),
        rope_base=sizes.rope_base if sees_all else architecture.window_rope_base,
        window=None if sees_all else sizes.window,
        query_norm=norm("attn_q_norm"),
        key_norm=norm("attn_k_norm"),
        attention_post_norm=norm("post_attention_norm"),
        mlp_post_norm=norm("post_ffw_norm"),
    )


def read_model(file: GgufFile) -> Model:
    sizes = read_hyperparameters(file)
    if sizes.rope_scaling != 1.0:
        scaling = f"{read_architecture(file)}.rope.scaling.factor"
        raise file.refused(scaling, "1, as positions are not scaled here")
    check_tensors(file, sizes, rotary_factors=False)
    embedding = read_tensor(file, "token_embd.weight")
    return Model(
        name=file.text("general.name", file.path.stem),
        architecture=ARCHITECTURES[read_architecture(file)],
        hyperparameters=sizes,
        embedding=embedding,
        layers=[read_layer(file, index, sizes) for index in range(sizes.layers)],
        output_norm=read_tensor(file, "output_norm.weight"),
        head=read_tensor(file, HEAD) if HEAD in file.tensors else embedding,
    )


def read_tokenizer(file: GgufFile) -> Tokenizer:
    parts = read_tokenizer_parts(file)
    if isinstance(parts, ByteLevel):
        bpe = byte_level_bpe(parts.vocabulary, parts.merges)
    else:
        bpe = sentence_piece_bpe(list(parts.vocabulary), parts.scores, parts.kinds)
    return Tokenizer(bpe, parts.prefix, len(parts.vocabulary))


def byte_level_bpe(
    vocabulary: dict[str, int], merges: Sequence[tuple[str, str]]
) -> Any:
    """Byte-level byte-pair encoding with every digit on its own, as SmolLM has it."""
    library = import_required("tokenizers")
    bpe = library.Tokenizer(library.models.BPE(vocabulary, list(merges)))
    bpe.pre_tokenizer = library.pre_tokenizers.Sequence(
        [
            library.pre_tokenizers.Digits(individual_digits=True),
            library.pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = library.decoders.ByteLevel()
    return bpe


# Of a token in GGUF metadata.
NORMAL_TOKEN = 1
USER_DEFINED_TOKEN = 4
SPACE = "\u2581"


def merges_by_score(
    tokens: Sequence[str], scores: Sequence[float]
) -> list[tuple[str, str]]:
    """Return all pairs of tokens that make a token, of the highest score first."""
    known = set(tokens)
    ranked = sorted(zip(scores, tokens), key=lambda pair: -pair[0])
    splits = (
        (token[:i], token[i:]) for _, token in ranked for i in range(1, len(token))
    )
    return [(left, right) for left, right in splits if left in known and right in known]


def sentence_piece_bpe(
    tokens: Sequence[str], scores: Sequence[float], kinds: Sequence[int]
) -> Any:
    """SentencePiece's byte-pair encoding, with no space put before a text.

    Two pieces join where what they make has the highest score. A text is first split
    at the tokens that the model's authors have set; a character that is no token
    becomes bytes.
    """
    library = import_required("tokenizers")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    normal = [index for index, kind in enumerate(kinds) if kind == NORMAL_TOKEN]
    merges = merges_by_score([tokens[i] for i in normal], [scores[i] for i in normal])
    bpe = library.Tokenizer(library.models.BPE(vocabulary, merges, byte_fallback=True))
    bpe.add_tokens(
        [
            library.AddedToken(token, normalized=False)
            for token, kind in zip(tokens, kinds)
            if kind == USER_DEFINED_TOKEN
        ]
    )
    bpe.normalizer = library.normalizers.Replace(" ", SPACE)
    bpe.decoder = library.decoders.Sequence(
        [
            library.decoders.Replace(SPACE, " "),
            library.decoders.ByteFallback(),
            library.decoders.Fuse(),
        ]
    )
    return bpe


class Tokenizer:
    """A tokenizer of the package tokenizers, and the tokens that open a text."""

    def __init__(self, bpe: Any, prefix: list[int], count: int) -> None:
        self._bpe = bpe
        self._prefix = prefix
        self.count = count  # of the tokens that it knows

    def encode(self, text: str) -> list[int]:
        tokens = self._bpe.encode(text).ids
        if self._bpe.decode(tokens) != text:
            raise UserError("the tokenizer does not give the text back unchanged")
        return self._prefix + tokens

    def encode_ending(self, text: str) -> list[int]:
        """Encode a text that goes on after others: nothing is put before it."""
        return self.encode(text)[len(self._prefix) :]

    def decode(self, tokens: Sequence[int]) -> str:
        return self._bpe.decode(list(tokens))


def import_required(name: str) -> Any:
    # Imported on use, so that most tests of this file need numpy only.
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"the Python package {name} is missing: "
            "pip install -r tools/requirements.txt"
        ) from error


# --- Forward pass --------------------------------------------------------------------


@dataclass(frozen=True)
class AttentionInputs:
    """What the attention of one layer reads, heads first and after rotary embedding."""

    query: FloatArray  # [heads, length, dim]
    key: FloatArray  # [kv_heads, length, dim]
    value: FloatArray  # [kv_heads, length, dim]


def chunks(length: int, size: int) -> Iterator[slice]:
    for begin in range(0, length, size):
        yield slice(begin, min(begin + size, length))


def rms_norm(
    hidden: FloatArray, weight: FloatArray | None, epsilon: float
) -> FloatArray:
    """Normalise the last axis; without a weight there is no norm, and it stays."""
    if weight is None:
        return hidden
    mean_square = np.mean(np.square(hidden), axis=-1, keepdims=True)
    return hidden / np.sqrt(mean_square + np.float32(epsilon)) * weight


def rotary_angles(length: int, dim: int, base: float) -> tuple[FloatArray, FloatArray]:
    """Return cosine and sine of every angle, [length, dim/2]."""
    # In float64: at position 8191 a float32 angle is off by up to 0.0005.
    frequencies = base ** -(np.arange(0, dim, 2, dtype=np.float64) / dim)
    angles = np.outer(np.arange(length, dtype=np.float64), frequencies)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(vectors: FloatArray, cosine: FloatArray, sine: FloatArray) -> FloatArray:
    """Apply rotary embedding to [..., length, dim], pairing i with i + dim/2."""
    first, second = np.split(vectors, 2, axis=-1)
    return np.concatenate(
        (first * cosine - second * sine, second * cosine + first * sine), axis=-1
    )


def softmax(scores: FloatArray) -> FloatArray:
    """Replace the scores by their softmax over the last axis."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def causal_attention(
    inputs: AttentionInputs, scale: float, window: int | None = None
) -> FloatArray:
    """Attend from every position to itself and those before; [length, heads * dim].

    With a window, to so many of them: the position itself and the last ones before.
    """
    heads, length, dim = inputs.query.shape
    kv_heads = inputs.key.shape[0]
    group = heads // kv_heads
    window = length if window is None else window
    result = np.empty((length, heads, dim), dtype=np.float32)
    for rows in chunks(length, QUERY_CHUNK):
        count = rows.stop - rows.start
        keys = slice(max(0, rows.start - window + 1), rows.stop)
        at = np.arange(rows.start, rows.stop)[:, None]
        key_at = np.arange(keys.start, keys.stop)[None, :]
        hidden = (key_at > at) | (key_at <= at - window)
        for kv_head in range(kv_heads):
            of_group = slice(kv_head * group, (kv_head + 1) * group)
            query = inputs.query[of_group, rows].reshape(group * count, dim)
            scores = (query * np.float32(scale)) @ inputs.key[kv_head, keys].T
            by_head = scores.reshape(group, count, -1)
            np.copyto(by_head, -np.inf, where=hidden)
            context = softmax(scores) @ inputs.value[kv_head, keys]
            result[rows, of_group] = context.reshape(group, count, dim).swapaxes(0, 1)
    return result.reshape(length, heads * dim)


def split_heads(projected: FloatArray, heads: int) -> FloatArray:
    """[length, heads * dim] -> [heads, length, dim], contiguous."""
    length = projected.shape[0]
    by_head = projected.reshape(length, heads, -1).swapaxes(0, 1)
    return np.ascontiguousarray(by_head)


def mlp(
    hidden: FloatArray, layer: Layer, activation: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    gate = activation(hidden @ layer.gate.T)
    return (gate * (hidden @ layer.up.T)) @ layer.down.T


def forward(
    model: Model,
    tokens: Sequence[int],
    observe: Callable[[int, AttentionInputs], None] | None = None,
) -> FloatArray:
    """Return the normalised hidden state after the last layer, [length, width].

    Calls `observe(layer index, inputs)` before the attention of each layer.
    """
    sizes = model.hyperparameters
    activation = ACTIVATIONS[model.architecture.activation]

    def norm(values: FloatArray, weight: FloatArray | None) -> FloatArray:
        return rms_norm(values, weight, sizes.rms_epsilon)

    angles = {
        base: rotary_angles(len(tokens), sizes.dim, base)
        for base in {layer.rope_base for layer in model.layers}
    }
    hidden = model.embedding[np.asarray(tokens)]
    if model.architecture.scaled_embedding:
        hidden *= np.float32(math.sqrt(sizes.width))
    for index, layer in enumerate(model.layers):
        normed = norm(hidden, layer.attention_norm)
        query = split_heads(normed @ layer.query.T, sizes.heads)
        key = split_heads(normed @ layer.key.T, sizes.kv_heads)
        inputs = AttentionInputs(
            query=rotate(norm(query, layer.query_norm), *angles[layer.rope_base]),
            key=rotate(norm(key, layer.key_norm), *angles[layer.rope_base]),
            value=split_heads(normed @ layer.value.T, sizes.kv_heads),
        )
        if observe is not None:
            observe(index, inputs)
        context = causal_attention(inputs, sizes.scale, layer.window)
        hidden += norm(context @ layer.output.T, layer.attention_post_norm)
        normed = norm(hidden, layer.mlp_norm)
        for rows in chunks(len(tokens), TOKEN_CHUNK):
            added = mlp(normed[rows], layer, activation)
            hidden[rows] += norm(added, layer.mlp_post_norm)
    return norm(hidden, model.output_norm)


# --- Checks and statistics -----------------------------------------------------------


def perplexity(model: Model, hidden: FloatArray, tokens: Sequence[int]) -> float:
    """Return exp of the mean negative log likelihood of each token after the first."""
    following = np.asarray(tokens[1:])
    total = 0.0
    for rows in chunks(len(following), TOKEN_CHUNK):
        logits = hidden[rows] @ model.head.T
        chosen = logits[np.arange(len(logits)), following[rows]]
        largest = logits.max(axis=-1)
        logits -= largest[:, None]
        log_sum = largest + np.log(np.exp(logits).sum(axis=-1))
        total += float(np.sum(log_sum - chosen, dtype=np.float64))
    return math.exp(total / len(following))


def continue_greedily(model: Model, tokens: Sequence[int], count: int) -> list[int]:
    """Return the `count` likeliest next tokens, one after the other."""
    extended = list(tokens)
    for _ in range(count):
        last = forward(model, extended)[-1]
        extended.append(int(np.argmax(model.head @ last)))
    return extended[len(tokens) :]


@dataclass(frozen=True)
class AttentionStatistics:
    """Means over all captured queries and heads of one layer."""

    entropy: float  # of the attention weights, in nats
    effective_keys: float  # exp of the entropy of the one query
    largest_weight: float
    first_key_weight: float  # models often park unused attention on the first key


def attention_statistics(
    inputs: AttentionInputs, positions: range, scale: float
) -> AttentionStatistics:
    heads, length, dim = inputs.query.shape
    kv_heads = inputs.key.shape[0]
    query = inputs.query[:, positions].reshape(kv_heads, -1, dim)
    scores = (query * np.float32(scale)) @ inputs.key.swapaxes(1, 2)
    scores = scores.reshape(heads, len(positions), length)
    future = np.arange(length)[None, :] > np.asarray(positions)[:, None]
    scores[:, future] = -np.inf
    weights = softmax(scores)
    # The limit of -w log w for w -> 0 is 0, and it is what w log(w + tiny) gives.
    tiny = np.finfo(np.float32).tiny
    entropies = -np.sum(weights * np.log(weights + tiny), axis=-1)
    return AttentionStatistics(
        entropy=float(entropies.mean()),
        effective_keys=float(np.exp(entropies).mean()),
        largest_weight=float(weights.max(axis=-1).mean()),
        first_key_weight=float(weights[:, :, 0].mean()),
    )


def print_statistics(statistics: dict[int, AttentionStatistics]) -> None:
    print("layer  entropy  effective keys  largest weight  weight of first key")
    for index, row in statistics.items():
        print(
            f"{index:5d}  {row.entropy:7.2f}  {row.effective_keys:14.1f}"
            f"  {row.largest_weight:14.3f}  {row.first_key_weight:19.3f}"
        )


# --- Command line --------------------------------------------------------------------


def parse_layers(text: str, windows: Sequence[int | None], length: int) -> list[int]:
    """Return the layers asked for; their last queries see all of `length` keys."""

    def sees_all(index: int) -> bool:
        window = windows[index]
        return window is None or length <= window

    count = len(windows)
    if text == "all":
        return list(filter(sees_all, range(count)))
    try:
        layers = sorted({int(item) for item in text.split(",")})
    except ValueError:
        raise UserError(f"--layers {text} is neither a list nor 'all'") from None
    if layers[0] < 0 or layers[-1] >= count:
        raise UserError(f"--layers {text}: the model has layers 0 to {count - 1}")
    for index in layers:
        if not sees_all(index):
            raise UserError(
                f"--layers {text}: layer {index} sees a window of {windows[index]} "
                f"keys, fewer than the {length} tokens"
            )
    return layers


def read_text(path: Path) -> str:
    try:
        # Bytes, so that line ends stay as they are.
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8") from error


def choose_length(requested: int | None, available: int, context: int) -> int:
    length = context if requested is None else requested
    if not 2 <= length <= context:
        raise UserError(f"--length must be 2 to {context}, the model's context")
    if available < length:
        raise UserError(f"the text has {available} tokens, fewer than {length}")
    return length


def cut(tokens: list[int], ending: list[int], length: int) -> list[int]:
    """Return `length` tokens: the first ones of a text, and its ending."""
    if len(ending) >= length:
        raise UserError(f"the ending has {len(ending)} tokens of {length}")
    return tokens[: length - len(ending)] + ending


def check_inputs(file: GgufFile, index: int, inputs: AttentionInputs) -> None:
    """Weights may each be finite, and what comes of them not."""
    for name in ("query", "key", "value"):
        if not np.isfinite(getattr(inputs, name)).all():
            raise file.error(
                f"a {name} of layer {index} is infinite or no number; accepted: "
                "weights that give finite ones"
            )


def captured_tensors(
    index: int, inputs: AttentionInputs, positions: range
) -> dict[str, npt.NDArray[Any]]:
    return {
        f"layers.{index}.query": to_bf16(inputs.query[:, positions].swapaxes(0, 1)),
        f"layers.{index}.key": to_bf16(inputs.key.swapaxes(0, 1)),
        f"layers.{index}.value": to_bf16(inputs.value.swapaxes(0, 1)),
        f"layers.{index}.position": np.asarray(positions, dtype=np.int64),
    }


def describe_capture(
    arguments: argparse.Namespace, file: GgufFile, model: Model
) -> dict[str, str]:
    command = ["capture_kv.py", arguments.model.name, arguments.text.name]
    command += ["--layers", arguments.layers]
    if arguments.length is not None:
        command += ["--length", str(arguments.length)]
    if arguments.ending:
        command += ["--ending", repr(arguments.ending)]
    command += ["--positions", str(arguments.positions)]
    versions = [f"python {platform.python_version()}"]
    for package in ("numpy", "gguf", "tokenizers"):
        versions.append(f"{package} {importlib.metadata.version(package)}")
    license_name = file.text("general.license", "licence not stated")
    return {
        "model": f"{model.name} ({arguments.model.name}, {license_name})",
        "model_sha256": sha256(arguments.model),
        "text": arguments.text_note or arguments.text.name,
        "text_sha256": sha256(arguments.text),
        "scale": repr(model.hyperparameters.scale),
        "command": " ".join(command),
        "versions": ", ".join(versions),
    }


def capture(arguments: argparse.Namespace) -> None:
    if arguments.output is not None:
        check_output(arguments.output, (arguments.model, arguments.text))
    file = GgufFile(arguments.model)
    text = read_text(arguments.text)
    tokenizer = read_tokenizer(file)
    model = read_model(file)
    sizes = model.hyperparameters
    tokens = tokenizer.encode(text)
    ending = tokenizer.encode_ending(arguments.ending)
    available = len(tokens) + len(ending)
    length = choose_length(arguments.length, available, sizes.context)
    tokens = cut(tokens, ending, length)
    if not 1 <= arguments.positions <= length:
        raise UserError(f"--positions must be 1 to {length}")
    positions = range(length - arguments.positions, length)
    windows = [layer.window for layer in model.layers]
    layers = parse_layers(arguments.layers, windows, length)
    # Found out now rather than after minutes of work.
    prompt = tokenizer.encode(arguments.prompt) if arguments.check else []
    if arguments.check and not prompt:
        raise UserError("--prompt is ''; accepted: a text of at least one token")

    tensors: dict[str, npt.NDArray[Any]] = {}
    statistics: dict[int, AttentionStatistics] = {}
    start = time.monotonic()

    def observe(index: int, inputs: AttentionInputs) -> None:
        seconds = time.monotonic() - start
        progress = f"layer {index + 1} of {sizes.layers}, {seconds:.0f} s"
        print(progress, end="\r", file=sys.stderr, flush=True)
        check_inputs(file, index, inputs)
        if index not in layers:
            return
        if arguments.stats:
            row = attention_statistics(inputs, positions, sizes.scale)
            statistics[index] = row
        if arguments.output is not None:
            tensors.update(captured_tensors(index, inputs, positions))

    with np.errstate(all="ignore"):  # check_inputs says more
        hidden = forward(model, tokens, observe)
    print(file=sys.stderr)
    if arguments.stats:
        print_statistics(statistics)
    if arguments.check:
        value = perplexity(model, hidden, tokens)
        print(f"perplexity over {length} tokens: {value:.2f}")
        continuation = continue_greedily(model, prompt, CHECK_TOKENS)
        print(f"prompt: {arguments.prompt!r}")
        print(f"continuation: {tokenizer.decode(continuation)!r}")
    if arguments.output is not None:
        try:
            metadata = describe_capture(arguments, file, model)
            write_safetensors(arguments.output, tensors, metadata)
        except OSError as error:
            reason = error.strerror
            raise UserError(f"cannot write {arguments.output}: {reason}") from error
        print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model",
        metavar="MODEL.gguf",
        type=Path,
        help=f"model of architecture {' or '.join(ARCHITECTURES)}",
    )
    parser.add_argument("text", metavar="TEXT", type=Path, help="text file in UTF-8")
    parser.add_argument(
        "--layers",
        default="all",
        metavar="LIST",
        help="layers to capture and to print statistics of, counted from 0: "
        "'3,17' or 'all' that see the whole text (default)",
    )
    parser.add_argument(
        "--length",
        type=int,
        metavar="N",
        help="tokens of the text to run (default: the model's context length)",
    )
    parser.add_argument(
        "--ending",
        default="",
        metavar="TEXT",
        help="what the text ends with: it is cut so that it has N tokens with this",
    )
    parser.add_argument(
        "--positions",
        type=int,
        default=32,
        metavar="N",
        help="capture the queries of the last N positions (default: 32)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="safetensors file to write"
    )
    parser.add_argument(
        "--text-note",
        metavar="NOTE",
        help="what the text is and its licence, for the metadata of the capture "
        "(default: the file name)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="print the perplexity of the text and a greedy continuation of a prompt; "
        "both make no sense if the model is run wrongly",
    )
    parser.add_argument(
        "--prompt",
        default=CHECK_PROMPT,
        help="prompt that --check continues (default: %(default)r)",
    )
    parser.add_argument(
        "--stats",
        action="store_true",
        help="print, for each of the layers, how its attention at the captured "
        "positions is distributed: entropy in nats, its exponential, the largest "
        "weight and the weight of the first key, as means over queries and heads",
    )
    arguments = parser.parse_args()
    if not (arguments.output or arguments.check or arguments.stats):
        parser.error("nothing to do: give --output, --check or --stats")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    try:
        capture(arguments)
    except UserError as error:
        print(f"capture_kv.py: error: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print("capture_kv.py: error: not enough memory for this model", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
