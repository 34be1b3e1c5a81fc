"""PyTorch's attention on a host: torch_attention.py BATCH LENGTH THREADS FORM REPEATS BYTES

One decode step of 32 query heads on 8 kv heads of 128 in bfloat16, keys and values token-major, by
scaled_dot_product_attention. FORM: "gqa", its own grouping of heads; "rows", a group's heads as rows of one query.
Prints a line of JSON as ggml_attention does.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time

import torch

HEADS, KV_HEADS, DIM = 32, 8, 128


def main(arguments: list[str]) -> int:
    batch, length, threads = (int(text) for text in arguments[:3])
    form, repeats, wanted = arguments[3], int(arguments[4]), int(float(arguments[5]))
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    copies = max(2, wanted // (2 * 2 * batch * length * KV_HEADS * DIM) + 1)
    first = torch.randn(2, batch, length, KV_HEADS, DIM).to(torch.bfloat16)
    pools = [first] + [first.clone() for _ in range(copies - 1)]
    query = torch.randn(batch, HEADS, 1, DIM)
    query = (query * (3.0 * math.sqrt(DIM) / query.norm(dim=-1, keepdim=True))).to(torch.bfloat16)
    if form == "rows":
        query = query.view(batch, KV_HEADS, HEADS // KV_HEADS, DIM)

    def step(pool: torch.Tensor) -> torch.Tensor:
        keys, values = pool[0].transpose(1, 2), pool[1].transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(query, keys, values, enable_gqa=form == "gqa")

    times = []
    with torch.inference_mode():
        for turn in range(-2, repeats):
            begin = time.perf_counter()
            for pool in pools:
                out = step(pool)
            if turn >= 0:
                times.append((time.perf_counter() - begin) / copies * 1e6)
    head = 5
    keys, values = (rows[0, :, head // (HEADS // KV_HEADS)].double() for rows in first)
    weights = torch.softmax(keys @ query.reshape(batch, HEADS, DIM)[0, head].double() / math.sqrt(DIM), dim=0)
    expected = weights @ values
    error = float((out.reshape(batch, HEADS, DIM)[0, head].double() - expected).norm() / expected.norm())
    print(json.dumps({"microseconds": round(statistics.median(times), 1), "relative_error": error, "copies": copies,
                      "version": torch.__version__}))  # fmt: skip
    return 0 if error < 0.02 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
