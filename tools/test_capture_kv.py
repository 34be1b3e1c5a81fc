"""Tests of capture_kv.py that need numpy, but no model and no network.

python3 -m unittest discover --start-directory tools
"""

from __future__ import annotations

import importlib.util
import io
import json
import math
import sys
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any
from unittest import mock

try:
    import numpy as np
except ImportError:
    raise unittest.SkipTest("needs the package numpy") from None

sys.path.insert(0, str(Path(__file__).resolve().parent))
import capture_kv
from tiny_gguf import TinyGguf


def random_floats(*shape: int, seed: int = 7) -> capture_kv.FloatArray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Bf16Test(unittest.TestCase):
    def check(self, value: float, expected_bits: int) -> None:
        bits = capture_kv.to_bf16(np.array([value], dtype=np.float32))
        self.assertEqual(int(bits[0]), expected_bits)

    def test_exact_values_stay(self) -> None:
        self.check(1.0, 0x3F80)
        self.check(-2.5, 0xC020)
        self.check(-0.0, 0x8000)

    def test_rounds_to_nearest(self) -> None:
        step = 2.0**-7
        self.check(1.0 + 0.49 * step, 0x3F80)
        self.check(1.0 + 0.51 * step, 0x3F81)

    def test_ties_go_to_even(self) -> None:
        step = 2.0**-7
        self.check(1.0 + 0.5 * step, 0x3F80)
        self.check(1.0 + 1.5 * step, 0x3F82)

    def test_too_large_becomes_infinite_and_nan_stays(self) -> None:
        self.check(float(np.finfo(np.float32).max), 0x7F80)
        every_bit = np.array([0x7FFFFFFF], dtype=np.uint32).view(np.float32)
        widened = capture_kv.from_bf16(capture_kv.to_bf16(every_bit))
        self.assertTrue(np.isnan(widened[0]))

    def test_bf16_values_survive(self) -> None:
        bits = np.arange(0x7F80, dtype=np.uint16)
        again = capture_kv.to_bf16(capture_kv.from_bf16(bits))
        np.testing.assert_array_equal(again, bits)


class RotaryTest(unittest.TestCase):
    def test_unpermuted_weights_match_interleaved_rotation(self) -> None:
        heads, dim, width, length = 3, 8, 12, 5
        weight = random_floats(heads * dim, width)
        hidden = random_floats(length, width, seed=8)
        cosine, sine = capture_kv.rotary_angles(length, dim, 10000.0)

        # What GGUF weights are meant for: elements 2i and 2i + 1 turn together.
        stored = capture_kv.split_heads(hidden @ weight.T, heads)
        even, odd = stored[..., 0::2], stored[..., 1::2]
        expected = np.concatenate(
            (even * cosine - odd * sine, odd * cosine + even * sine), axis=-1
        )

        unpermuted = capture_kv.unpermute_rotary(weight, heads)
        split = capture_kv.split_heads(hidden @ unpermuted.T, heads)
        actual = capture_kv.rotate(split, cosine, sine)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)

    def test_scores_depend_on_distance_only(self) -> None:
        dim = 16
        cosine, sine = capture_kv.rotary_angles(100, dim, 10000.0)
        query, key = random_floats(2, dim)
        queries = capture_kv.rotate(np.tile(query, (100, 1)), cosine, sine)
        keys = capture_kv.rotate(np.tile(key, (100, 1)), cosine, sine)
        self.assertAlmostEqual(
            float(queries[20] @ keys[13]), float(queries[97] @ keys[90]), places=4
        )


class AttentionTest(unittest.TestCase):
    heads, kv_heads, dim, scale = 4, 2, 8, 0.3

    def inputs(self, length: int) -> capture_kv.AttentionInputs:
        return capture_kv.AttentionInputs(
            query=random_floats(self.heads, length, self.dim, seed=1),
            key=random_floats(self.kv_heads, length, self.dim, seed=2),
            value=random_floats(self.kv_heads, length, self.dim, seed=3),
        )

    def weights(
        self, inputs: capture_kv.AttentionInputs, head: int, position: int
    ) -> capture_kv.FloatArray:
        key = inputs.key[head * self.kv_heads // self.heads, : position + 1]
        exponentials = np.exp(key @ inputs.query[head, position] * self.scale)
        return exponentials / exponentials.sum()

    def test_matches_attention_of_one_query(self) -> None:
        # Several chunks of queries, the last of them incomplete.
        length = 2 * capture_kv.QUERY_CHUNK + 9
        inputs = self.inputs(length)
        actual = capture_kv.causal_attention(inputs, self.scale)
        for position in (0, 1, 255, 256, 300, length - 1):
            for head in range(self.heads):
                value = inputs.value[head // 2, : position + 1]
                expected = self.weights(inputs, head, position) @ value
                of_head = slice(head * self.dim, (head + 1) * self.dim)
                np.testing.assert_allclose(
                    actual[position, of_head], expected, rtol=1e-4, atol=1e-5
                )

    def test_a_window_hides_all_but_the_last_keys(self) -> None:
        length = capture_kv.QUERY_CHUNK + 50
        inputs = self.inputs(length)
        for window in (1, 7, capture_kv.QUERY_CHUNK + 2):
            actual = capture_kv.causal_attention(inputs, self.scale, window)
            for position in (0, 6, 7, 255, 256, 257, 258, length - 1):
                first = max(0, position - window + 1)
                one = capture_kv.AttentionInputs(
                    query=inputs.query[:, position : position + 1],
                    key=inputs.key[:, first : position + 1],
                    value=inputs.value[:, first : position + 1],
                )
                weights = np.exp(
                    one.query[2, 0] @ one.key[1].T * self.scale, dtype=np.float64
                )
                expected = weights @ one.value[1] / weights.sum()
                of_head = slice(2 * self.dim, 3 * self.dim)
                np.testing.assert_allclose(
                    actual[position, of_head], expected, rtol=1e-4, atol=1e-5
                )

    def test_statistics(self) -> None:
        inputs = self.inputs(20)
        positions = range(17, 20)
        rows = [
            self.weights(inputs, head, position)
            for head in range(self.heads)
            for position in positions
        ]
        entropies = [-np.sum(row * np.log(row)) for row in rows]
        actual = capture_kv.attention_statistics(inputs, positions, self.scale)
        self.assertAlmostEqual(actual.entropy, np.mean(entropies), places=4)
        self.assertAlmostEqual(
            actual.effective_keys, np.mean(np.exp(entropies)), places=3
        )
        largest = np.mean([row.max() for row in rows])
        self.assertAlmostEqual(actual.largest_weight, largest, places=5)
        first = np.mean([row[0] for row in rows])
        self.assertAlmostEqual(actual.first_key_weight, first, places=5)


class SmallModel(TinyGguf):
    """Six layers, of which the last one of Gemma 3 sees all keys."""

    width, heads, kv_heads, dim, window = 8, 4, 2, 4, 3

    def __init__(self, architecture: str) -> None:
        super().__init__(architecture, layers=6, dim=self.dim, window=self.window)

    def tensor(self, name: str) -> capture_kv.FloatArray:
        stored = self.tensors[name]
        return np.frombuffer(stored.data, dtype="<f4").reshape(stored.shape)


def forward_by_definition(file: SmallModel, tokens: list[int]) -> Any:
    """The models' forward pass in double precision, position by position."""
    gemma = file.architecture == "gemma3"

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt(np.mean(x**2) + 1e-3) * file.tensor(name)

    def turned(x: Any, position: int, base: float) -> Any:
        # Llama's weights have pairs side by side in GGUF, Gemma's half a head apart.
        half = file.dim // 2
        pairs = [(i, i + half) if gemma else (2 * i, 2 * i + 1) for i in range(half)]
        result = np.empty_like(x)
        for i, (a, b) in enumerate(pairs):
            angle = position * base ** (-2 * i / file.dim)
            result[a] = x[a] * math.cos(angle) - x[b] * math.sin(angle)
            result[b] = x[b] * math.cos(angle) + x[a] * math.sin(angle)
        return result

    def gated(x: Any) -> Any:
        if not gemma:
            return x / (1 + np.exp(-x))
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    hidden = [file.tensor("token_embd.weight")[t].astype(np.float64) for t in tokens]
    if gemma:
        hidden = [x * math.sqrt(file.width) for x in hidden]
    for layer in range(6):
        prefix = f"blk.{layer}."
        full = layer == 5 or not gemma
        keys, values = [], []
        for position, x in enumerate(hidden):
            normed = norm(x, prefix + "attn_norm.weight")

            def heads(name: str, normed: Any = normed, at: int = position) -> list[Any]:
                weight = file.tensor(f"{prefix}attn_{name}.weight")
                split = list((weight @ normed).reshape(-1, file.dim))
                if name == "v":
                    return split
                if gemma:
                    name = f"{prefix}attn_{name}_norm.weight"
                    split = [norm(head, name) for head in split]
                return [turned(head, at, 50.0 if full else 10000.0) for head in split]

            queries = heads("q")
            keys.append(heads("k"))
            values.append(heads("v"))
            first = 0 if full else max(0, position + 1 - file.window)
            context = []
            for head, query in enumerate(queries):
                scores = np.array([key[head // 2] @ query for key in keys[first:]])
                weights = np.exp(scores / math.sqrt(file.dim))
                seen = np.array([value[head // 2] for value in values[first:]])
                context.append(weights @ seen / weights.sum())
            added = file.tensor(prefix + "attn_output.weight") @ np.concatenate(context)
            if gemma:
                added = norm(added, prefix + "post_attention_norm.weight")
            x = x + added
            normed = norm(x, prefix + "ffn_norm.weight")
            gate = gated(file.tensor(prefix + "ffn_gate.weight") @ normed)
            up = file.tensor(prefix + "ffn_up.weight") @ normed
            added = file.tensor(prefix + "ffn_down.weight") @ (gate * up)
            if gemma:
                added = norm(added, prefix + "post_ffw_norm.weight")
            hidden[position] = x + added
    return np.array([norm(x, "output_norm.weight") for x in hidden])


def read(file: SmallModel) -> capture_kv.Model:
    return capture_kv.read_model(file.opened())


class ModelTest(unittest.TestCase):
    def test_runs_each_architecture_as_defined(self) -> None:
        tokens = [3, 1, 4, 1, 0, 2, 2, 3]
        for architecture in capture_kv.ARCHITECTURES:
            with self.subTest(architecture):
                file = SmallModel(architecture)
                actual = capture_kv.forward(read(file), tokens)
                expected = forward_by_definition(file, tokens)
                np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)

    def test_unknown_tensors_are_refused(self) -> None:
        file = SmallModel("llama")
        file.add("blk.0.attn_q_norm.weight", [4])
        with self.assertRaisesRegex(capture_kv.UserError, "attn_q_norm"):
            read(file)


class TokenizerTest(unittest.TestCase):
    # Of a vocabulary that scores what pieces make, as SentencePiece does.
    pieces = ["b", "a", "\u2581", "ab", "\u2581a", "abb", "aab"]
    tokens = [*pieces, "  ", "<0xC3>", "<0xA9>"]
    scores = [-9.0, -9.0, -9.0, -2.0, -1.0, -4.0, -3.0, -99.0, 0.0, 0.0]
    kinds = [1, 1, 1, 1, 1, 1, 1, 4, 6, 6]

    def test_merges_come_in_the_order_of_scores(self) -> None:
        merges = capture_kv.merges_by_score(self.tokens, self.scores)
        expected = [("\u2581", "a"), ("a", "b"), ("a", "ab"), ("ab", "b")]
        self.assertEqual(merges, expected)

    @unittest.skipUnless(
        importlib.util.find_spec("tokenizers"), "needs the package tokenizers"
    )
    def test_sentence_piece_gives_the_best_pieces(self) -> None:
        bpe = capture_kv.sentence_piece_bpe(self.tokens, self.scores, self.kinds)
        tokenizer = capture_kv.Tokenizer(bpe, [42], len(self.tokens))
        for text, expected in (
            ("aab", [6]),
            (" ab", [4, 0]),  # by score, though "ab" comes from the right
            ("a  ab", [1, 7, 3]),  # the two spaces are split off at first
            ("\u00e9", [8, 9]),
        ):
            self.assertEqual(tokenizer.encode(text), [42, *expected], text)
            self.assertEqual(tokenizer.encode_ending(text), expected)
        with self.assertRaisesRegex(capture_kv.UserError, "unchanged"):
            tokenizer.encode("c")


class SafetensorsTest(unittest.TestCase):
    def test_round_trip(self) -> None:
        tensors = {
            "odd": np.arange(15, dtype=np.uint16).reshape(3, 5),
            "position": np.arange(3, dtype=np.int64),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "test.safetensors"
            capture_kv.write_safetensors(path, tensors, {"scale": "0.125"})
            content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        self.assertEqual((8 + size) % 64, 0)
        header = json.loads(content[8 : 8 + size])
        data = content[8 + size :]
        self.assertEqual(header.pop("__metadata__"), {"scale": "0.125"})
        self.assertEqual(header["odd"]["dtype"], "BF16")
        self.assertEqual(header["position"]["dtype"], "I64")
        end = 0
        for name, entry in header.items():
            begin, stop = entry["data_offsets"]
            self.assertEqual(begin, end)
            self.assertEqual(begin % tensors[name].itemsize, 0)
            end = stop
            values = np.frombuffer(data[begin:stop], dtype=tensors[name].dtype)
            np.testing.assert_array_equal(values.reshape(entry["shape"]), tensors[name])
        self.assertEqual(end, len(data))


class CommandLineTest(unittest.TestCase):
    def failure(self, *arguments: str) -> str:
        errors = io.StringIO()
        command = ["capture_kv.py", *arguments, "--stats"]
        with mock.patch.object(sys, "argv", command), redirect_stderr(errors):
            self.assertEqual(capture_kv.main(), 2)
        return errors.getvalue()

    def test_absent_model(self) -> None:
        self.assertIn("cannot read absent.gguf", self.failure("absent.gguf", "text"))

    def test_file_that_is_no_model(self) -> None:
        self.assertIn("not a GGUF file", self.failure(__file__, "text"))

    def test_an_ending_takes_the_place_of_the_last_tokens(self) -> None:
        self.assertEqual(capture_kv.cut([1, 2, 3, 4], [8, 9], 4), [1, 2, 8, 9])
        self.assertEqual(capture_kv.cut([1, 2, 3, 4], [], 3), [1, 2, 3])
        with self.assertRaises(capture_kv.UserError):
            capture_kv.cut([1, 2, 3, 4], [8, 9], 2)

    def test_layers(self) -> None:
        windows = [None] * 3
        self.assertEqual(capture_kv.parse_layers("all", windows, 9), [0, 1, 2])
        self.assertEqual(capture_kv.parse_layers("2,0", windows, 9), [0, 2])
        for wrong in ("3", "-1", "x", ""):
            with self.assertRaises(capture_kv.UserError):
                capture_kv.parse_layers(wrong, windows, 9)

    def test_layers_with_a_window_need_the_whole_text_in_it(self) -> None:
        windows = [512, None, 512]
        self.assertEqual(capture_kv.parse_layers("all", windows, 512), [0, 1, 2])
        self.assertEqual(capture_kv.parse_layers("all", windows, 513), [1])
        self.assertEqual(capture_kv.parse_layers("1", windows, 513), [1])
        with self.assertRaisesRegex(capture_kv.UserError, "layer 2 .* 512 keys"):
            capture_kv.parse_layers("1,2", windows, 513)


if __name__ == "__main__":
    unittest.main()
