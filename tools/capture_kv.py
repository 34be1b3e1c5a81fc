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

FloatArray = npt.NDArray[np.float32]

# Rows handled at once, so that the scores of one key-value head stay near the cache
# and the logits of the large vocabulary fit in memory.
QUERY_CHUNK = 256
TOKEN_CHUNK = 512

CHECK_PROMPT = "The water cycle describes how water moves. First, water evaporates from"
CHECK_TOKENS = 48


class CaptureError(Exception):
    """A reason, for the user, why there is no capture."""


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


@dataclass(frozen=True)
class Hyperparameters:
    layers: int
    context: int
    width: int
    heads: int
    kv_heads: int
    dim: int
    rope_base: float
    rms_epsilon: float
    window: int | None  # keys that a query of a layer with a window sees

    @property
    def scale(self) -> float:
        return 1.0 / math.sqrt(self.dim)


def silu(gate: FloatArray) -> FloatArray:
    return gate / (1.0 + np.exp(-gate))


def gelu(gate: FloatArray) -> FloatArray:
    """By the tangent, as models compute it."""
    inner = np.float32(math.sqrt(2.0 / math.pi)) * (
        gate + 0.044715 * gate * gate * gate
    )
    return 0.5 * gate * (1.0 + np.tanh(inner))


@dataclass(frozen=True)
class Architecture:
    """How a family of models differs from the others."""

    activation: Callable[[FloatArray], FloatArray]
    # GGUF moves elements that rotary embedding turns together next to each other.
    permuted_rotary: bool = False
    scaled_embedding: bool = False  # by the root of the width
    # Of each query and key, and of what attention and MLP give, before it is added.
    more_norms: bool = False
    # Every so many layers one sees all keys, the others a window of them.
    full_layer_every: int = 1
    window_rope_base: float = 0.0


ARCHITECTURES = {
    "llama": Architecture(silu, permuted_rotary=True),
    "gemma3": Architecture(
        gelu,
        scaled_embedding=True,
        more_norms=True,
        full_layer_every=6,
        window_rope_base=10000.0,
    ),
}


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


def read_hyperparameters(
    architecture: str, metadata: Callable[..., Any]
) -> Hyperparameters:
    """Read the sizes from GGUF metadata, refusing variants this script does not run."""

    def read(key: str, default: Any = None) -> Any:
        return metadata(f"{architecture}.{key}", default)

    width = int(read("embedding_length"))
    heads = int(read("attention.head_count"))
    kv_heads = int(read("attention.head_count_kv", heads))
    dim = int(read("attention.key_length", width // heads))
    if read("attention.value_length", dim) != dim:
        raise CaptureError("values that are not as long as keys are not supported")
    if read("rope.dimension_count", dim) != dim:
        raise CaptureError("rotary embedding of a part of a head is not supported")
    if read("rope.scaling.type", "none") != "none":
        raise CaptureError("scaled rotary embedding is not supported")
    if read("expert_count", 0) != 0:
        raise CaptureError("mixture-of-experts models are not supported")
    windows = ARCHITECTURES[architecture].full_layer_every > 1
    return Hyperparameters(
        layers=int(read("block_count")),
        context=int(read("context_length")),
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        dim=dim,
        rope_base=float(read("rope.freq_base", 10000.0)),
        rms_epsilon=float(read("attention.layer_norm_rms_epsilon")),
        window=int(read("attention.sliding_window")) if windows else None,
    )


class GgufFile:
    """Metadata, tensors and tokenizer of a GGUF file of a known architecture."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise CaptureError(f"cannot read {path}: {error.strerror}") from error
        if magic != b"GGUF":
            raise CaptureError(f"{path} is not a GGUF file")
        gguf = import_required("gguf")
        try:
            self._reader = gguf.GGUFReader(path)
        except (ValueError, IndexError, KeyError) as error:
            raise CaptureError(f"{path} is damaged or incomplete") from error
        self._path = path
        self._dequantize = gguf.dequantize
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self.architecture = str(self.metadata("general.architecture"))
        if self.architecture not in ARCHITECTURES:
            known = " or ".join(ARCHITECTURES)
            raise CaptureError(
                f"{path} has architecture {self.architecture}, not {known}"
            )

    def metadata(self, key: str, default: Any = None) -> Any:
        field = self._reader.get_field(key)
        if field is not None:
            return field.contents()
        if default is None:
            raise CaptureError(f"{self._path} lacks the metadata {key}")
        return default

    def tensor_names(self) -> set[str]:
        return set(self._tensors)

    def tensor(self, name: str) -> FloatArray:
        if name not in self._tensors:
            raise CaptureError(f"{self._path} lacks the tensor {name}")
        source = self._tensors[name]
        try:
            weight = self._dequantize(source.data, source.tensor_type)
        except NotImplementedError as error:
            raise CaptureError(
                f"tensor {name} has type {source.tensor_type.name}, "
                "which cannot be dequantised"
            ) from error
        return np.asarray(weight, dtype=np.float32)

    def read_model(self) -> Model:
        architecture = ARCHITECTURES[self.architecture]
        sizes = read_hyperparameters(self.architecture, self.metadata)
        unread = self.tensor_names()

        def tensor(name: str) -> FloatArray:
            unread.discard(name)
            return self.tensor(name)

        def layer(index: int) -> Layer:
            def part(name: str) -> FloatArray:
                return tensor(f"blk.{index}.{name}.weight")

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
                rope_base=(
                    sizes.rope_base if sees_all else architecture.window_rope_base
                ),
                window=None if sees_all else sizes.window,
                query_norm=norm("attn_q_norm"),
                key_norm=norm("attn_k_norm"),
                attention_post_norm=norm("post_attention_norm"),
                mlp_post_norm=norm("post_ffw_norm"),
            )

        embedding = tensor("token_embd.weight")
        # Without a head of its own, the model scores tokens with its embedding.
        untied = "output.weight" in self._tensors
        model = Model(
            name=self.metadata("general.name", self._path.stem),
            architecture=architecture,
            hyperparameters=sizes,
            embedding=embedding,
            layers=[layer(index) for index in range(sizes.layers)],
            output_norm=tensor("output_norm.weight"),
            head=tensor("output.weight") if untied else embedding,
        )
        if unread:
            # Biases or rotary factors, say: leaving them out would be wrong in silence.
            raise CaptureError(f"{self._path} has unknown tensors, as {min(unread)}")
        return model

    def read_tokenizer(self) -> Tokenizer:
        kind = self.metadata("tokenizer.ggml.model")
        splitting = self.metadata("tokenizer.ggml.pre", "default")
        spaced = self.metadata("tokenizer.ggml.add_space_prefix", kind == "llama")
        tokens = self.metadata("tokenizer.ggml.tokens")
        if (kind, splitting) == ("gpt2", "smollm"):
            bpe = byte_level_bpe(tokens, self.metadata("tokenizer.ggml.merges"))
        elif (kind, splitting, spaced) == ("llama", "default", False):
            scores = self.metadata("tokenizer.ggml.scores")
            kinds = self.metadata("tokenizer.ggml.token_type")
            bpe = sentence_piece_bpe(tokens, scores, kinds)
        else:
            raise CaptureError(f"the tokenizer {kind}/{splitting} is not supported")
        starts = self._reader.get_field("tokenizer.ggml.add_bos_token")
        prefix = []
        if starts is not None and starts.contents():
            prefix = [int(self.metadata("tokenizer.ggml.bos_token_id"))]
        return Tokenizer(bpe, prefix)


def byte_level_bpe(tokens: Sequence[str], merges: Sequence[str]) -> Any:
    """Byte-level byte-pair encoding with every digit on its own, as SmolLM has it."""
    library = import_required("tokenizers")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    pairs = []
    for merge in merges:
        left, right = merge.split(" ")
        pairs.append((left, right))
    bpe = library.Tokenizer(library.models.BPE(vocabulary, pairs))
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

    def __init__(self, bpe: Any, prefix: list[int]) -> None:
        self._bpe = bpe
        self._prefix = prefix

    def encode(self, text: str) -> list[int]:
        tokens = self._bpe.encode(text).ids
        if self._bpe.decode(tokens) != text:
            raise CaptureError("the tokenizer does not give the text back unchanged")
        return self._prefix + tokens

    def encode_ending(self, text: str) -> list[int]:
        """Encode a text that goes on after others: nothing is put before it."""
        return self.encode(text)[len(self._prefix) :]

    def decode(self, tokens: Sequence[int]) -> str:
        return self._bpe.decode(list(tokens))


def import_required(name: str) -> Any:
    # Imported on use, so that the tests of this file need numpy only.
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise CaptureError(
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
            added = mlp(normed[rows], layer, model.architecture.activation)
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
        raise CaptureError(f"--layers {text} is neither a list nor 'all'") from None
    if layers[0] < 0 or layers[-1] >= count:
        raise CaptureError(f"--layers {text}: the model has layers 0 to {count - 1}")
    for index in layers:
        if not sees_all(index):
            raise CaptureError(
                f"--layers {text}: layer {index} sees a window of {windows[index]} "
                f"keys, fewer than the {length} tokens"
            )
    return layers


def read_text(path: Path) -> str:
    try:
        # Bytes, so that line ends stay as they are.
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CaptureError(f"{path} is not a text in UTF-8") from error


def choose_length(requested: int | None, available: int, context: int) -> int:
    length = context if requested is None else requested
    if not 2 <= length <= context:
        raise CaptureError(f"--length must be 2 to {context}, the model's context")
    if available < length:
        raise CaptureError(f"the text has {available} tokens, fewer than {length}")
    return length


def cut(tokens: list[int], ending: list[int], length: int) -> list[int]:
    """Return `length` tokens: the first ones of a text, and its ending."""
    if len(ending) >= length:
        raise CaptureError(f"the ending has {len(ending)} tokens of {length}")
    return tokens[: length - len(ending)] + ending


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
    license_name = file.metadata("general.license", "licence not stated")
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
    file = GgufFile(arguments.model)
    text = read_text(arguments.text)
    tokenizer = file.read_tokenizer()
    model = file.read_model()
    sizes = model.hyperparameters
    tokens = tokenizer.encode(text)
    ending = tokenizer.encode_ending(arguments.ending)
    available = len(tokens) + len(ending)
    length = choose_length(arguments.length, available, sizes.context)
    tokens = cut(tokens, ending, length)
    if not 1 <= arguments.positions <= length:
        raise CaptureError(f"--positions must be 1 to {length}")
    positions = range(length - arguments.positions, length)
    windows = [layer.window for layer in model.layers]
    layers = parse_layers(arguments.layers, windows, length)
    # Found out now rather than after minutes of work.
    if arguments.output is not None and not arguments.output.parent.is_dir():
        raise CaptureError(f"there is no folder {arguments.output.parent}")

    tensors: dict[str, npt.NDArray[Any]] = {}
    statistics: dict[int, AttentionStatistics] = {}
    start = time.monotonic()

    def observe(index: int, inputs: AttentionInputs) -> None:
        seconds = time.monotonic() - start
        progress = f"layer {index + 1} of {sizes.layers}, {seconds:.0f} s"
        print(progress, end="\r", file=sys.stderr, flush=True)
        if index not in layers:
            return
        if arguments.stats:
            row = attention_statistics(inputs, positions, sizes.scale)
            statistics[index] = row
        if arguments.output is not None:
            tensors.update(captured_tensors(index, inputs, positions))

    hidden = forward(model, tokens, observe)
    print(file=sys.stderr)
    if arguments.stats:
        print_statistics(statistics)
    if arguments.check:
        value = perplexity(model, hidden, tokens)
        print(f"perplexity over {length} tokens: {value:.2f}")
        prompt = tokenizer.encode(arguments.prompt)
        continuation = continue_greedily(model, prompt, CHECK_TOKENS)
        print(f"prompt: {arguments.prompt!r}")
        print(f"continuation: {tokenizer.decode(continuation)!r}")
    if arguments.output is not None:
        try:
            metadata = describe_capture(arguments, file, model)
            write_safetensors(arguments.output, tensors, metadata)
        except OSError as error:
            reason = error.strerror
            raise CaptureError(f"cannot write {arguments.output}: {reason}") from error
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
    except CaptureError as error:
        print(f"capture_kv.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
