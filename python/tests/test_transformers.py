"""Models of `transformers` through santa: exactly as eager attention, and sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")

import santa  # noqa: E402
import santa.transformers  # noqa: E402

# Weights so large that attention is peaked, and a wrong scale, window or cap shows.
SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.3,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": None,
    "pad_token_id": 0,
}
WINDOWS = ["sliding_attention", "full_attention", "sliding_attention"]
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaConfig(**SIZES),
    "qwen2": lambda: transformers.Qwen2Config(**SIZES),
    "qwen3": lambda: transformers.Qwen3Config(**SIZES, sliding_window=9, use_sliding_window=True, layer_types=WINDOWS),
    "gemma2": lambda: transformers.Gemma2Config(
        **SIZES, sliding_window=9, layer_types=WINDOWS, attn_logit_softcapping=3.0, query_pre_attn_scalar=9
    ),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **SIZES, sliding_window=9, layer_types=WINDOWS, query_pre_attn_scalar=9
    ),
    "gpt_oss": lambda: transformers.GptOssConfig(
        **SIZES, sliding_window=9, layer_types=WINDOWS, num_local_experts=2, num_experts_per_tok=1
    ),
}
TOKENS = 24


def make_model(name: str) -> Any:
    torch.manual_seed(3)
    config = MODELS[name]()
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for layer in model.model.layers:
        if name == "gpt_oss":
            torch.nn.init.normal_(layer.self_attn.sinks, std=2.0)
    return model


def make_prompt(length: int, batch: int = 1, seed: int = 0) -> Any:
    return torch.randint(1, SIZES["vocab_size"], (batch, length), generator=torch.Generator().manual_seed(seed))


def write(model: Any, name: str, prompt: Any, tokens: int = TOKENS, **options: Any) -> tuple[Any, Any]:
    """Return tokens [batch, tokens] and logits [tokens, batch, vocabulary] of a greedy generation."""
    model.set_attn_implementation(name)
    options.setdefault("attention_mask", torch.ones_like(prompt))
    written = model.generate(
        prompt, do_sample=False, max_new_tokens=tokens, output_logits=True, return_dict_in_generate=True, **options
    )
    return written.sequences[:, prompt.shape[1] :], torch.stack(written.logits)


@pytest.fixture
def exact() -> Iterator[santa.transformers.Attention]:
    return santa.transformers.register("santa_exact", santa.Exact())


@pytest.fixture
def sampled() -> santa.transformers.Attention:
    return santa.transformers.register("santa_sampled", santa.MassUnit(rows=santa.share(0.2)), exact_below=0)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("name", MODELS)
def test_exact_writes_as_eager_attention(name: str, cache: str, exact: Any) -> None:
    model, prompt = make_model(name), make_prompt(20)
    tokens, logits = write(model, "eager", prompt, cache_implementation=cache)
    ours, our_logits = write(model, "santa_exact", prompt, cache_implementation=cache)
    assert ours.tolist() == tokens.tolist()
    torch.testing.assert_close(our_logits, logits, rtol=1e-4, atol=1e-4 * float(logits.abs().max()))


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_exact_decodes_padded_batches(name: str, exact: Any) -> None:
    model = make_model(name)
    lengths, most = [14, 3, 8], 14
    prompt = torch.zeros(len(lengths), most, dtype=torch.long)
    for i, length in enumerate(lengths):
        prompt[i, most - length :] = make_prompt(length, seed=i)
    mask = (prompt != 0).long()
    tokens, logits = write(model, "eager", prompt, attention_mask=mask)
    ours, our_logits = write(model, "santa_exact", prompt, attention_mask=mask)
    assert ours.tolist() == tokens.tolist()
    torch.testing.assert_close(our_logits, logits, rtol=1e-4, atol=1e-4 * float(logits.abs().max()))


def test_exact_goes_on_with_a_cache(exact: Any) -> None:
    """A second turn: several tokens behind those of a cache, then more steps."""
    model, prompt = make_model("gemma2"), make_prompt(40)
    results = []
    for name in ("eager", "santa_exact"):
        model.set_attn_implementation(name)
        cache = transformers.DynamicCache(config=model.config)
        logits = []
        with torch.no_grad():
            for begin, end in [(0, 20), (20, 21), (21, 22), (22, 39), (39, 40)]:
                logits.append(model(prompt[:, begin:end], past_key_values=cache).logits[0])
        results.append(torch.cat(logits))
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-3)
