"""Draws: those of the C++ library, the same in every call, right on average."""

import pathlib

import numpy as np
import pytest
import santa
from reference import Problem, attention

DRAWS = pathlib.Path(__file__).parents[2] / "tests" / "same_draws" / "draws.txt"

UNBIASED = [
    santa.MassUnit(rows=40),
    santa.MassUnit(rows=santa.share(0.2), draws="joint_l2"),
    santa.MassUnit(rows=40, draws="separate"),
    santa.Systematic(samples=64),
    santa.Stratified(samples=64),
    santa.Multinomial(samples=64),
    santa.FixedTileBudget(samples=64, tile=32),
]


@pytest.mark.once
@pytest.mark.parametrize("method", UNBIASED, ids=repr)
def test_outputs_are_right_on_average(method):
    p = Problem(batch=1, heads=4, kv_heads=2, length=200, dim=64, element="bfloat16", seed=5)
    expected, _ = attention(p.query, p.keys, p.values)
    plan = santa.DecodePlan(method, p.query, santa.ContiguousCache(p.keys, p.values))
    cache = santa.ContiguousCache(p.keys, p.values)
    runs = 2000
    # One number a head, so that few tests are made of many draws.
    direction = np.random.default_rng(9).standard_normal(expected.shape[-1])
    given = np.array([plan.run(p.query, cache, seed=seed) @ direction for seed in range(runs)])
    spread = given.std(axis=0, ddof=1) / np.sqrt(runs)
    z = (given.mean(axis=0) - expected @ direction) / spread
    assert spread.min() > 0
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("method", [*UNBIASED, santa.ProportionalTileBudget(samples=64, tile=32)], ids=repr)
def test_the_same_names_draw_the_same(method):
    p = Problem()
    def decode(**chance):
        statistics = np.zeros((2, 2), santa.statistics_dtype)
        return santa.decode(method, p.query, p.keys, p.values, statistics=statistics, **chance), statistics

    out, statistics = decode(seed=2**63 + 1, step=2, stream=3)
    again, statistics_again = decode(seed=2**63 + 1, step=2, stream=3)
    assert np.array_equal(out, again) and np.array_equal(statistics, statistics_again)
    for chance in [{"seed": 1}, {"seed": 2**63 + 1, "step": 1}, {"seed": 2**63 + 1, "step": 2, "stream": 4}]:
        assert not np.array_equal(out, decode(**chance)[0])
    assert (0 < statistics["rows_read"]).all() and (statistics["rows_read"] < 200).all()
    assert (statistics["flags"] == 0).all() and (statistics["effective_sample_size"] > 1).all()


def test_requests_draw_by_their_own_names():
    p = Problem()
    draw = santa.MassUnit(rows=40)
    seeds, steps = np.array([11, 12], np.uint64), np.array([4, 5], np.uint32)
    requests = np.array([70, 80], np.uint32)
    both = santa.decode(draw, p.query, p.keys, p.values, seed=seeds, step=steps, requests=requests)
    for b in range(2):
        alone = santa.decode(draw, p.query[b : b + 1], p.keys[b : b + 1], p.values[b : b + 1], seed=int(seeds[b]),
                             step=int(steps[b]), requests=requests[b : b + 1])  # fmt: skip
        assert np.array_equal(alone[0], both[b])


def test_budgets_by_request():
    p = Problem()
    statistics = np.zeros((2, 2), santa.statistics_dtype)
    budgets = np.array([20, np.inf], np.float32)
    out = santa.decode(santa.MassUnit(rows=5), p.query, p.keys, p.values, budgets=budgets, statistics=statistics)
    assert (statistics["rows_read"][0] < 60).all() and (statistics["rows_read"][1] == 200).all()
    assert np.array_equal(out[1], santa.decode(santa.Exact(), p.query, p.keys, p.values)[1])


@pytest.mark.once
def test_error_bars_tell_the_error():
    p = Problem(length=1000)
    bars = np.zeros((2, 6), np.float32)
    mean = np.ascontiguousarray(p.values.mean(axis=1), np.float32)
    expected, _ = attention(p.query, p.keys, p.values)
    squares = []
    for seed in range(50):
        out = santa.decode(santa.MassUnit(rows=100), p.query, p.keys, p.values, seed=seed, error=bars, center=mean)
        squares.append((np.square(out - expected).sum(-1), np.square(bars)))
    error, told = np.sqrt(np.mean(squares, axis=0))
    assert (0.6 < told / error).all() and (told / error < 1.6).all()


def test_a_state_carries_the_budget():
    p = Problem(length=2000)
    state = santa.DecodeState(2, 6)
    statistics = np.zeros((2, 2), santa.statistics_dtype)
    method = santa.MassUnit(rows=100, steered=True)
    rows = []
    for step in range(20):
        santa.decode(method, p.query, p.keys, p.values, seed=1, step=step, state=state, statistics=statistics)
        rows.append(statistics["rows_read"].copy())
    assert abs(np.mean(rows) - 100) < 15

    # Requests change places, and what is carried with them: a state permuted is that of the other order.
    other = santa.DecodeState(2, 6)
    swap = np.array([1, 0], np.int32)
    names = np.array([7, 8], np.uint32)
    def step(state, order, number):
        return santa.decode(method, p.query[order], p.keys[order], p.values[order], seed=1, step=number, state=state,
                            requests=names[order])  # fmt: skip
    step(other, swap, 0)
    other.permute(swap)
    fresh = santa.DecodeState(2, 6)
    step(fresh, np.arange(2), 0)
    assert np.array_equal(step(other, np.arange(2), 1), step(fresh, np.arange(2), 1))
    fresh.reset(1)
    fresh.reset()


@pytest.mark.once
def test_an_aimed_at_error_is_kept():
    p = Problem(batch=1, length=4000, seed=3)
    expected, _ = attention(p.query, p.keys, p.values)
    state = santa.DecodeState(1, 6)
    errors = []
    for step in range(40):
        out = santa.decode(santa.MassUnit(target_error=0.1), p.query, p.keys, p.values, seed=2, step=step, state=state)
        if step >= 10:
            errors.append(np.linalg.norm(out - expected, axis=-1) / np.linalg.norm(expected, axis=-1))
    assert np.mean(np.array(errors) < 0.1) > 0.9


def exact_scale():
    """The scale by which scores in log2 units are 1/16 of the product of query and key, to the last bit."""
    log2_of_e = np.float32(1.4426950408889634)
    scale = np.float32(0.0625) / log2_of_e
    while scale * log2_of_e > np.float32(0.0625):
        scale = np.nextafter(scale, np.float32(0))
    while scale * log2_of_e < np.float32(0.0625):
        scale = np.nextafter(scale, np.float32(1))
    return float(scale)


def exact_problem(length):
    """That of tests/same_draws/same_draws.cpp with 6 heads on 2 of dim 64."""
    state = 1

    def numbers(*extents):
        nonlocal state
        made = np.empty(int(np.prod(extents)), np.float32)
        for i in range(made.size):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            made[i] = (state >> 40) % 5 - 2
        return made.reshape(extents)

    parts = [(numbers(6, 64), numbers(length, 2, 64)) for _ in range(2)]
    values = np.zeros((2, length, 2, 64), np.float32)
    rows = np.arange(length)
    values[:, rows, :, rows % 64] = 1
    return np.stack([q for q, _ in parts]), np.stack([k for _, k in parts]), values


def digest(bits):
    result = 14695981039346656037
    for bit in bits:
        result = (result ^ int(bit)) * 1099511628211 % 2**64
    return f"{result:016x}"


@pytest.mark.once
@pytest.mark.parametrize("length", [64, 2900])
def test_draws_are_those_of_the_library(length):
    rows = 24 if length == 64 else 150
    methods = [santa.MassUnit(rows=rows, draws=draws) for draws in ("joint", "joint_l2", "separate")]
    methods += [method(samples=rows) for method in (santa.Systematic, santa.Stratified, santa.Multinomial)]
    methods += [santa.FixedTileBudget(samples=rows, tile=tile) for tile in (32, 64, 256)]
    methods += [santa.ProportionalTileBudget(samples=rows, tile=tile) for tile in (32, 256)]
    query, keys, values = exact_problem(length)
    lengths = np.array([length, length // 2 + 3])
    cache = santa.ContiguousCache(keys, values, lengths)
    expected = [line for line in DRAWS.read_text().splitlines() if line.startswith(f"dim 64 length {length} ")]
    assert len(expected) == 5 * len(methods)
    given = []
    for number, method in enumerate(methods):
        plan = santa.DecodePlan(method, query, cache, scale=exact_scale())
        state = santa.DecodeState(2, 6)
        for step in range(5):
            statistics = np.zeros((2, 2), santa.statistics_dtype)
            out = plan.run(query, cache, seed=21, step=step, stream=3, state=state, statistics=statistics)
            line = f"dim 64 length {length} method {number} step {step}:"
            for drawn, counts in zip(out.reshape(4, 3 * 64) != 0, statistics.ravel()):
                line += f" {digest(drawn)} {drawn.sum()} {counts['rows_read']} {counts['samples']}"
            given.append(line)
    assert given == expected
