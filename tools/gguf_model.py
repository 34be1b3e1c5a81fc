"""What a GGUF file must hold to be a language model that this folder's scripts run.

Needs Python's own library alone. Errors are those of gguf_file.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gguf_file import GgufFile, UserError, shown

# As santa-generate has them.
MOST_LAYERS = 65533
MOST_HEADS = 65535
MOST_DIM = 256
MOST = 2**30

# Layers of Gemma 3 27B, whose scores are divided by the root of 168 and not of its dim:
# files do not say so.
LAYERS_OF_GEMMA_3_27B = 62

ROTARY_FACTORS = "rope_freqs.weight"
HEAD = "output.weight"


@dataclass(frozen=True)
class Architecture:
    """How a family of models differs from the others."""

    activation: str
    # GGUF moves elements that rotary embedding turns together next to each other.
    permuted_rotary: bool = False
    scaled_embedding: bool = False  # by the root of the width
    # Of each query and key, and of what attention and MLP give, before it is added.
    more_norms: bool = False
    # Every so many layers one sees all keys, the others a window of them.
    full_layer_every: int = 1
    window_rope_base: float = 0.0


ARCHITECTURES = {
    "llama": Architecture("silu", permuted_rotary=True),
    "gemma3": Architecture(
        "gelu",
        scaled_embedding=True,
        more_norms=True,
        full_layer_every=6,
        window_rope_base=10000.0,
    ),
}


@dataclass(frozen=True)
class Hyperparameters:
    layers: int
    context: int
    width: int
    hidden: int  # of the feed-forward layers
    heads: int
    kv_heads: int
    dim: int
    rope_base: float
    rope_scaling: float  # positions are divided by it
    rms_epsilon: float
    window: int | None  # keys that a query of a layer with a window sees

    @property
    def scale(self) -> float:
        return 1.0 / math.sqrt(self.dim)


def read_architecture(file: GgufFile) -> str:
    return file.text("general.architecture", among=ARCHITECTURES)


def read_dim(file: GgufFile, prefix: str, width: int, heads: int) -> int:
    """Return the elements of a head, which are turned in pairs."""
    key = f"{prefix}.attention.key_length"
    if key in file.fields:
        dim = file.whole(key, 2, MOST_DIM)
    elif width % heads == 0:
        dim = width // heads
    else:
        raise file.refused(
            f"{prefix}.attention.head_count",
            f"a divisor of {prefix}.embedding_length ({width}), as {key} is missing",
        )
    if dim % 2 != 0 or not 2 <= dim <= MOST_DIM:
        raise file.error(
            f"heads have {dim} elements ({key}, or embedding_length by head_count); "
            f"accepted: an even number from 2 to {MOST_DIM}"
        )
    # Of values as long as keys, all of which are turned.
    file.whole(f"{prefix}.attention.value_length", dim, dim, dim)
    file.whole(f"{prefix}.rope.dimension_count", dim, dim, dim)
    return dim


def read_rope_scaling(file: GgufFile, prefix: str) -> float:
    kind = file.text(f"{prefix}.rope.scaling.type", "none", among=("none", "linear"))
    factor = file.positive(f"{prefix}.rope.scaling.factor", 1.0)
    return factor if kind == "linear" else 1.0


def check_scale(file: GgufFile, prefix: str, layers: int, dim: int) -> None:
    """Refuse models whose scores have another scale than 1 / sqrt(dim)."""
    if prefix == "gemma3" and layers == LAYERS_OF_GEMMA_3_27B:
        raise file.refused(
            f"{prefix}.block_count",
            "another number, as models of so many scale scores by another number than "
            "the root of a head's elements",
        )
    key = f"{prefix}.attention.scale"
    usual = 1.0 / math.sqrt(dim)
    if not math.isclose(file.positive(key, usual), usual, rel_tol=1e-5):
        raise file.refused(key, f"{usual:.6g}, of heads of {dim} elements")


def read_hyperparameters(file: GgufFile) -> Hyperparameters:
    """Read the sizes, refusing variants that the scripts do not run."""
    prefix = read_architecture(file)
    width = file.whole(f"{prefix}.embedding_length", 1, MOST)
    heads = file.whole(f"{prefix}.attention.head_count", 1, MOST_HEADS)
    kv_key = f"{prefix}.attention.head_count_kv"
    kv_heads = file.whole(kv_key, 1, heads, heads)
    if heads % kv_heads != 0:
        raise file.refused(kv_key, f"a divisor of the number of heads ({heads})")
    file.whole(f"{prefix}.expert_count", 0, 0, 0)
    windows = ARCHITECTURES[prefix].full_layer_every > 1
    window_key = f"{prefix}.attention.sliding_window"
    layers = file.whole(f"{prefix}.block_count", 1, MOST_LAYERS)
    dim = read_dim(file, prefix, width, heads)
    check_scale(file, prefix, layers, dim)
    return Hyperparameters(
        layers=layers,
        context=file.whole(f"{prefix}.context_length", 1, MOST),
        width=width,
        hidden=file.whole(f"{prefix}.feed_forward_length", 1, MOST),
        heads=heads,
        kv_heads=kv_heads,
        dim=dim,
        rope_base=file.positive(f"{prefix}.rope.freq_base", 10000.0),
        rope_scaling=read_rope_scaling(file, prefix),
        rms_epsilon=file.positive(f"{prefix}.attention.layer_norm_rms_epsilon"),
        window=file.whole(window_key, 1, MOST) if windows else None,
    )


# --- Tensors -------------------------------------------------------------------------


def layer_shapes(
    architecture: Architecture, sizes: Hyperparameters
) -> dict[str, tuple[int, ...]]:
    queries, keys = sizes.heads * sizes.dim, sizes.kv_heads * sizes.dim
    shapes: dict[str, tuple[int, ...]] = {
        "attn_norm": (sizes.width,),
        "attn_q": (queries, sizes.width),
        "attn_k": (keys, sizes.width),
        "attn_v": (keys, sizes.width),
        "attn_output": (sizes.width, queries),
        "ffn_norm": (sizes.width,),
        "ffn_gate": (sizes.hidden, sizes.width),
        "ffn_up": (sizes.hidden, sizes.width),
        "ffn_down": (sizes.width, sizes.hidden),
    }
    if architecture.more_norms:
        shapes |= {
            "attn_q_norm": (sizes.dim,),
            "attn_k_norm": (sizes.dim,),
            "post_attention_norm": (sizes.width,),
            "post_ffw_norm": (sizes.width,),
        }
    return shapes


def check_tensors(file: GgufFile, sizes: Hyperparameters, rotary_factors: bool) -> None:
    """Require every tensor of the model in its shape, and no other.

    A bias, say, must not be left out in silence. `rotary_factors`: they may be there.
    """
    tokens = len(file.texts("tokenizer.ggml.tokens"))
    embedding = (tokens, sizes.width)
    required = {"token_embd.weight": embedding, "output_norm.weight": (sizes.width,)}
    of_layer = layer_shapes(ARCHITECTURES[read_architecture(file)], sizes)
    for layer in range(sizes.layers):
        for name, shape in of_layer.items():
            required[f"blk.{layer}.{name}.weight"] = shape
    # Without a head of its own, the model scores tokens with its embedding.
    optional: dict[str, tuple[int, ...]] = {HEAD: embedding}
    if rotary_factors:
        optional[ROTARY_FACTORS] = (sizes.dim // 2,)
    optional = {name: optional[name] for name in optional if name in file.tensors}
    known = required | optional
    for name, shape in known.items():
        check_shape(file, name, shape)
    unknown = file.tensors.keys() - known
    if unknown:
        raise file.error(
            f"tensor {shown(min(unknown))} is unknown; accepted: those of a model of "
            f"{sizes.layers} layers, without biases"
        )


def check_shape(file: GgufFile, name: str, shape: tuple[int, ...]) -> None:
    if name not in file.tensors:
        raise file.error(f"tensor {name} is missing; accepted: shape {list(shape)}")
    given = file.tensors[name].shape
    if given != shape:
        raise file.error(
            f"tensor {name} has the shape {list(given)}; accepted: {list(shape)}, from "
            "the metadata (rows first)"
        )


# --- Tokens --------------------------------------------------------------------------

LAST_TOKEN_TYPE = 6


@dataclass(frozen=True)
class ByteLevel:
    """Byte-level byte-pair encoding, as SmolLM has it."""

    vocabulary: dict[str, int]
    merges: list[tuple[str, str]]  # pairs of tokens that join, in their order
    prefix: list[int]  # tokens that open every text


@dataclass(frozen=True)
class SentencePiece:
    """SentencePiece's byte-pair encoding, with no space put before a text."""

    vocabulary: dict[str, int]
    scores: list[float]
    kinds: list[int]
    prefix: list[int]


def read_end_token(file: GgufFile, tokens: int) -> int:
    """Return the token that ends a text, -1 where none does."""
    key = "tokenizer.ggml.eos_token_id"
    return file.whole(key, 0, tokens - 1) if key in file.fields else -1


def read_prefix(file: GgufFile, tokens: int) -> list[int]:
    if not file.flag("tokenizer.ggml.add_bos_token", False):
        return []
    return [file.whole("tokenizer.ggml.bos_token_id", 0, tokens - 1)]


def read_vocabulary(file: GgufFile) -> dict[str, int]:
    vocabulary: dict[str, int] = {}
    for index, token in enumerate(file.texts("tokenizer.ggml.tokens")):
        if token in vocabulary:
            raise file.error(
                f"tokenizer.ggml.tokens[{index}] is {shown(token)}, and so is "
                f"[{vocabulary[token]}]; accepted: tokens that differ"
            )
        vocabulary[token] = index
    return vocabulary


def read_merges(file: GgufFile, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    merges = []
    for index, merge in enumerate(file.texts("tokenizer.ggml.merges")):
        left, _, right = merge.partition(" ")
        if not {left, right, left + right} <= vocabulary.keys():
            raise file.error(
                f"tokenizer.ggml.merges[{index}] is {shown(merge)}; accepted: two "
                "tokens, with a space between them, that make a token"
            )
        merges.append((left, right))
    return merges


def read_tokenizer_parts(file: GgufFile) -> ByteLevel | SentencePiece:
    kind = file.text("tokenizer.ggml.model")
    splitting = file.text("tokenizer.ggml.pre", "default")
    spaced = file.flag("tokenizer.ggml.add_space_prefix", kind == "llama")
    vocabulary = read_vocabulary(file)
    count = len(vocabulary)
    prefix = read_prefix(file, count)
    if (kind, splitting) == ("gpt2", "smollm"):
        return ByteLevel(vocabulary, read_merges(file, vocabulary), prefix)
    if (kind, splitting, spaced) == ("llama", "default", False):
        scores = file.numbers("tokenizer.ggml.scores", count)
        kinds = file.wholes("tokenizer.ggml.token_type", count, 0, LAST_TOKEN_TYPE)
        return SentencePiece(vocabulary, scores, kinds, prefix)
    raise file.error(
        f"tokenizer.ggml.model is {shown(kind)} with tokenizer.ggml.pre "
        f"{shown(splitting)} and add_space_prefix {spaced}; accepted: 'gpt2' with "
        "'smollm', or 'llama' with 'default' and False"
    )


def check_token_numbers(tokens: Sequence[int], count: int, where: str) -> None:
    for token in tokens:
        if not 0 <= token < count:
            raise UserError(
                f"{where} holds the token {token}; accepted: 0 to {count - 1}"
            )
