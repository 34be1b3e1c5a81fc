"""Arrays of callers: nothing is copied, and what cannot be taken is said."""

import gc
import sys

import ml_dtypes
import numpy as np
import pytest
import santa
from reference import CLOSE, Problem, attention, error


def test_inputs_are_not_copied():
    p = Problem()
    cache = santa.ContiguousCache(p.keys, p.values)
    plan = santa.DecodePlan(santa.Exact(), p.query, cache)
    plan.run(p.query, cache)
    p.values[:] = 3  # seen by the cache that was made before
    assert np.allclose(plan.run(p.query, cache), 3)


@pytest.mark.numpy
def test_a_cache_keeps_its_arrays():
    p = Problem()
    keys, values = p.keys.copy(), p.values.copy()
    before = sys.getrefcount(keys)
    cache = santa.ContiguousCache(keys, values)
    assert sys.getrefcount(keys) > before
    assert cache.keys is keys and cache.values is values
    expected, _ = attention(p.query, keys, values)
    del keys, values
    gc.collect()
    assert error(santa.decode(santa.Exact(), p.query, cache), expected) < CLOSE


@pytest.mark.numpy
def test_arrays_are_let_go():
    p = Problem()
    cache = santa.ContiguousCache(p.keys, p.values)
    counts = [sys.getrefcount(a) for a in (p.query, p.keys, p.values)]
    out = np.zeros_like(p.query)
    for _ in range(10):
        santa.decode(santa.MassUnit(), p.query, cache, out=out, sinks=np.zeros(6, np.float32))
    with pytest.raises(ValueError):
        santa.decode(santa.MassUnit(), p.query, cache, out=out, seed=-1)
    assert [sys.getrefcount(a) for a in (p.query, p.keys, p.values)] == counts
    assert sys.getrefcount(out) == 2


@pytest.mark.numpy
def test_read_only_inputs():
    p = Problem()
    for array in (p.query, p.keys, p.values):
        array.flags.writeable = False
    santa.decode(santa.Exact(), p.query, p.keys, p.values)
    with pytest.raises(ValueError, match="out is a read-only numpy.ndarray; accepted: an array that can be written"):
        santa.decode(santa.Exact(), p.query, p.keys, p.values, out=p.query)


@pytest.mark.numpy
def test_outputs_whose_elements_lie_in_one_place_are_refused():
    p = Problem()
    one = {"out": np.zeros((6, 64), np.float32), "lse": np.zeros(6, np.float32), "error": np.zeros(6, np.float32)}
    one["statistics"] = np.zeros((2, 24), np.uint8)
    for name, array in one.items():
        both_requests = np.lib.stride_tricks.as_strided(array, (2, *array.shape), (0, *array.strides))
        with pytest.raises(ValueError) as raised:
            santa.decode(santa.Exact(), p.query, p.keys, p.values, **{name: both_requests})
        assert str(raised.value) == f"santa: {name}.stride(0) is 0; accepted: 1 or more: each element is written"
        assert not array.any()
    rows = np.lib.stride_tricks.as_strided(p.keys, p.keys.shape, (0, *p.keys.strides[1:]))
    cache = santa.ContiguousCache(rows, rows, np.array([200, 200]))  # which may be read
    new = np.ones((2, 2, 64), np.float32)
    with pytest.raises(ValueError, match=r"keys.stride\(0\) is 0; accepted: 1 or more: each element is written"):
        santa.append(cache, new, new)


@pytest.mark.numpy
def test_bfloat16_in_numpy():
    p = Problem(element="bfloat16")
    query = p.query.astype(ml_dtypes.bfloat16)
    expected = santa.decode(santa.Exact(), query, p.keys, p.values)
    assert expected.dtype == np.float32
    bits = [a.view(np.uint16) for a in (query, p.keys, p.values)]
    assert np.array_equal(santa.decode(santa.Exact(), *bits, dtype="bfloat16"), expected)
    out = np.zeros((2, 6, 64), np.uint16)
    santa.decode(santa.Exact(), *bits, dtype="bfloat16", out=out)
    assert np.array_equal(out.view(ml_dtypes.bfloat16), expected.astype(ml_dtypes.bfloat16))
    with pytest.raises(ValueError, match='keys\'s dtype is uint16; accepted: float32, float16, bfloat16 .dtype="bf'):
        santa.decode(santa.Exact(), *bits)


def test_half_in_numpy():
    p = Problem(element="float16")
    out = santa.decode(santa.Exact(), p.query.astype(np.float16), p.keys, p.values)
    assert out.dtype == np.float16


@pytest.mark.numpy
def test_tensors_of_pytorch():
    torch = pytest.importorskip("torch")
    p = Problem(element="bfloat16")
    expected = santa.decode(santa.Exact(), p.query, p.keys, p.values)
    query = torch.from_numpy(p.query)
    keys, values = (torch.from_numpy(a.astype(np.float32)).bfloat16() for a in (p.keys, p.values))
    out = santa.decode(santa.Exact(), query, keys, values)
    assert isinstance(out, torch.Tensor) and np.array_equal(out.numpy(), expected)
    # As transformers has them: [batch, heads, tokens, dim] and [batch, kv_heads, length, dim].
    own = query.bfloat16()[:, :, None]
    out = santa.decode(santa.Exact(), own.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2),
                       layout="head_major", scale=0.1)  # fmt: skip
    assert out.dtype == torch.bfloat16 and out.shape == (2, 1, 6, 64)


@pytest.mark.numpy
def test_arrays_of_jax():
    jax = pytest.importorskip("jax")
    for element in ("float32", "float16", "bfloat16"):
        p = Problem(element=element)
        own = [jax.numpy.asarray(a) for a in (p.query, p.keys, p.values)]
        lengths = np.array([200, 70], np.int32)
        expected = santa.decode(santa.MassUnit(), p.query, p.keys, p.values, lengths, seed=7)
        out = santa.decode(santa.MassUnit(), *own, jax.numpy.asarray(lengths), seed=7)
        assert isinstance(out, np.ndarray) and np.array_equal(out, expected)
    with pytest.raises(ValueError, match=r"(?s)^santa: query is a .*Tracer, which says: .*; accepted: an array of NumPy"):
        jax.jit(lambda query: santa.decode(santa.Exact(), query, *own[1:]))(own[0])


@pytest.mark.numpy
def test_arrays_of_jax_are_never_written():
    jax = pytest.importorskip("jax")
    p = Problem()
    query, keys, values = (jax.numpy.asarray(a) for a in (p.query, p.keys, p.values))
    for name, shape in (("out", (2, 6, 64)), ("lse", (2, 6)), ("error", (2, 6))):
        with pytest.raises(ValueError, match=f"{name} is a read-only jaxlib.*; accepted: an array that can be written"):
            santa.decode(santa.MassUnit(), query, keys, values, **{name: jax.numpy.zeros(shape)})
    for cache in (santa.ContiguousCache(keys, p.values), santa.ContiguousCache(p.keys, values)):
        with pytest.raises(ValueError, match="(keys|values) is a read-only jaxlib.*; accepted: an array that can be"):
            santa.append(cache, p.keys[:, 0], p.values[:, 0])


@pytest.mark.parametrize(("change", "sentence"), [
    ({"query": np.zeros((2, 5, 64), np.float32)}, "heads is 5; accepted: a multiple of kv_heads (2)"),
    ({"query": np.zeros((3, 6, 64), np.float32)}, "query.extent(0) is 3; accepted: the batch of keys (2)"),
    ({"query": np.zeros((2, 6, 32), np.float32)}, "query.extent(2) is 32; accepted: the plan's dim (64)"),
    ({"query": np.zeros((6, 64), np.float32)},
     "query's rank is 2; accepted: 3: [batch, heads, dim], or 4: [batch, tokens, heads, dim]"),
    ({"query": np.zeros((2, 6, 64))}, "query's dtype is float64; accepted: float32"),
    ({"query": np.zeros((2, 6, 128), np.float32)[..., ::2]},
     "query.stride(2) is 2; accepted: 1: the head dimension is contiguous, "
     "as in Kokkos::LayoutRight (the default of a GPU is LayoutLeft)"),
    ({"query": [[1.0]]},
     "query is a list; accepted: an array of NumPy, PyTorch, CuPy, JAX or another with DLPack"),
    ({"keys": np.zeros((2, 200, 2, 64), np.float16)}, "values's dtype is float32; accepted: float16"),
    ({"values": np.zeros((2, 100, 2, 64), np.float32)}, "values.extent(1) is 100; accepted: the same as keys (200)"),
    ({"keys": np.zeros((2, 200, 64), np.float32)}, "keys's rank is 3; accepted: 4: [batch, length, kv_heads, dim]"),
    ({"keys": np.zeros((2, 200, 2, 60), np.float32), "query": np.zeros((2, 6, 60), np.float32)},
     "dim is 60; accepted: a multiple of 8 from 8 to 256"),
    ({"keys": np.zeros((2, 200, 2, 64), np.float32)[:, ::-1]}, "keys.stride(1) is -128; accepted: 0 or more"),
    ({"lengths": np.array([3, 201])}, "lengths(1) is 201; accepted: 0 to the storage length (200)"),
    ({"lengths": np.array([-1, 2], np.int32)}, "lengths(0) is -1; accepted: 0 to the storage length (200)"),
    ({"lengths": np.array([3])}, "lengths.extent(0) is 1; accepted: the batch of keys (2)"),
    ({"lengths": np.array([3.0, 4.0])}, "lengths's dtype is float64; accepted: int32 or int64"),
    ({"out": np.zeros((2, 6, 32), np.float32)}, "out.extent(2) is 32; accepted: the plan's dim (64)"),
    ({"out": np.zeros((2, 1, 6, 64), np.float32)}, "out's rank is 4; accepted: that of query (3)"),
    ({"out": np.zeros((2, 6, 64))}, "out's dtype is float64; accepted: float32"),
    ({"layout": "heads"}, 'layout is "heads"; accepted: "token_major" or "head_major"'),
    ({"dtype": "float8"}, 'dtype is float8; accepted: None, "bfloat16" for arrays of uint16 or "float8_e4m3fn" for arrays of uint8'),
    ({"seed": -1}, "seed is -1; accepted: 0 to 18446744073709551615"),
    ({"seed": "x"}, "seed is x; accepted: a whole number"),
    ({"step": 2**32}, "step is 4294967296; accepted: 0 to 4294967295"),
    ({"stream": 65536}, "stream is 65536; accepted: 0 to 65535"),
    ({"scale": float("inf")}, "scale is inf; accepted: a finite number"),
    ({"scale": 1e-50}, "scale is 1e-50; accepted: 0, or 2^-149 or more in magnitude"),
    ({"window": -1}, "Window.size is -1; accepted: 0 or more"),
    ({"soft_cap": 0.0}, "SoftCap.cap is 0.000000; accepted: 1e-30 to 1e30"),
    ({"keys_per_split": 100}, "keys_per_split is 100; accepted: a multiple of 256 below 2^31, or 0"),
    ({"sinks": np.zeros(5, np.float32)}, "sinks.extent(0) is 5; accepted: the plan's heads (6)"),
    ({"sinks": np.zeros(6)}, "sinks's dtype is float64; accepted: float32"),
    ({"lse": np.zeros((2, 5), np.float32)}, "lse.extent(1) is 5; accepted: the plan's heads (6)"),
    ({"error": np.zeros((1, 6), np.float32)}, "error.extent(0) is 1; accepted: the batch (2) or more"),
    ({"statistics": np.zeros((2, 3), santa.statistics_dtype)}, "statistics.extent(1) is 3; accepted: 2"),
    ({"statistics": np.zeros((2, 2), np.float32)}, "statistics's dtype is float32; accepted: uint8"),
    ({"center": np.zeros((2, 2, 8), np.float32)}, "center.extent(2) is 8; accepted: dim (64)"),
    ({"budgets": np.zeros(2, np.float32)}, "budgets is given; accepted: none: the method is not MassUnit"),
    ({"cuda_stream": 1}, "cuda_stream is given; accepted: None: this module is built for a host"),
])  # fmt: skip
def test_errors_are_sentences(change, sentence):
    if "cuda_stream" in change and santa.backend() == "Cuda":
        pytest.skip("of a host")
    p = Problem()
    arguments = {"query": p.query, "keys": p.keys, "values": p.values, **change}
    with pytest.raises(ValueError) as raised:
        santa.decode(santa.Exact(), **arguments)
    assert str(raised.value) == "santa: " + sentence


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: santa.MassUnit(rows=0.1), "MassUnit.rows is 0.1; accepted: 1 to 2^63 rows, or a share of the visible "
     "ones above 0 and up to 1, as santa::share(0.1)"),
    (lambda: santa.MassUnit(draws="none"), 'MassUnit.draws is "none"; accepted: "joint", "joint_l2" or "separate"'),
    (lambda: santa.Systematic(samples=0), "Systematic.samples is 0; accepted: 1 to 2^30"),
    (lambda: santa.FixedTileBudget(tile=48), "FixedTileBudget.tile is 48; accepted: 32, 64 or 256"),
    (lambda: santa.DecodeState(2, 0), "heads is 0; accepted: 1 to 65535"),
    (lambda: santa.DecodeState(2, 4).reset(2), "request is 2; accepted: 0 to 1"),
    (lambda: santa.DecodeState(2, 4).permute(np.zeros(3, np.int32)),
     "order.extent(0) is 3; accepted: the state's batch (2)"),
])  # fmt: skip
def test_methods_and_states_refuse(make, sentence):
    with pytest.raises(ValueError) as raised:
        make()
    assert str(raised.value) == "santa: " + sentence


def test_a_plan_refuses_other_steps():
    p = Problem()
    cache = santa.ContiguousCache(p.keys, p.values)
    plan = santa.DecodePlan(santa.Exact(), p.query[:1], santa.ContiguousCache(p.keys[:1], p.values[:1]))
    with pytest.raises(ValueError, match="batch is 2; accepted: at most the plan's 1"):
        plan.run(p.query, cache)
    half = santa.ContiguousCache(p.keys.astype(np.float16), p.values.astype(np.float16))
    with pytest.raises(ValueError, match="cache is a ContiguousCache of float16; accepted: the plan's, a ContiguousCache of float32"):
        plan.run(p.query, half)
    with pytest.raises(ValueError, match="values, lengths, dtype or a scale is given; accepted: None: keys is a cache"):
        santa.decode(santa.Exact(), p.query, cache, p.values)


def test_empty_batches_and_caches():
    p = Problem()
    out = santa.decode(santa.MassUnit(), p.query[:0], p.keys[:0], p.values[:0])
    assert out.shape == (0, 6, 64)
    out = santa.decode(santa.MassUnit(), p.query, p.keys[:, :0], p.values[:, :0])
    assert not out.any()


@pytest.mark.numpy
@pytest.mark.parametrize("make", [
    lambda keys: keys.astype(">f4"),
    lambda keys: keys.astype(object),
    lambda keys: np.zeros(keys.shape, [("x", "i1"), ("y", "f4")]),
    lambda keys: np.ma.masked_array(keys, keys > 1),
    lambda keys: np.ma.masked_array(keys).astype(ml_dtypes.bfloat16),
])  # fmt: skip
@pytest.mark.parametrize("name", ["keys", "out", "seed"])
def test_arrays_that_dlpack_does_not_have_are_refused(make, name):
    p = Problem()
    arrays = {"query": p.query, "keys": p.keys, "values": p.values, name: make(p.keys)}
    with pytest.raises(ValueError, match=f"^santa: {name} is a .*; accepted: an array"):
        santa.decode(santa.Exact(), **arrays)


@pytest.mark.numpy
def test_tensors_without_memory_are_refused():
    torch = pytest.importorskip("torch")
    p = Problem()
    for keys in (torch.zeros(p.keys.shape, device="meta"), torch.from_numpy(p.keys).to_sparse()):
        with pytest.raises(ValueError, match="^santa: keys"):
            santa.decode(santa.Exact(), p.query, keys, p.values)


def test_other_objects_are_no_states():
    p = Problem()
    for state in (3, "x", santa.MassUnit()):
        with pytest.raises(ValueError, match="^santa: state is .*; accepted: None or a DecodeState$"):
            santa.decode(santa.MassUnit(), p.query, p.keys, p.values, state=state)


@pytest.mark.numpy
def test_outputs_are_of_the_framework_of_a_derived_class():
    torch = pytest.importorskip("torch")

    class Own(torch.Tensor):
        pass

    p = Problem()
    query = torch.from_numpy(p.query).as_subclass(Own)
    assert isinstance(santa.decode(santa.Exact(), query, p.keys, p.values), torch.Tensor)


def test_lse_contains_the_sink():
    p = Problem()
    plain, with_sinks = (np.zeros((2, 6), np.float32) for _ in range(2))
    sinks = np.linspace(-2, 9, 6, dtype=np.float32)
    santa.decode(santa.Exact(), p.query, p.keys, p.values, lse=plain)
    santa.decode(santa.Exact(), p.query, p.keys, p.values, lse=with_sinks, sinks=sinks)
    assert np.allclose(with_sinks, np.logaddexp(plain, sinks), atol=1e-5)


@pytest.mark.parametrize("given", [{"layout": "head_major"}, {"layout": "bogus"}, {"dtype": "bfloat16"}])
def test_a_cache_has_its_layout_and_dtype(given):
    p = Problem()
    with pytest.raises(ValueError, match=f"{next(iter(given))}.* given; accepted: .*: keys is a cache"):
        santa.decode(santa.Exact(), p.query, santa.ContiguousCache(p.keys, p.values), **given)
