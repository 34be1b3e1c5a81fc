#!/usr/bin/env python3
"""cuDNN's attention on a GPU, by PyTorch: torch_device.py --json FILE [--repeats N] [--divide N]

One decode step of 32 query heads on 8 kv heads of 128 in bfloat16 at the even shapes of beside_flashinfer: keys and values
token-major, copies of together 512 MB in turn, replays of a captured graph, the median of 21. The output of one head is
checked against attention in double.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from typing import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

HEADS, KV_HEADS, DIM = 32, 8, 128
ROTATION = 512 << 20
MOST_ERROR = 0.01


def graph_of(all_copies: Callable[[], None]) -> torch.cuda.CUDAGraph:
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        all_copies()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        all_copies()
    return graph


def median_of_replays(graph: torch.cuda.CUDAGraph, copies: int, repeats: int) -> float:
    """Microseconds of one copy."""
    times = []
    for turn in range(-2, repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        if turn >= 0:
            times.append(begin.elapsed_time(end) * 1e3 / copies)
    return statistics.median(times)


def measure(batch: int, length: int, repeats: int) -> tuple[float, float]:
    """Microseconds, and the relative error of a head's output."""
    torch.manual_seed(1)
    bytes_each = 2 * 2 * batch * length * KV_HEADS * DIM
    copies = max(2, -(-ROTATION // bytes_each))
    first = torch.randn(2, batch, length, KV_HEADS, DIM, device="cuda", dtype=torch.bfloat16)
    pools = [first] + [first.clone() for _ in range(copies - 1)]
    query = torch.randn(batch, HEADS, 1, DIM, device="cuda")
    query = (query * (3.0 * math.sqrt(DIM) / query.norm(dim=-1, keepdim=True))).to(torch.bfloat16)
    outs: list[torch.Tensor] = []

    def all_copies() -> None:
        outs.clear()
        for pool in pools:
            keys, values = pool[0].transpose(1, 2), pool[1].transpose(1, 2)
            outs.append(torch.nn.functional.scaled_dot_product_attention(query, keys, values, enable_gqa=True))

    with torch.inference_mode(), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        graph = graph_of(all_copies)
        time = median_of_replays(graph, copies, repeats)
    head = 5
    keys, values = (rows[0, :, head // (HEADS // KV_HEADS)].double() for rows in first)
    weights = torch.softmax(keys @ query.reshape(batch, HEADS, DIM)[0, head].double() / math.sqrt(DIM), dim=0)
    expected = weights @ values
    out = outs[-1].reshape(batch, HEADS, DIM)[0, head].double()
    return time, float((out - expected).norm() / expected.norm())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", required=True, metavar="FILE")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--divide", type=int, default=1)
    options = parser.parse_args()
    results, failed = [], False
    for batch, k in ((1, 8), (1, 32), (4, 32), (16, 32)):
        record = {"problem": f"{batch} x {k}k", "draw": 0, "program": "cuDNN"}
        try:
            time, error = measure(batch, k * 1024 // options.divide, options.repeats)
            record |= {"microseconds": time, "relative_error": error}
            failed |= not error < MOST_ERROR
            print(f"{record['problem']:<16} {record['program']:<26} {time:9.1f} error {error:.2g}", flush=True)
        except RuntimeError as error:
            record |= {"microseconds": None, "reason": str(error).splitlines()[0]}
            print(f"{record['problem']:<16} {record['program']:<26} not run: {record['reason']}", flush=True)
        results.append(record)
        versions = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"device": torch.cuda.get_device_name(), **versions, "results": results}, file, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
