"""Resampling, distinct draws, thinning and tokens beside NumPy in double precision."""

import numpy as np
import pytest
import santa

RULES = [santa.Systematic, santa.Stratified, santa.Residual, santa.Multinomial]


def log_weights_of(*shape, seed=1, spread=2.0):
    return spread * np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [None, 3])
def test_ancestors_follow_weights(rule, dtype, batch):
    rows, samples = 700, 5000
    log_weights = log_weights_of(*(() if batch is None else (batch,)), rows).astype(dtype) + dtype(1000)
    vectors = batch or 1
    evidence, size = np.zeros(vectors), np.zeros(vectors)
    ancestors = santa.resample(rule(samples=samples), log_weights, seed=3, log_evidence=evidence,
                               effective_sample_size=size)  # fmt: skip
    assert ancestors.dtype == np.int64 and ancestors.shape == ((samples,) if batch is None else (batch, samples))
    for own, drawn, e, s in zip(log_weights.reshape(vectors, rows).astype(float), ancestors.reshape(vectors, samples),
                                evidence, size):  # fmt: skip
        weights = np.exp(own - own.max())
        part = weights / weights.sum()
        assert abs(e - (own.max() + np.log(weights.mean()))) < 1e-9 * 1000
        assert abs(s * np.sum(part**2) - 1) < 1e-9
        assert (np.diff(drawn) >= 0).all()
        counts = np.bincount(drawn, minlength=rows)
        wanted = samples * part
        if rule is santa.Multinomial:
            squares = ((counts - wanted) ** 2 / wanted).sum()
            assert abs(squares - rows) < 5 * np.sqrt(2 * rows * (1 + 1 / wanted.min() / rows))
        elif rule is santa.Residual:
            assert (counts >= np.floor(wanted - 1e-6)).all()
        else:
            assert np.abs(counts - wanted).max() < (1.001 if rule is santa.Systematic else 2)


@pytest.mark.once
@pytest.mark.parametrize("rule", RULES)
def test_resampling_is_right_on_average(rule):
    log_weights = log_weights_of(40)
    part = np.exp(log_weights) / np.exp(log_weights).sum()
    counts = [np.bincount(santa.resample(rule(16), log_weights, seed=seed), minlength=40) for seed in range(3000)]
    deviation = np.sqrt(16 * part / 3000)  # of independent draws: of the others no more
    off = np.abs(np.mean(counts, axis=0) - 16 * part) / deviation
    assert off[16 * part * 3000 > 30].max() < 4.5


def test_resampling_by_its_names():
    log_weights = log_weights_of(2, 300)
    given = np.zeros((2, 50), np.int64)
    rule = santa.Systematic(50)
    assert santa.resample(rule, log_weights, given, seed=5, step=2, stream=1) is given
    assert np.array_equal(santa.resample(rule, log_weights, seed=np.array([5, 5]), step=2, stream=1), given)
    alone = santa.resample(rule, log_weights[1], seed=5, step=2, stream=1, requests=np.array([1], np.int32))
    assert np.array_equal(alone, given[1])
    for other in ({"seed": 6, "step": 2, "stream": 1}, {"seed": 5, "step": 3, "stream": 1}, {"seed": 5, "step": 2}):
        assert not np.array_equal(santa.resample(rule, log_weights, **other), given)
    strided = np.asfortranarray(log_weights)
    assert np.array_equal(santa.resample(rule, strided, seed=5, step=2, stream=1), given)


def test_weights_that_cannot_be_drawn_by():
    log_weights = np.zeros((3, 10))
    log_weights[0] = -np.inf
    log_weights[1, 4] = np.nan
    evidence, size = np.zeros(3), np.zeros(3)
    ancestors = santa.resample(santa.Stratified(8), log_weights, log_evidence=evidence, effective_sample_size=size)
    assert (ancestors[:2] == -1).all() and (ancestors[2] >= 0).all()
    assert evidence[0] == -np.inf and np.isnan(evidence[1]) and evidence[2] == 0
    assert size[0] == 0 and np.isnan(size[1]) and size[2] == 10


def test_ancestors_as_weighted_rows():
    log_weights = log_weights_of(2, 500)
    ancestors = santa.resample(santa.Residual(200), log_weights, seed=1)
    drawn = santa.list_ancestors(ancestors, exact_sum=True)
    values = np.random.default_rng(2).standard_normal((500, 7))
    error = np.zeros((2, 7))
    center = np.broadcast_to(values.mean(axis=0), (2, 7))
    mean = santa.gather_add(drawn, values, center=center, error=error)
    for b in range(2):
        rows, counts = np.unique(ancestors[b], return_counts=True)
        n = drawn.count[b]
        assert np.array_equal(drawn.rows[b, :n], rows)
        assert np.allclose(drawn.weights[b, :n], counts / 200, atol=1e-15) and drawn.weights[b, :n].sum() == 1
        assert np.allclose(mean[b], values[ancestors[b]].mean(axis=0), atol=1e-14)
        assert np.allclose(error[b], np.sqrt(((values[ancestors[b]] - center[b]) ** 2).mean(axis=0) / 200))
    each = np.stack([values, 2 * values]).astype(np.float32)
    assert np.allclose(santa.gather_add(drawn, each)[1], 2 * mean[1], atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distinct_rows(dtype):
    log_weights = log_weights_of(60).astype(dtype)
    weights = np.exp(log_weights.astype(float))
    values = np.random.default_rng(3).standard_normal((60, 1))
    log_sum, means, often = np.zeros(1), [], np.zeros(60)
    for seed in range(2000):
        drawn = santa.draw_distinct(12, log_weights, seed=seed, exact_sum=True, log_sum=log_sum)
        assert drawn.count[0] == 12 and (np.diff(drawn.rows[0]) > 0).all() and drawn.weights[0].sum() == 1
        often[drawn.rows[0]] += 1 / 2000
        means.append(santa.gather_add(drawn, values)[0, 0])
    assert abs(log_sum[0] - np.log(weights.sum())) < 1e-6
    c = np.max([weights[np.argsort(weights)[: 60 - n]].sum() / (12 - n) for n in range(1)])
    for _ in range(60):  # the fixed point of sum min(1, w / c) = 12
        certain = weights >= c
        c = weights[~certain].sum() / (12 - certain.sum())
    assert np.abs(often - np.minimum(1, weights / c)).max() < 4.5 * 0.5 / np.sqrt(2000)
    mean = (weights[:, None] * values).sum() / weights.sum()
    assert abs(np.mean(means) - mean) < 4.5 * np.std(means) / np.sqrt(2000)


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda: santa.resample(santa.Systematic(8), np.zeros(3, np.int32)),
     "log_weights's dtype is int32; accepted: float32 or float64"),
    (lambda: santa.resample(santa.Systematic(8), np.zeros((1, 1, 3))),
     "log_weights's rank is 3; accepted: 1: [rows], or 2: [batch, rows]"),
    (lambda: santa.resample(santa.Systematic(8), np.zeros((2, 3)), np.zeros((2, 7), np.int64)),
     "ancestors.extent(1) is 7; accepted: the rule's samples (8)"),
    (lambda: santa.resample(santa.Systematic(8), np.zeros(3), log_evidence=np.zeros(1, np.float32)),
     "log_evidence's dtype is float32; accepted: float64"),
    (lambda: santa.resample(santa.Systematic(8), np.zeros((2, 3)), log_evidence=np.zeros(1)),
     "log_evidence.extent(0) is 1; accepted: the batch (2) or more"),
    (lambda: santa.Residual(0), "Residual.samples is 0; accepted: 1 to 2^30"),
    (lambda: santa.draw_distinct(0, np.zeros(3)), "k is 0; accepted: 1 to 2^22"),
    (lambda: santa.gather_add(santa.draw_distinct(2, np.zeros(3)), np.zeros((3, 2)), np.zeros((1, 3))),
     "rows.extent(1) is 2; accepted: the dim of sum (3)"),
    (lambda: santa.thin_rows(5, np.zeros(4), np.zeros((4, 2))), "m is 5; accepted: 1 to the rows (4)"),
    (lambda: santa.thin_rows(2, np.zeros(4), np.zeros((3, 2))), "rows.extent(0) is 3; accepted: that of log_weights (4)"),
    (lambda: santa.thin_rows(2, np.zeros(4, np.float32), np.zeros((4, 2))),
     "log_weights's dtype is float32; accepted: float64"),
    (lambda: santa.thin_rows(2, np.zeros(4), np.zeros((4, 2)), kernel="box"),
     'kernel is "box"; accepted: "gaussian" or "inverse_multiquadric"'),
    (lambda: santa.thin_rows(2, np.zeros(4), np.zeros((4, 2)), weights="all"),
     'weights is "all"; accepted: "equal" or "simplex"'),
    (lambda: santa.thin_rows(2, np.zeros(4), np.zeros((4, 2)), weights="simplex"),
     "m is 2; accepted: 1 + dim + moments (3) or more with simplex weights"),
    (lambda: santa.TokenSampler(4, 100, 12), "dim is 12; accepted: a multiple of 8 from 8 to 2^20"),
])  # fmt: skip
def test_rows_refuse(call, sentence):
    with pytest.raises(ValueError) as raised:
        call()
    assert str(raised.value) == "santa: " + sentence


class WithoutIndex:
    def __index__(self):
        raise RuntimeError("no index")

    def __repr__(self):
        return "WithoutIndex"


@pytest.mark.numpy
@pytest.mark.parametrize(("given", "text"), [
    (np.array([1, 2]), "[1 2]"), (np.zeros(0, int), "[]"), (np.array([1]), "[1]"), (WithoutIndex(), "WithoutIndex"),
])  # fmt: skip
@pytest.mark.parametrize(("call", "name"), [
    (lambda **chance: santa.resample(santa.Systematic(8), np.zeros(3), **chance), "stream"),
    (lambda **chance: santa.draw_distinct(2, np.zeros(3), **chance), "stream"),
    (lambda **chance: santa.TokenSampler(1, 8, 8).run(np.zeros((1, 8), np.float32), np.zeros((8, 8), np.float32),
                                                      **chance), "stream"),
    (lambda **chance: santa.thin_rows(2, np.zeros(4), np.zeros((4, 2)), **chance), "seed"),
    (lambda **chance: santa.thin_rows(2, np.zeros(4), np.zeros((4, 2)), **chance), "step"),
    (lambda **chance: santa.thin_rows(2, np.zeros(4), np.zeros((4, 2)), **chance), "stream"),
])  # fmt: skip
def test_one_number_is_no_array(call, name, given, text):
    with pytest.raises(ValueError) as raised:
        call(**{name: given})
    assert str(raised.value) == f"santa: {name} is {text}; accepted: a whole number"


def discrepancy(rows, part, kept, weights, bandwidth):
    def kernel(x, y):
        return np.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / (2 * bandwidth**2))

    return np.sqrt(part @ kernel(rows, rows) @ part - 2 * part @ kernel(rows, kept) @ weights
                   + weights @ kernel(kept, kept) @ weights)  # fmt: skip


@pytest.mark.parametrize("weights", ["equal", "simplex"])
def test_thinned_rows_stay_near_all(weights):
    log_weights, rows = log_weights_of(600, spread=0.5), np.random.default_rng(4).standard_normal((600, 2))
    part = np.exp(log_weights) / np.exp(log_weights).sum()
    drawn = santa.thin_rows(24, log_weights, rows, bandwidth=1.5, weights=weights, seed=2)
    n = drawn.count[0]
    kept, own = drawn.rows[0, :n], drawn.weights[0, :n]
    off = discrepancy(rows, part, rows[kept], own, 1.5)
    assert abs(santa.discrepancy(log_weights, rows, drawn, bandwidth=1.5) - off) < 1e-6
    independent = [discrepancy(rows, part, rows[c], np.full(24, 1 / 24), 1.5)
                   for c in (np.random.default_rng(i).choice(600, 24, p=part) for i in range(20))]  # fmt: skip
    assert off < 0.3 * np.mean(independent)
    if weights == "simplex":
        assert np.allclose(own @ rows[kept], part @ rows, atol=1e-12) and (own > 0).all()
        held = santa.thin_rows(24, log_weights, rows, weights="simplex", moments=rows**2)
        kept, own = held.rows[0, : held.count[0]], held.weights[0, : held.count[0]]
        assert np.allclose(own @ rows[kept] ** 2, part @ rows**2, atol=1e-12)
    else:
        assert np.allclose(own * 24, np.rint(own * 24))
        other = santa.thin_rows(24, log_weights, rows, bandwidth=1.5, seed=2, oversampling=0)
        assert not np.array_equal(other.rows, drawn.rows)
        other = santa.thin_rows(24, log_weights, rows, bandwidth=1.5, seed=3)
        assert not np.array_equal(other.rows, drawn.rows)


@pytest.mark.once
def test_rows_are_thinned_to_a_target():
    """Rows of a normal distribution about 1, thinned to that about 0 by its score: the mean follows."""
    rows = 1 + 1.5 * np.random.default_rng(5).standard_normal((500, 2))
    for options in ({}, {"rank": 40}, {"weights": "simplex"}):
        drawn = santa.thin_rows(20, np.zeros(500), rows, scores=-rows, kernel="inverse_multiquadric", **options)
        mean = santa.gather_add(drawn, rows)
        assert np.abs(rows.mean(axis=0)).min() > 0.8 and np.abs(mean).max() < 0.2
        off = santa.discrepancy(np.zeros(500), rows, drawn, scores=-rows, kernel="inverse_multiquadric")
        assert 0 < off < 0.5


@pytest.mark.parametrize(("hidden_type", "weights_type"), [("float32", "float32"), ("float32", "float16"),
                                                          ("float16", "float16"), ("bfloat16", "bfloat16")])  # fmt: skip
def test_tokens_follow_the_logits(hidden_type, weights_type):
    from reference import ELEMENTS

    normal = np.random.default_rng(6).standard_normal
    hidden = normal((2000, 16)).astype(ELEMENTS[hidden_type][0])
    hidden[:] = hidden[0]  # one request many times: each has its own noise
    head = (0.5 * normal((50, 16))).astype(ELEMENTS[weights_type][0])
    logits = head.astype(float) @ hidden[0].astype(float)
    sampler = santa.TokenSampler(2000, 50, 16)
    assert sampler.workspace_bytes > 0
    score, logit, lse = (np.zeros(2000, np.float32) for _ in range(3))
    tokens = sampler.run(hidden, head, temperature=0.7, seed=3, score=score, logit=logit, lse=lse)
    assert tokens.dtype == np.int64
    assert np.abs(logit - logits[tokens]).max() < 1e-4
    assert np.abs(lse - np.log(np.exp(logits).sum())).max() < 1e-4
    part = np.exp(logits / 0.7) / np.exp(logits / 0.7).sum()
    counts = np.bincount(tokens, minlength=50)
    assert (np.abs(counts - 2000 * part) / np.sqrt(2000 * part * (1 - part)))[part > 0.003].max() < 4.5
    assert (sampler.run(hidden, head, temperature=0.0) == logits.argmax()).all()
    # A vocabulary in two shards: the larger score has the token.
    first, second = np.zeros(2000, np.float32), np.zeros(2000, np.float32)
    low = sampler.run(hidden, head[:20], temperature=0.7, seed=3, score=first)
    high = sampler.run(hidden, head[20:], temperature=0.7, seed=3, first_row=20, score=second)
    assert np.array_equal(np.where(first >= second, low, high), tokens)
    with pytest.raises(ValueError, match=r"weights.extent\(0\) is 50; accepted: at most the sampler's 40"):
        santa.TokenSampler(2000, 40, 16).run(hidden, head)
