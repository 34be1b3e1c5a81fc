"""Threads, and the beginning and end of a process."""

import subprocess
import threading
import time

import numpy as np
import pytest
import santa
from reference import Problem
from run_python import python


@pytest.mark.host
def test_threads_take_turns():
    problems = [Problem(seed=i, length=600) for i in range(4)]
    expected = [santa.decode(santa.MassUnit(), p.query, p.keys, p.values, seed=3) for p in problems]
    wrong = []

    def work(i):
        p = problems[i]
        for _ in range(50):
            if not np.array_equal(santa.decode(santa.MassUnit(), p.query, p.keys, p.values, seed=3), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.host
def test_other_threads_run_while_kernels_do():
    p = Problem(batch=1, heads=32, kv_heads=1, length=20000, dim=64)
    counted = 0
    done = threading.Event()

    def decode():
        # One call of many requests that share their keys: an array may have strides of 0.
        keys, values, query = (np.broadcast_to(a, (200, *a.shape[1:])) for a in (p.keys, p.values, p.query))
        santa.decode(santa.Exact(), query, keys, values)
        done.set()

    thread = threading.Thread(target=decode)
    thread.start()
    while not done.is_set():
        counted += 1
        time.sleep(0.0005)
    thread.join()
    assert counted > 3


@pytest.mark.host
@pytest.mark.parametrize("kept", ["", "keep = (plan, state, santa.DecodePlan(santa.Exact(), q, c))"])
def test_a_process_ends_in_peace(kept):
    script = f"""
import numpy as np, santa
santa.initialize(threads=1)
q, k = np.ones((1, 2, 8), np.float32), np.ones((1, 40, 1, 8), np.float32)
c = santa.ContiguousCache(k, k)
state = santa.DecodeState(1, 2)
plan = santa.DecodePlan(santa.MassUnit(), q, c)
print(round(float(plan.run(q, c, state=state)[0, 0, 0]), 3), santa.concurrency())
{kept}
try:
    santa.initialize()
except RuntimeError as e:
    print(e)
if not {bool(kept)}:
    del plan, state
"""
    done = subprocess.run([*python(), "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1.0 1\nsanta: initialize: Kokkos is initialized already\n"


@pytest.mark.host
def test_a_process_ends_while_daemons_decode():
    """At exit, the call that runs is waited for; no other begins, nor one of another function at exit."""
    script = """
import atexit, threading, time
import numpy as np

def late():
    try:
        santa.decode(santa.Exact(), q, k, k)
    except RuntimeError as e:
        print(e)

atexit.register(late)  # runs after the module's own
import santa
santa.initialize(threads=1)
q, k = np.ones((1, 2, 64), np.float32), np.ones((1, 20000, 1, 64), np.float32)

def work():
    while True:
        santa.decode(santa.MassUnit(), q, k, k)

for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    for _ in range(5):
        done = subprocess.run([*python(), "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "santa: called while the process ends\n"


def test_what_the_module_says_of_itself():
    assert santa.backend() in ("OpenMP", "Serial", "Cuda")
    assert santa.concurrency() >= 1
    assert santa.instruction_set() in ("compiled", "avx2", "avx512", "avx512_bf16")
    assert santa.__version__.count(".") == 2
