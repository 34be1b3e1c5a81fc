"""Caches in pages, with scales and with narrow copies beside attention in double precision; appending to them."""

import gc
import sys

import ml_dtypes
import numpy as np
import pytest
import santa
from reference import CLOSE, ELEMENTS, Problem, attention, error, head_major

PAGE = 16
LENGTHS = np.array([200, 77])


def paged(p, order, *, form="table", layout="token_major", lengths=LENGTHS, wide=False):
    """The rows of a problem in pages of a pool, pages of requests in any order; behind their lengths there is NaN."""
    pages = -(-p.keys.shape[1] // PAGE)
    table = np.random.default_rng(order).permutation(2 * pages + 3)[: 2 * pages].reshape(2, pages).astype(np.int32)
    pools = []
    for rows in (p.keys, p.values):
        pool = np.full((2 * pages + 3, PAGE, *rows.shape[2:]), np.nan, rows.dtype)
        for b in range(2):
            for i in range(lengths[b]):
                pool[table[b, i // PAGE], i % PAGE] = rows[b, i]
        pools.append(pool if layout == "token_major" else head_major(pool))
    if form == "table":
        return santa.PagedCache(*pools, table, lengths if wide else lengths.astype(np.int32), layout=layout)
    used = [table[b, : -(-lengths[b] // PAGE)] for b in range(2)]
    indptr = np.cumsum([0, *(len(u) for u in used)]).astype(np.int32)
    last = ((lengths - 1) % PAGE + 1).astype(np.int32)
    return santa.PagedCache(*pools, indptr=indptr, indices=np.concatenate(used), last_page_length=last, length=208,
                            layout=layout)  # fmt: skip


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("layout", ["token_major", "head_major"])
@pytest.mark.parametrize("form", ["table", "list"])
def test_pages_are_attended_to(element, layout, form):
    p = Problem(element=element)
    cache = paged(p, 1, form=form, layout=layout)
    assert (cache.shape.batch, cache.shape.kv_heads, cache.shape.length) == (2, 2, 208)
    assert cache.dtype == element
    santa.validate(cache)
    expected, _ = attention(p.query, p.keys, p.values, LENGTHS)
    assert error(santa.decode(santa.Exact(), p.query, cache), expected) < CLOSE
    out = santa.decode(santa.Exact(), p.query, cache, window=40, soft_cap=3.0)
    assert error(out, attention(p.query, p.keys, p.values, LENGTHS, window=40, soft_cap=3.0)[0]) < CLOSE


@pytest.mark.parametrize("method", [santa.MassUnit(rows=40), santa.MassUnit(rows=40, draws="separate"),
                                    santa.Systematic(samples=50), santa.FixedTileBudget(samples=50)], ids=repr)  # fmt: skip
def test_pages_draw_the_same_rows(method):
    """The bits of a contiguous cache with room for as many keys, whatever the order of pages."""
    p = Problem(length=208)
    plan = santa.DecodePlan(method, p.query, santa.ContiguousCache(p.keys, p.values, LENGTHS))
    expected = plan.run(p.query, santa.ContiguousCache(p.keys, p.values, LENGTHS), seed=3)
    for order in (1, 2):
        cache = paged(p, order, wide=order == 2)
        assert np.array_equal(santa.DecodePlan(method, p.query, cache).run(p.query, cache, seed=3), expected)
        with pytest.raises(ValueError, match="cache is a PagedCache of float32; accepted: the plan's, a Contig"):
            plan.run(p.query, cache)


def test_queries_of_their_type_on_pages():
    p = Problem(element="bfloat16", tokens=2)
    query = p.query.astype(ml_dtypes.bfloat16)
    out = santa.decode(santa.Exact(), query, paged(p, 1))
    bound = CLOSE if out.dtype == np.float32 else 4e-3  # NumPy has no bfloat16
    assert error(out, attention(query.astype(np.float32), p.keys, p.values, LENGTHS)[0]) < bound


def test_bad_pages_are_named():
    p = Problem()
    keys = np.zeros((9, PAGE, 2, 64), np.float32)
    table, lengths = np.arange(8, dtype=np.int32).reshape(2, 4), np.array([64, 33], np.int32)
    santa.validate(santa.PagedCache(keys, keys, table, lengths))
    table[1, 2] = 9
    cache = santa.PagedCache(keys, keys, table, lengths)
    for check in (lambda: santa.validate(cache), lambda: santa.decode(santa.Exact(), p.query, cache)):
        with pytest.raises(ValueError) as raised:
            check()
        assert str(raised.value) == "santa: table(1, 2) is 9; accepted: 0 to 8, the pages of the pool"
    table[1, 2], lengths[0] = 8, 65
    with pytest.raises(ValueError, match=r"lengths\(0\) is 65; accepted: 0 to what the table may hold \(64\)"):
        santa.validate(cache)
    indptr, last = np.array([0, 2, 3], np.int32), np.array([16, 17], np.int32)
    listed = santa.PagedCache(keys, keys, indptr=indptr, indices=np.arange(3, dtype=np.int32), last_page_length=last)
    with pytest.raises(ValueError, match=r"last_page_length\(1\) is 17; accepted: 1 to the page size \(16\)"):
        santa.validate(listed)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"lengths": None}, "the page table is incomplete; accepted: table and lengths; or indptr, indices and last_page"),
    ({"indptr": np.zeros(3, np.int32)}, "the page table is given in both forms; accepted: table and lengths; or"),
    ({"table": np.zeros((2, 4))}, "table's dtype is float64; accepted: int32"),
    ({"table": np.zeros(4, np.int32)}, "table's rank is 1; accepted: 2: [batch, max_pages]"),
    ({"lengths": np.zeros(3, np.int32)}, "lengths.extent(0) is 3; accepted: the batch of the table (2)"),
    ({"keys": np.zeros((9, PAGE, 2), np.float32)}, "keys's rank is 3; accepted: 4: [pages, page_size, kv_heads, dim]"),
    ({"values": np.zeros((8, PAGE, 2, 64), np.float32)}, "values.extent(0) is 8; accepted: the same as keys (9)"),
    ({"key_scale": 2.0}, "key_scale is given; accepted: None: rows of float32 have no scales"),
    ({"keys": np.zeros((9, PAGE, 2, 64), np.int8)}, "values's dtype is float32; accepted: int8"),
])  # fmt: skip
def test_paged_caches_refuse(change, sentence):
    pool = np.zeros((9, PAGE, 2, 64), np.float32)
    arguments = {"keys": pool, "values": pool, "table": np.zeros((2, 4), np.int32), "lengths": np.zeros(2, np.int32)}
    with pytest.raises(ValueError) as raised:
        santa.PagedCache(**{**arguments, **change})
    assert str(raised.value).startswith("santa: " + sentence)


def quantised(p, element):
    """Rows of one byte with a scale for each: bytes, scales [batch, length, kv_heads], and what they stand for."""
    result = []
    for rows in (p.keys, p.values):
        largest = 127 if element == "int8" else 448
        scales = np.abs(rows).max(axis=-1) / np.float32(largest)
        codes = rows / scales[..., None]
        codes = np.rint(codes).astype(np.int8) if element == "int8" else codes.astype(ml_dtypes.float8_e4m3fn)
        result.append((codes, scales, codes.astype(np.float32) * scales[..., None]))
    return result


@pytest.mark.parametrize("element", ["int8", "float8_e4m3fn"])
@pytest.mark.parametrize("query", ELEMENTS)
def test_rows_of_one_byte_with_scales(element, query):
    p = Problem()
    (keys, key_scale, own_keys), (values, value_scale, own_values) = quantised(p, element)
    q = p.query.astype(ELEMENTS[query][0])
    out = np.zeros_like(p.query)
    bits = {"dtype": "float8_e4m3fn"} if element != "int8" else {}
    for k, v in [(keys, values), (keys.view(np.uint8 if bits else np.int8), values.view(np.uint8 if bits else np.int8))]:
        cache = santa.ContiguousCache(k, v, LENGTHS, key_scale=key_scale, value_scale=value_scale, **bits)
        assert cache.dtype == element
        santa.decode(santa.Exact(), q, cache, out=out)
        expected, _ = attention(q.astype(np.float32), own_keys, own_values, LENGTHS)
        assert error(out, expected) < 5e-6
    # Scales of heads, and one of all.
    scale = np.array([0.5, 2.0], np.float32)
    out = santa.decode(santa.Exact(), p.query, keys, values, key_scale=scale, value_scale=np.float32(0.25), scale=0.01)
    expected, _ = attention(p.query, keys.astype(np.float32) * scale[:, None], values.astype(np.float32) * 0.25, scale=0.01)
    assert error(out, expected) < 5e-6
    sampled = santa.decode(santa.MassUnit(rows=10**6), p.query, keys, values, key_scale=scale, value_scale=0.25, scale=0.01)
    assert np.array_equal(sampled, out)


def test_rows_of_one_byte_in_pages():
    p = Problem(length=64)
    (keys, key_scale, own_keys), (values, value_scale, own_values) = quantised(p, "int8")
    def pool(rows):
        return rows.reshape(8, 16, *rows.shape[2:])[::-1].copy()
    table = np.arange(8, dtype=np.int32)[::-1].copy().reshape(2, 4)
    cache = santa.PagedCache(pool(keys), pool(values), table, np.array([64, 50], np.int32), key_scale=pool(key_scale),
                             value_scale=pool(value_scale))  # fmt: skip
    expected, _ = attention(p.query, own_keys, own_values, [64, 50])
    assert error(santa.decode(santa.Exact(), p.query, cache), expected) < 5e-6


def test_rows_of_one_byte_refuse():
    p = Problem()
    (keys, key_scale, _), (values, value_scale, _) = quantised(p, "int8")
    for arguments, sentence in [
        ({"key_scale": key_scale}, "value_scale's rank is 1; accepted: that of key_scale (3)"),
        ({"key_scale": key_scale[:, :4], "value_scale": value_scale},
         "scales of keys.extent(1) is 4; accepted: the same as keys (200)"),
        ({"key_scale": np.ones(3, np.float32)}, "scales of keys.extent(0) is 3; accepted: kv_heads (2)"),
        ({"key_scale": -1.0}, "key_scale is -1; accepted: a positive finite number"),
        ({"key_scale": np.ones(2)}, "key_scale's dtype is float64; accepted: float32"),
    ]:  # fmt: skip
        with pytest.raises(ValueError) as raised:
            santa.ContiguousCache(keys, values, **arguments)
        assert str(raised.value) == "santa: " + sentence
    with pytest.raises(ValueError, match="method is Systematic.samples=64.; accepted: Exact, or MassUnit with joint dr"):
        santa.decode(santa.Systematic(samples=64), p.query, keys, values)


CODES = {"int8": 0.02, "fp8": 0.08, "int4": 0.3}


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("pages", [False, True])
def test_narrow_keys(element, code, pages):
    p = Problem(element=element, length=208)
    full = paged(p, 1) if pages else santa.ContiguousCache(p.keys, p.values, LENGTHS)
    keys = santa.NarrowKeys(full, code)
    assert keys.code == code and keys.bytes > 0
    keys.calibrate(full)
    keys.encode(full)
    expected, _ = attention(p.query, p.keys, p.values, LENGTHS)
    by_codes = santa.NarrowCache(full, keys, rescored=False)
    assert by_codes.cache is full and by_codes.keys is keys and by_codes.shape.length == 208
    assert 1e-5 < error(santa.decode(santa.Exact(), p.query, by_codes), expected) < CODES[code]
    # Scored again by full keys, a budget that covers all keys is exact attention.
    again = santa.NarrowCache(full, keys)
    assert again.rescored
    assert error(santa.decode(santa.MassUnit(rows=10**6), p.query, again), expected) < CLOSE
    capped = attention(p.query, p.keys, p.values, LENGTHS, window=60, soft_cap=2.0)[0]
    assert error(santa.decode(santa.MassUnit(rows=10**6), p.query, again, window=60, soft_cap=2.0), capped) < CLOSE
    statistics = np.zeros((2, 2), santa.statistics_dtype)
    sampled = santa.decode(santa.MassUnit(rows=30), p.query, again, statistics=statistics, seed=2)
    assert (statistics["rows_read"] < 70).all() and 1e-3 < error(sampled, expected) < 1


@pytest.mark.once
def test_rescored_steps_are_right_on_average():
    p = Problem(batch=1, heads=4, length=200, element="bfloat16", seed=5)
    full = santa.ContiguousCache(p.keys, p.values)
    keys = santa.NarrowKeys(full, "int4")
    keys.calibrate(full)
    keys.encode(full)
    cache = santa.NarrowCache(full, keys)
    expected, _ = attention(p.query, p.keys, p.values)
    plan = santa.DecodePlan(santa.MassUnit(rows=80), p.query, cache)
    given = np.mean([plan.run(p.query, cache, seed=seed) for seed in range(2000)], axis=0)
    alone = error(plan.run(p.query, cache, seed=1), expected)
    assert error(given, expected) < min(0.02, alone / 5)


@pytest.mark.numpy
def test_caches_and_plans_keep_what_they_read():
    p = Problem()
    expected, _ = attention(p.query, p.keys, p.values)
    full = santa.ContiguousCache(p.keys.copy(), p.values.copy())
    copy = santa.NarrowKeys(full, "int8")
    copy.calibrate(full)
    copy.encode(full)
    cache = santa.NarrowCache(full, copy)
    slopes = np.zeros(6, np.float32)
    plan = santa.DecodePlan(santa.MassUnit(rows=10**6), p.query, cache, alibi_slopes=slopes)
    before = sys.getrefcount(full), sys.getrefcount(slopes)
    del full, copy, slopes
    gc.collect()
    assert error(plan.run(p.query, cache), expected) < CLOSE
    assert before[0] > 2 and before[1] > 2


def test_narrow_caches_refuse():
    p = Problem()
    full, other = santa.ContiguousCache(p.keys, p.values), santa.ContiguousCache(p.keys[:, :64], p.values[:, :64])
    keys = santa.NarrowKeys(full, "int8")
    narrow = santa.NarrowCache(full, keys)
    for call, sentence in [
        (lambda: santa.NarrowKeys(full, "int2"), 'code is "int2"; accepted: "int8", "int4" or "fp8"'),
        (lambda: santa.NarrowCache(other, keys),
         "narrow keys' length is 200; accepted: that of the full cache (64)"),
        (lambda: keys.encode(full, 10, 191), "count is 191; accepted: 0 to the rest of the length (190)"),
        (lambda: santa.NarrowKeys(narrow), "cache is a NarrowCache by int8, rescored, of a ContiguousCache of float32; "
         "accepted: one with full rows: a copy is made of a ContiguousCache or a PagedCache"),
        (lambda: santa.decode(santa.Exact(), p.query, narrow),
         "method is Exact(); accepted: MassUnit with joint draws, where drawn rows are scored again"),
        (lambda: santa.DecodePlan(santa.MassUnit(), p.query, full).run(p.query, narrow),
         "cache is a NarrowCache by int8, rescored, of a ContiguousCache of float32; accepted: the plan's, "
         "a ContiguousCache of float32"),
    ]:  # fmt: skip
        with pytest.raises(ValueError) as raised:
            call()
        assert str(raised.value) == "santa: " + sentence


def empty_cache(kind, element="float32", **options):
    """A cache without rows, of 2 requests, 2 kv heads and dim 64; its keys, values and lengths, and where rows lie."""
    dtype = ELEMENTS[element][0] if element in ELEMENTS else np.dtype(element)
    lengths = np.zeros(2, np.int32)
    if kind == "contiguous":
        keys, values = np.zeros((2, 48, 2, 64), dtype), np.zeros((2, 48, 2, 64), dtype)
        return santa.ContiguousCache(keys, values, lengths, **options), keys, values, lengths
    pools = np.zeros((2, 7, 16, 2, 64), dtype)
    table = np.array([[5, 1, 3], [0, 6, 2]], np.int32)
    cache = santa.PagedCache(pools[0], pools[1], table, lengths, **options)
    return cache, *(pool for pool in pools), lengths


def rows_of(kind, rows):
    return rows if kind == "contiguous" else rows[np.array([[5, 1, 3], [0, 6, 2]])].reshape(2, 48, *rows.shape[2:])


@pytest.mark.parametrize("kind", ["contiguous", "paged"])
@pytest.mark.parametrize(("element", "new"), [("float32", "float32"), ("bfloat16", "bfloat16"), ("bfloat16", "float32"),
                                             ("float16", "float16")])  # fmt: skip
def test_append(kind, element, new):
    normal = np.random.default_rng(2).standard_normal
    cache, keys, values, lengths = empty_cache(kind, element)
    dtype = ELEMENTS[new][0]
    k, v = (normal((2, 30, 2, 64)).astype(dtype) for _ in range(2))
    lengths[:] = [20, 13]  # a list of all tokens
    listed = [np.concatenate([rows[0, :20], rows[1, :13]]) for rows in (k, v)]
    santa.append(cache, *listed, np.array([0, 20, 33], np.int32))
    lengths += [4, 2]  # several of each, and how many
    santa.append(cache, k[:, 20:24], np.ascontiguousarray(v[:, 20:24]), np.array([4, 2], np.int32))
    lengths += 3  # several of each
    santa.append(cache, k[:, 24:27], v[:, 24:27])
    lengths += 1  # one of each
    santa.append(cache, k[:, 27], v[:, 27])
    own = ELEMENTS[element][0]
    for given, rows in ((k, rows_of(kind, keys)), (v, rows_of(kind, values))):
        assert np.array_equal(rows[0, :28], given[0, :28].astype(own)) and not rows[0, 28:].any()
        assert np.array_equal(rows[1, :13], given[1, :13].astype(own))
        assert np.array_equal(rows[1, 13:19], given[1, [20, 21, 24, 25, 26, 27]].astype(own)) and not rows[1, 19:].any()


@pytest.mark.parametrize("kind", ["contiguous", "paged"])
@pytest.mark.parametrize("element", ["int8", "float8_e4m3fn"])
@pytest.mark.parametrize("new", ELEMENTS)
def test_append_rows_of_one_byte(kind, element, new):
    k, v = (np.random.default_rng(i).standard_normal((2, 40, 2, 64)).astype(ELEMENTS[new][0]) for i in range(2))
    dtype = np.int8 if element == "int8" else ml_dtypes.float8_e4m3fn
    bounds = (1 / 100) if element == "int8" else (1 / 14)
    scales = [np.zeros((2, 48, 2) if kind == "contiguous" else (7, 16, 2), np.float32) for _ in range(2)]
    for options in ({"key_scale": 0.04, "value_scale": 0.04}, {"key_scale": scales[0], "value_scale": scales[1]}):
        cache, keys, values, lengths = empty_cache(kind, dtype, **options)
        lengths[:] = 40
        santa.append(cache, k, v)
        for given, rows, scale in ((k, keys, options["key_scale"]), (v, values, options["value_scale"])):
            number = rows.astype(np.float32) * (scale if isinstance(scale, float) else scale[..., None])
            own = rows_of(kind, number)[:, :40]
            wide = given.astype(np.float32)
            assert np.abs(own - wide).max() < bounds * np.abs(wide).max()
        expected, _ = attention(np.ones((2, 4, 64), np.float32), k.astype(np.float32), v.astype(np.float32))
        assert error(santa.decode(santa.Exact(), np.ones((2, 4, 64), np.float32), cache), expected) < 0.4
    assert all((rows_of(kind, scale)[:, :40] > 0).all() for scale in scales)


@pytest.mark.parametrize("kind", ["contiguous", "paged"])
def test_append_keeps_a_copy_in_step(kind):
    k, v = (np.random.default_rng(i).standard_normal((2, 40, 2, 64)).astype(np.float32) for i in range(2))
    query = np.random.default_rng(3).standard_normal((2, 4, 64)).astype(np.float32)
    full, keys, values, lengths = empty_cache(kind)
    copy = santa.NarrowKeys(full, "int8")
    lengths[:] = 36
    santa.append(full, k[:, :36], v[:, :36])
    copy.calibrate(full)
    copy.encode(full)
    cache = santa.NarrowCache(full, copy, rescored=False)
    lengths += 2
    santa.append(cache, k[:, 36:38], v[:, 36:38])  # encodes
    lengths += 2
    santa.append(full, k[:, 38:], v[:, 38:])  # does not
    copy.encode_newest(full, 2)
    out = santa.decode(santa.Exact(), query, cache)
    assert error(out, attention(query, k, v)[0]) < 0.02
    copy.encode(full)
    assert np.array_equal(santa.decode(santa.Exact(), query, cache), out)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"keys": np.zeros((3, 2, 64), np.float32)}, "new keys.extent(0) is 3; accepted: the batch of the cache (2)"),
    ({"values": np.zeros((2, 2, 32), np.float32)}, "new values.extent(2) is 32; accepted: "),
    ({"values": np.zeros((2, 2, 64), np.float16)}, "new values's dtype is float16; accepted: float32"),
    ({"values": np.zeros((2, 1, 2, 64), np.float32)}, "new values's rank is 4; accepted: that of new keys (3)"),
    ({"keys": np.zeros((2, 64), np.float32)}, "new keys's rank is 2; accepted: 3: [batch, kv_heads, dim] or"),
    ({"keys": np.zeros((2, 2, 64), np.float16), "values": np.zeros((2, 2, 64), np.float16)},
     "new keys's dtype is float16; accepted: float32"),
    ({"numbers": np.array([0, 2])}, "numbers of new tokens's dtype is int64; accepted: int32"),
    ({"numbers": np.array([0, 2], np.int32)}, "indptr of new tokens.extent(0) is 2; accepted: one more than the batch"),
])  # fmt: skip
def test_append_refuses(change, sentence):
    cache, _, _, lengths = empty_cache("contiguous")
    lengths[:] = 1
    new = np.zeros((2, 2, 64), np.float32)
    with pytest.raises(ValueError) as raised:
        santa.append(cache, **{"keys": new, "values": new, **change})
    assert str(raised.value).startswith("santa: " + sentence)


@pytest.mark.numpy
def test_append_needs_arrays_that_can_be_written_and_lengths():
    new = np.zeros((2, 2, 64), np.float32)
    cache, keys, values, lengths = empty_cache("contiguous")
    keys.flags.writeable = False
    with pytest.raises(ValueError, match="keys is a read-only numpy.ndarray; accepted: an array that can be written"):
        santa.append(cache, new, new)
    with pytest.raises(ValueError, match="lengths is none; accepted: a cache with lengths"):
        santa.append(santa.ContiguousCache(values, values), new, new)


def test_linear_biases():
    p = Problem()
    slopes = np.array([0.0, 0.01, 0.1, 0.5, 2.0, -0.01], np.float32)
    offsets = np.arange(200)[None, :] - (LENGTHS[:, None] - 1)
    def expected(soft_cap=None, slopes=slopes):
        scores = np.einsum("bhd,blhd->bhl", p.query.astype(np.float64), p.keys.astype(np.float64).repeat(3, axis=2)) / 8
        if soft_cap:
            scores = soft_cap * np.tanh(scores / soft_cap)
        scores = scores + slopes[:, None].astype(np.float64) * offsets[:, None, :]
        scores[offsets[:, None, :].repeat(6, axis=1) > 0] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.einsum("bhl,blhd->bhd", weights / weights.sum(axis=-1, keepdims=True), p.values.repeat(3, axis=2))

    for cache in (santa.ContiguousCache(p.keys, p.values, LENGTHS), paged(p, 1)):
        assert error(santa.decode(santa.Exact(), p.query, cache, alibi_slopes=slopes), expected()) < 5e-6
        plan = santa.DecodePlan(santa.Exact(), p.query, cache, alibi_slopes=slopes, soft_cap=2.0)
        assert error(plan.run(p.query, cache), expected(2.0)) < 5e-6
        steeper = 2 * slopes  # of another array: `decode` keeps its plans
        assert error(santa.decode(santa.Exact(), p.query, cache, alibi_slopes=steeper), expected(None, steeper)) < 5e-6
    with pytest.raises(ValueError, match=r"Alibi.slopes.extent\(0\) is 5; accepted: the plan's heads \(6\)"):
        santa.decode(santa.Exact(), p.query, p.keys, p.values, alibi_slopes=slopes[:5])


@pytest.mark.numpy
def test_tensors_of_pytorch_in_float8():
    torch = pytest.importorskip("torch")
    p = Problem()
    keys, values = (torch.from_numpy(a).to(torch.float8_e4m3fn) for a in (p.keys, p.values))
    out = santa.decode(santa.Exact(), torch.from_numpy(p.query), keys, values, key_scale=0.5, value_scale=torch.ones(2))
    own = [a.float().numpy() for a in (keys, values)]
    assert error(out.numpy(), attention(p.query, 0.5 * own[0], own[1])[0]) < 5e-6
