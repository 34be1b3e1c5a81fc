"""Sampled clusters of keys beside attention in double precision."""

import numpy as np
import pytest
import santa
from reference import ELEMENTS, Problem, attention, error

TWO_BYTES = ["float16", "bfloat16"]


def alike(element, length=700, batch=2):
    """A problem whose keys come in 40 kinds."""
    p = Problem(batch=batch, heads=4, kv_heads=2, length=length, element=element, seed=3)
    normal = np.random.default_rng(4).standard_normal
    kinds = normal((40, 64))
    of = np.random.default_rng(5).integers(40, size=(batch, length, 2))
    p.keys[:] = (kinds[of] + 0.2 * normal(p.keys.shape)).astype(p.keys.dtype)
    return p


def caches(p, lengths, pages):
    if not pages:
        return santa.ContiguousCache(p.keys, p.values, lengths)
    pools = [rows.reshape(2 * p.keys.shape[1] // 20, 20, *rows.shape[2:])[::-1].copy() for rows in (p.keys, p.values)]
    count = pools[0].shape[0]
    return santa.PagedCache(*pools, np.arange(count, dtype=np.int32)[::-1].copy().reshape(2, -1), lengths)


@pytest.mark.parametrize("element", TWO_BYTES)
@pytest.mark.parametrize("pages", [False, True])
def test_clusters_of_all_keys_are_exact(element, pages):
    p, lengths = alike(element), np.array([700, 300], np.int32)
    cache = caches(p, lengths, pages)
    keys = santa.ClusteredKeys(cache, chunk=128, keys=8)
    assert keys.bytes > 0 and keys.clustered == [0, 0]
    clustered = santa.ClusteredCache(cache, keys)
    assert clustered.cache is cache and clustered.keys is keys
    santa.cluster_keys(clustered)
    assert keys.clustered == [5, 2]
    expected, expected_lse = attention(p.query, p.keys, p.values, lengths)
    plan = santa.ClusterPlan(santa.Clusters(keys=10**6, rows=10**6), p.query, clustered)
    assert plan.shape.length == 700 and plan.workspace_bytes > 0 and "santa::Clusters" in plan.describe()
    lse, statistics = np.zeros((2, 4), np.float32), np.zeros((2, 2), santa.cluster_statistics_dtype)
    out = plan.run(p.query, clustered, lse=lse, statistics=statistics)
    assert error(out, expected) < 1e-4 and np.abs(lse - expected_lse).max() < 1e-4
    assert (statistics["rows_read"] == lengths[:, None]).all()
    own = plan.run(p.query.astype(ELEMENTS[element][0]), clustered, np.zeros(p.query.shape, np.float32))
    assert error(own, expected) < 0.05


@pytest.mark.once
def test_outputs_are_right_on_average():
    p = alike("bfloat16", batch=1)
    cache = santa.ContiguousCache(p.keys, p.values)
    keys = santa.ClusteredKeys(cache, chunk=128, keys=8)
    clustered = santa.ClusteredCache(cache, keys)
    santa.cluster_keys(clustered)
    expected, _ = attention(p.query, p.keys, p.values)
    plan = santa.ClusterPlan(santa.Clusters(bytes=0.35), p.query, clustered)
    state = santa.ClusterState(1, 4)
    bars, statistics = np.zeros((1, 4), np.float32), np.zeros((1, 2), santa.cluster_statistics_dtype)
    outs, told, read = [], [], []
    for step in range(600):
        outs.append(plan.run(p.query, clustered, seed=3, step=step, state=state, error=bars, statistics=statistics))
        told.append(bars.copy())
        read.append(statistics["bytes_read"].mean() / (700 * 64 * 2 * 2))
    own = np.mean([error(out, expected) for out in outs[20:]])
    assert 0 < own < 0.3 and error(np.mean(outs[20:], axis=0), expected) < own / 6
    norms = np.linalg.norm(outs[100] - expected, axis=-1)
    assert np.mean(told) > 0 and np.isfinite(norms).all()
    assert abs(np.mean(read[20:]) - 0.35) < 0.1 and (statistics["clusters_read"] < 80).all()
    again = santa.ClusterState(1, 4)
    assert np.array_equal(plan.run(p.query, clustered, seed=3, step=0, state=again), outs[0])
    for step in range(1, 4):
        assert np.array_equal(plan.run(p.query, clustered, seed=3, step=step, state=again), outs[step])
    assert not np.array_equal(plan.run(p.query, clustered, seed=3, step=3), outs[3])  # nothing is carried
    again.reset()
    again.reset(0)
    assert np.array_equal(plan.run(p.query, clustered, seed=3, step=0, state=again), outs[0])


def test_newest_chunks_are_clustered_as_all_are():
    p, lengths = alike("float16"), np.array([300, 250], np.int32)
    cache = santa.ContiguousCache(p.keys, p.values, lengths)
    newest_keys, keys = (santa.ClusteredKeys(cache, chunk=64, keys=8, value_codes=False) for _ in range(2))
    newest, clustered = santa.NewestClusters(newest_keys, calls=4), santa.ClusteredCache(cache, newest_keys)
    assert keys.bytes < santa.ClusteredKeys(cache, chunk=64, keys=8).bytes
    for _ in range(17):
        newest.run(clustered)
    assert newest_keys.clustered == [4, 3]
    all_at_once = santa.ClusteredCache(cache, keys)
    santa.cluster_keys(all_at_once)
    plan = santa.ClusterPlan(santa.Clusters(keys=100, rows=20), p.query, clustered)
    assert np.array_equal(plan.run(p.query, clustered, seed=1), plan.run(p.query, all_at_once, seed=1))
    newest_keys.reset(0)
    assert newest_keys.clustered == [0, 3]


def test_clusters_refuse():
    p = alike("float16")
    cache = santa.ContiguousCache(p.keys, p.values)
    wide = santa.ContiguousCache(p.keys.astype(np.float32), p.values.astype(np.float32))
    keys = santa.ClusteredKeys(cache, chunk=128)
    clustered = santa.ClusteredCache(cache, keys)
    for call, sentence in [
        (lambda: santa.ClusteredKeys(wide),
         "cache is a ContiguousCache of float32; accepted: one whose keys may have clusters: of bfloat16 or float16"),
        (lambda: santa.ClusteredKeys(cache, chunk=16), "ClusterLayout.chunk is 16; accepted: 32 to 32768 keys"),
        (lambda: santa.ClusteredCache(santa.ContiguousCache(p.keys[:1], p.values[:1]), keys),
         "clustered keys' batch is 2; accepted: that of the cache (1)"),
        (lambda: santa.Clusters(bytes=1.5),
         "Clusters.bytes is 1.5; accepted: above 0, what the means of clusters take, to 1"),
        (lambda: santa.Clusters(estimate="mean"), 'Clusters.estimate is "mean"; accepted: "telescoping" or "self_normal'),
        (lambda: santa.ClusterPlan(santa.Clusters(), p.query[:, None], clustered),
         "query's rank is 4; accepted: 3: [batch, heads, dim]"),
        (lambda: santa.ClusterPlan(santa.Clusters(bytes=0.5), p.query, clustered).run(p.query, clustered, state=santa.ClusterState(2, 3)),
         "state's heads is 3; accepted: the plan's heads (4)"),
        (lambda: santa.NewestClusters(keys, 0), "calls is 0; accepted: 1 or more, for a chunk to be clustered"),
        (lambda: santa.NewestClusters(keys, 1).run(santa.ClusteredCache(cache, santa.ClusteredKeys(cache, chunk=64))),
         "clustered keys' chunk is 64; accepted: that of those that NewestClusters was made for (128)"),
        (lambda: santa.NewestClusters(keys).run(santa.ClusteredCache(cache, santa.ClusteredKeys(cache, chunk=128))),
         "clustered keys is others than NewestClusters was made for; accepted: those, where several calls cluster a"),
        (lambda: keys.reset(2), "request is 2; accepted: 0 to less than the batch (2)"),
    ]:  # fmt: skip
        with pytest.raises(ValueError) as raised:
            call()
        assert str(raised.value).startswith("santa: " + sentence)
