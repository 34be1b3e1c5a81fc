"""Models of `transformers` through santa: exactly as eager attention, and sampled."""

from __future__ import annotations

import copy
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")

import santa  # noqa: E402
import santa.transformers  # noqa: E402

torch.set_num_threads(1)  # the models are tiny: threads would wait for each other
DEVICE = "cuda" if santa.backend() == "Cuda" else "cpu"


@pytest.fixture(autouse=True)
def _device() -> Any:
    """Models and tensors are where kernels run."""
    with torch.device(DEVICE):
        yield

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
    "tie_word_embeddings": False,
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
    return torch.randint(1, SIZES["vocab_size"], (batch, length), generator=torch.Generator(DEVICE).manual_seed(seed))


def write(model: Any, name: str, prompt: Any, tokens: int = TOKENS, **options: Any) -> tuple[Any, Any]:
    """Return tokens [batch, tokens] and logits [tokens, batch, vocabulary] of a greedy generation."""
    model.set_attn_implementation(name)
    options.setdefault("attention_mask", torch.ones_like(prompt))
    options.setdefault("disable_compile", True)
    written = model.generate(
        prompt, do_sample=False, max_new_tokens=tokens, output_logits=True, return_dict_in_generate=True, **options
    )
    return written.sequences[:, prompt.shape[1] :], torch.stack(written.logits)


@pytest.fixture
def exact() -> santa.transformers.Attention:
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


def test_prompts_of_one_token_and_new_sequences_begin_anew(sampled: Any) -> None:
    model = make_model("llama")
    for length in (1, 12):
        prompt = make_prompt(length)
        first = write(model, "santa_sampled", prompt)[0].tolist()
        assert write(model, "santa_sampled", prompt)[0].tolist() == first
        sampled.reset()
        assert write(model, "santa_sampled", prompt)[0].tolist() == first


@pytest.mark.parametrize(("cache", "length"), [("dynamic", 30), ("static", 30), ("static", 5)])
def test_a_seed_writes_its_text(cache: str, length: int, sampled: Any) -> None:
    model, prompt = make_model("gemma3"), make_prompt(length)
    texts = []
    for seed in (1, 2, 1):
        sampled.seed = seed
        texts.append(write(model, "santa_sampled", prompt, cache_implementation=cache)[1])
    assert texts[0].equal(texts[2])
    assert not texts[0].equal(texts[1])


@pytest.mark.parametrize("more", [3, 1])
@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_a_seed_writes_its_text_behind_a_filled_cache(name: str, more: int, sampled: Any) -> None:
    """By a further prompt, or by a token: as often as it is asked for, whatever was written between."""
    model = make_model(name)
    model.set_attn_implementation("santa_sampled")
    filled = transformers.DynamicCache()  # of the whole past in all layers
    prompt = make_prompt(40)
    with torch.no_grad():
        model(prompt[:, :-more], past_key_values=filled)
    texts = []
    for tokens in (12, 5, 12):
        cache = copy.deepcopy(filled)
        texts.append(write(model, "santa_sampled", prompt, tokens, past_key_values=cache)[1])
    assert texts[0].equal(texts[2])
    assert texts[0][:5].equal(texts[1])


def test_steps_are_named_by_their_newest_key(sampled: Any) -> None:
    """Whatever came before; steps of a full window, which see as many keys, still draw on their own."""
    query, key, value = make_step()
    layer = torch.nn.Module()
    outputs = [call(sampled, query, key[:, :, :n], value[:, :, :n], layer=layer) for n in (300, 600, 600, 300, 600)]
    assert outputs[1].equal(outputs[4])
    assert not outputs[1].equal(outputs[2])
    assert call(sampled, query, key, value).equal(outputs[1])


@pytest.mark.parametrize("given", [None, True, False])
def test_one_token_of_a_decoder_is_sampled_whatever_its_call_says_of_masks(given: bool | None) -> None:
    """GPT-2 and Moonshine say is_causal=False of one token: they mean that PyTorch needs no mask."""
    query, key, value = make_step()
    layers = {"own": True, "none": None, "encoder": False, "cross": True}
    shares = {}
    for name, causal in layers.items():
        attention = santa.transformers.Attention(santa.MassUnit(rows=60), exact_below=0, count_rows=True)
        layer = torch.nn.Module()
        layer.num_key_value_groups = 2
        if causal is not None:
            layer.is_causal = causal
        if name == "cross":
            layer.is_cross_attention = True
        call(attention, query, key, value, layer=layer, is_causal=given)
        shares[name] = attention.share_read
    assert 0.05 < shares["own"] < 0.2
    assert (0.05 < shares["none"] < 0.2) == (given is not False)
    for name in ("encoder", "cross"):
        assert shares[name] != shares[name]  # NaN: PyTorch's


def test_a_request_of_a_padded_batch_draws_as_in_another(sampled: Any) -> None:
    """A request's draws are named by its place in the batch, not by who is beside it; no other request has them."""
    model = make_model("llama")
    logits = []
    for other in (4, 9):
        padded = torch.nn.functional.pad(make_prompt(other, seed=1), (12 - other, 0))
        prompt = torch.cat([make_prompt(12), make_prompt(12), padded])
        logits.append(write(model, "santa_sampled", prompt, tokens=6, attention_mask=(prompt != 0).long())[1])
    torch.testing.assert_close(logits[0][:, :2], logits[1][:, :2])
    assert float((logits[0][:, 0] - logits[0][:, 1]).abs().max()) > 0.1


def test_layers_draw_on_their_own(sampled: Any) -> None:
    outputs = []
    for number in (0, 1, 1):
        layer = torch.nn.Module()
        layer.layer_idx = number
        outputs.append(call(sampled, *make_step(), layer=layer))
    assert outputs[1].equal(outputs[2])
    assert not outputs[0].equal(outputs[1])


def call(attention: Any, query: Any, key: Any, value: Any, mask: Any = None, layer: Any = None, **options: Any) -> Any:
    layer = torch.nn.Module() if layer is None else layer
    return attention(layer, query, key, value, mask, scaling=0.25, **options)[0]


def make_step(keys: int = 600, batch: int = 1, heads: int = 4, dim: int = 16) -> tuple[Any, Any, Any]:
    draw = torch.Generator(DEVICE).manual_seed(5)
    query = 1.5 * torch.randn(batch, heads, 1, dim, generator=draw)
    key, value = (torch.randn(batch, 2, keys, dim, generator=draw) for _ in range(2))
    return query, key, value


@pytest.mark.parametrize("options", [{}, {"softcap": 2.0, "sliding_window": 400}, {"s_aux": torch.ones(4)}])
def test_samples_are_unbiased(options: dict[str, Any]) -> None:
    """The mean over steps, which carry a state, is within 4.5 standard errors of exact attention."""
    attention = santa.transformers.Attention(santa.MassUnit(rows=60, steered=True), exact_below=0, count_rows=True)
    query, key, value = make_step()
    window = options.get("sliding_window", 600)
    seen, rest = slice(600 - window, 600), {name: options[name] for name in options if name != "sliding_window"}
    exact = call(santa.transformers.Attention(santa.Exact()), query, key[:, :, seen], value[:, :, seen], **rest)
    layer = torch.nn.Module()
    steps = torch.stack([call(attention, query, key, value, layer=layer, **options) for _ in range(400)])
    error = steps.std(dim=0) / 400**0.5
    assert float(error.max()) > 1e-4  # something was drawn
    assert float(((steps.mean(dim=0) - exact).abs() / error).max()) < 4.5
    assert 0.5 < attention.share_read * window / 60 < 1.5


def test_padding_and_storage_behind_are_left_out(exact: Any) -> None:
    """Keys in front of a request's, and behind, are not read: they are NaN here."""
    query, key, value = make_step(keys=50, batch=3)
    spans = [(0, 50), (7, 50), (7, 31)]
    mask = torch.zeros(3, 1, 1, 50, dtype=torch.bool)
    alone = []
    for i, (first, end) in enumerate(spans):
        mask[i, :, :, first:end] = True
        alone.append(call(exact, query[i : i + 1], key[i : i + 1, :, first:end], value[i : i + 1, :, first:end]))
        for tensor in (key, value):
            tensor[i, :, :first] = tensor[i, :, end:] = torch.nan
    floats = torch.where(mask, 0.0, torch.finfo(torch.float32).min)
    for given in (mask, floats):
        torch.testing.assert_close(call(exact, query, key, value, given), torch.cat(alone))
    # The same first key: one call, by lengths.
    both = slice(1, 3)
    torch.testing.assert_close(call(exact, query[both], key[both], value[both], mask[both]), torch.cat(alone[1:]))


@pytest.mark.parametrize("window", [1, 13, 50, 80])
def test_a_window_of_the_call_counts_without_a_mask(window: int, exact: Any) -> None:
    query, key, value = make_step(keys=50)
    key[:, :, : max(0, 50 - window)] = torch.nan
    expected = call(exact, query, key[:, :, -window:], value[:, :, -window:])
    assert call(exact, query, key, value, sliding_window=window).equal(expected)


def test_short_contexts_and_named_layers_are_exact() -> None:
    query, key, value = make_step()
    exact = call(santa.transformers.Attention(santa.Exact()), query, key, value)
    attention = santa.transformers.Attention(santa.MassUnit(rows=30), exact_below=601)
    assert call(attention, query, key, value).equal(exact)
    attention.exact_below = 600
    layer = torch.nn.Module()
    layer.layer_idx = 2
    assert not call(attention, query, key, value, layer=layer).equal(exact)
    attention.exact_layers = (2,)
    assert call(attention, query, key, value, layer=layer).equal(exact)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_outputs_are_of_the_query_s_type(dtype: Any, exact: Any) -> None:
    narrow = [tensor.to(dtype) for tensor in make_step(keys=50)]
    expected = call(exact, *(tensor.float() for tensor in narrow))
    for options in ({}, {"softcap": 1e4}):  # a cap so high that it is none
        torch.testing.assert_close(call(exact, *narrow, **options), expected.to(dtype), rtol=1e-2, atol=1e-3)
    # A cache that keeps fewer bits than the model computes in.
    torch.testing.assert_close(call(exact, narrow[0].float(), *narrow[1:]), expected)


@pytest.mark.parametrize(
    "dtypes",
    [
        (torch.float32, torch.float32, torch.bfloat16),  # autocast: keys are turned in float32
        (torch.bfloat16, torch.float32, torch.bfloat16),
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float16, torch.bfloat16, torch.bfloat16),
    ],
)
def test_mixed_types_are_attended_to_in_steps_as_in_prompts(dtypes: Any, exact: Any) -> None:
    query, key, value = (tensor.to(dtype) for tensor, dtype in zip(make_step(keys=50), dtypes))
    expected = call(exact, *(tensor.float() for tensor in (query, key, value))).to(dtypes[0])
    output = call(exact, query, key, value)
    assert output.dtype == dtypes[0]
    torch.testing.assert_close(output, expected, rtol=2e-2, atol=1e-2)


def test_models_decode_under_autocast(exact: Any) -> None:
    model, prompt = make_model("llama"), make_prompt(20)
    texts = []
    for name in ("eager", "santa_exact"):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            texts.append(write(model, name, prompt, tokens=4)[1])
    assert float((texts[0][1] - texts[1][1]).abs().max()) < 0.1 * float(texts[0][1].abs().max())


def test_a_short_request_beside_a_long_one_is_exact() -> None:
    query, key, value = make_step(batch=2)
    mask = torch.ones(2, 1, 1, 600, dtype=torch.bool)
    mask[1, :, :, :300] = False
    exact = call(santa.transformers.Attention(santa.Exact()), query, key, value, mask)
    ours = call(santa.transformers.Attention(santa.MassUnit(rows=30), exact_below=400), query, key, value, mask)
    assert ours[1].equal(exact[1])
    assert not ours[0].equal(exact[0])


def test_several_tokens_with_a_cap_or_sinks_are_exact(exact: Any, monkeypatch: Any) -> None:
    """In parts of few queries, too."""
    from santa import _exact_attention

    draw = torch.Generator(DEVICE).manual_seed(1)
    query = torch.randn(2, 4, 11, 16, generator=draw)
    key, value = (torch.randn(2, 2, 11, 16, generator=draw) for _ in range(2))
    sinks = torch.randn(4, generator=draw)
    scores = 2.0 * torch.tanh(query @ key.repeat_interleave(2, 1).mT * 0.25 / 2.0)
    scores = scores.masked_fill(~torch.ones(11, 11, dtype=torch.bool).tril(), -torch.inf)
    scores = torch.cat([scores, sinks.reshape(1, 4, 1, 1).expand(2, 4, 11, 1)], dim=-1)
    expected = (scores.softmax(-1)[..., :-1] @ value.repeat_interleave(2, 1)).transpose(1, 2)
    monkeypatch.setattr(_exact_attention, "_MOST_SCORES", 3 * 2 * 4 * 11)
    torch.testing.assert_close(call(exact, query, key, value, softcap=2.0, s_aux=sinks), expected)


def test_masks_of_several_tokens_may_have_biases(exact: Any) -> None:
    draw = torch.Generator(DEVICE).manual_seed(1)
    query, key = torch.randn(1, 4, 3, 16, generator=draw), torch.randn(1, 4, 20, 16, generator=draw)
    biases = torch.randn(1, 4, 3, 20, generator=draw)
    layer = torch.nn.Module()
    call(exact, *make_step(), layer=layer)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, key, biases, scale=0.25)
    torch.testing.assert_close(call(exact, query, key, key, biases, layer=layer), expected.transpose(1, 2))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"position_bias": torch.zeros(1)}, "position_bias"),
        ({"output_attentions": True}, "output_attentions"),
        ({"indices": torch.zeros(1, 1, 4, dtype=torch.int32)}, "indices is given"),
        ({"block_indices": torch.zeros(1, 1, 1, 4, dtype=torch.int64)}, "block_indices is given"),
        ({"sinks": torch.zeros(1, 4, 1, 1)}, "sinks is given"),
        ({"of_a_model_to_come": torch.zeros(1)}, "of_a_model_to_come is given"),
        ({"dropout": 0.1}, "dropout"),
        ({"mask": torch.tensor([True, False, True] * 200).reshape(1, 1, 1, 600)}, "leaves out keys between"),
        ({"mask": torch.full((1, 1, 1, 600), 0.5)}, "biases"),
        ({"mask": torch.ones(1, 4, 1, 600, dtype=torch.bool)}, "shape"),
        ({"mask": torch.ones(1, 1, 1, 599, dtype=torch.bool)}, "shape"),
    ],
)
def test_what_is_not_supported_is_refused(options: dict[str, Any], says: str, exact: Any) -> None:
    with pytest.raises(ValueError, match=says):
        call(exact, *make_step(), **options)


def test_options_that_change_nothing_are_taken(exact: Any) -> None:
    tensors = {name: torch.zeros(1, dtype=torch.int64) for name in ("position_ids", "num_items_in_batch")}
    options = {**tensors, "indices": None, "use_cache": True}
    assert call(exact, *make_step(), **options).equal(call(exact, *make_step()))


def test_sparse_attention_of_a_model_is_refused(exact: Any) -> None:
    """DeepSeek-V3.2 names the keys of a token by `indices`; all of them would be another model."""
    if not hasattr(transformers, "DeepseekV32Config"):
        pytest.skip("needs a transformers with DeepSeek-V3.2")
    sizes = {name: SIZES[name] for name in SIZES if name not in ("head_dim", "num_key_value_heads")}
    ranks = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
    experts = {"moe_intermediate_size": 16, "n_routed_experts": 4, "num_experts_per_tok": 2}
    rest = {"n_group": 1, "topk_group": 1, "index_topk": 4, "index_n_heads": 4, "index_head_dim": 16}
    config = transformers.DeepseekV32Config(**sizes, **ranks, **experts, **rest)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="santa_exact").eval()
    with pytest.raises(ValueError, match="indices is given"), torch.no_grad():
        model(make_prompt(12))


def test_gradients_of_a_decode_step_are_refused(exact: Any) -> None:
    query, key, value = make_step()
    query.requires_grad_()
    with pytest.raises(ValueError, match="no gradients"):
        call(exact, query, key, value)
    with torch.no_grad():
        call(exact, query, key, value)


@pytest.mark.parametrize("name", ["sdpa", "eager", ""])
def test_names_of_transformers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name is"):
        santa.transformers.register(name)


def test_the_example_writes_both_texts(tmp_path: Any, monkeypatch: Any, capsys: Any) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="needs tokenizers")
    words = {f"w{i}": i for i in range(SIZES["vocab_size"])}
    words_only = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    words_only.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    names = ["input_ids", "attention_mask"]  # as Llama's has them
    transformers.PreTrainedTokenizerFast(tokenizer_object=words_only, model_input_names=names).save_pretrained(tmp_path)
    make_model("llama").save_pretrained(tmp_path)
    (tmp_path / "prompt.txt").write_text(" ".join(f"w{5 * i % 89}" for i in range(600)))
    example = Path(__file__).resolve().parent.parent / "examples" / "generate.py"
    arguments = [str(example), str(tmp_path), "--prompt", str(tmp_path / "prompt.txt"), "--tokens", "8"]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(example), run_name="__main__")
    exact, sampled = capsys.readouterr().out.split("[")[1:]
    assert exact.startswith("exact: 100.0%")
    assert 0.05 < float(sampled.removeprefix("sampled: ").partition("%")[0]) / 100 < 0.15
    for text in (exact, sampled):
        assert len(text.partition("]")[2].split()) == 8
