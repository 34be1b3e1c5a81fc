"""Outputs beside attention in double precision."""

import numpy as np
import pytest
import santa
from reference import CLOSE, ELEMENTS, Problem, attention, error, head_major


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("layout", ["token_major", "head_major"])
def test_exact_is_attention(element, layout):
    p = Problem(element=element)
    keys, values = (p.keys, p.values) if layout == "token_major" else (head_major(p.keys), head_major(p.values))
    lse = np.zeros((2, 6), np.float32)
    lengths = np.array([200, 77])
    out = santa.decode(santa.Exact(), p.query, keys, values, lengths, layout=layout, lse=lse)
    expected, expected_lse = attention(p.query, p.keys, p.values, lengths)
    assert error(out, expected) < ELEMENTS[element][1]
    assert np.abs(lse - expected_lse).max() < 1e-5


@pytest.mark.parametrize("lengths", [np.array([5, 200], np.int32), np.array([0, 1], np.int64), None])
def test_lengths_hide_keys(lengths):
    p = Problem()
    out = santa.decode(santa.Exact(), p.query, p.keys, p.values, lengths)
    for b in range(2):
        length = 200 if lengths is None else lengths[b]
        if length == 0:
            assert not out[b].any()
            continue
        expected, _ = attention(p.query[b : b + 1], p.keys[b : b + 1, :length], p.values[b : b + 1, :length])
        assert error(out[b : b + 1], expected) < CLOSE


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("options", [
    {"window": 50}, {"soft_cap": 2.0}, {"window": 31, "soft_cap": 5.0}, {"scale": 0.05}, {"window": 0},
])  # fmt: skip
def test_windows_soft_caps_and_scales(element, options):
    p = Problem(element=element)
    out = santa.decode(santa.Exact(), p.query, p.keys, p.values, **options)
    if options.get("window") == 0:
        assert not out.any()
        return
    assert error(out, attention(p.query, p.keys, p.values, **options)[0]) < CLOSE


def test_sinks_take_their_share():
    p = Problem()
    sinks = np.linspace(-1, 6, 6).astype(np.float32)
    lse = np.zeros((2, 6), np.float32)
    out = santa.decode(santa.Exact(), p.query, p.keys, p.values, sinks=sinks, lse=lse)
    expected, expected_lse = attention(p.query, p.keys, p.values, sinks=sinks)
    assert error(out, expected) < CLOSE
    assert np.abs(lse - expected_lse).max() < 1e-5


@pytest.mark.parametrize("causal", [True, False])
def test_several_tokens(causal):
    p = Problem(tokens=3)
    lengths = np.array([200, 90])
    out = santa.decode(santa.Exact(), p.query, p.keys, p.values, lengths, causal=causal)
    assert out.shape == (2, 3, 6, 64)
    assert error(out, attention(p.query, p.keys, p.values, lengths, causal=causal)[0]) < CLOSE


def test_one_token_with_an_extent_of_its_own():
    p = Problem()
    out = santa.decode(santa.MassUnit(), p.query, p.keys, p.values, seed=3)
    assert np.array_equal(santa.decode(santa.MassUnit(), p.query[:, None], p.keys, p.values, seed=3)[:, 0], out)


def test_values_of_another_dim():
    p = Problem(value_dim=32)
    out = santa.decode(santa.Exact(), p.query, p.keys, p.values)
    assert out.shape == (2, 6, 32)
    assert error(out, attention(p.query, p.keys, p.values)[0]) < CLOSE


def test_strided_arrays():
    p = Problem(batch=4, length=400)
    keys, values, query = p.keys[::2, ::2], p.values[::2, 1::2], p.query[1::2]
    both = np.zeros((2, 6, 2, 64), np.float32)
    out = both[:, :, 1]
    assert santa.decode(santa.Exact(), query, keys, values, out=out) is out
    assert error(out, attention(query, keys, values)[0]) < CLOSE
    assert not both[:, :, 0].any()


def test_a_plan_takes_smaller_steps_and_longer_caches_where_it_was_told():
    p = Problem()
    cache = santa.ContiguousCache(p.keys[:, :40], p.values[:, :40])
    plan = santa.DecodePlan(santa.Exact(), p.query, cache, length=150)
    assert plan.shape.length == 150 and plan.workspace_bytes > 0 and "santa::Exact" in plan.describe()
    for batch, length in [(2, 40), (1, 150), (2, 33)]:
        keys, values = p.keys[:batch, :length], p.values[:batch, :length]
        out = plan.run(p.query[:batch], santa.ContiguousCache(keys, values))
        assert error(out, attention(p.query[:batch], keys, values)[0]) < CLOSE


def test_a_cache_that_grows():
    p = Problem(length=2100)
    for length in [1, 1023, 1024, 1025, 2100]:
        keys, values = p.keys[:, :length], p.values[:, :length]
        out = santa.decode(santa.Exact(), p.query, keys, values)
        assert error(out, attention(p.query, keys, values)[0]) < CLOSE


@pytest.mark.parametrize("query", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("out", ["float32", "float16", "bfloat16"])
def test_types_of_query_and_out(query, out):
    p = Problem(element="bfloat16")
    q = p.query.astype(ELEMENTS[query][0])
    result = np.zeros((2, 6, 64), ELEMENTS[out][0])
    if query == "float16" or out not in ("float32", query):
        with pytest.raises(ValueError, match="'s dtype is "):
            santa.decode(santa.Exact(), q, p.keys, p.values, out=result)
        return
    santa.decode(santa.Exact(), q, p.keys, p.values, out=result)
    bound = CLOSE if out == "float32" else 4e-3
    assert error(result, attention(q.astype(np.float32), p.keys, p.values)[0]) < bound
