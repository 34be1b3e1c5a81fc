"""Tests of convert_model.py that need no model.

python3 -m unittest discover --start-directory tools
"""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import capture_kv
import convert_model


class FakeFile:
    """What convert_model.py asks of a GGUF file: a model of one layer."""

    architecture = "llama"

    def __init__(self) -> None:
        self.values: dict[str, Any] = {
            "llama.embedding_length": 4,
            "llama.feed_forward_length": 6,
            "llama.attention.head_count": 2,
            "llama.attention.head_count_kv": 1,
            "llama.attention.key_length": 8,
            "llama.block_count": 1,
            "llama.context_length": 32,
            "llama.rope.freq_base": 10000.0,
            "llama.attention.layer_norm_rms_epsilon": 1e-5,
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.tokens": ["a", "\u0120b", "<|end|>"],
        }
        shapes = {
            "token_embd": (3, 4),
            "output_norm": (4,),
            "blk.0.attn_norm": (4,),
            "blk.0.attn_q": (16, 4),
            "blk.0.attn_k": (8, 4),
            "blk.0.attn_v": (8, 4),
            "blk.0.attn_output": (4, 16),
            "blk.0.ffn_norm": (4,),
            "blk.0.ffn_gate": (6, 4),
            "blk.0.ffn_up": (6, 4),
            "blk.0.ffn_down": (4, 6),
        }
        self.tensors = {
            f"{name}.weight": np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            for name, shape in shapes.items()
        }

    def metadata(self, key: str, default: Any = None) -> Any:
        value = self.values.get(key, default)
        if value is None:
            raise capture_kv.CaptureError(f"no {key}")
        return value

    def tensor_names(self) -> set[str]:
        return set(self.tensors)

    def tensor(self, name: str) -> capture_kv.FloatArray:
        return self.tensors[name]


def converted(file: FakeFile) -> tuple[dict[str, Any], bytes]:
    """Convert and return the header and the data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        convert_model.convert(file, path)  # type: ignore[arg-type]
        content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


class ConvertTest(unittest.TestCase):
    def test_names_and_settings_are_the_published_ones(self) -> None:
        header, _ = converted(FakeFile())
        query = header["model.layers.0.self_attn.q_proj.weight"]
        self.assertEqual((query["dtype"], query["shape"]), ("BF16", [16, 4]))
        settings = header["__metadata__"]
        self.assertEqual(settings["architecture"], "llama")
        self.assertEqual(settings["kv_heads"], "1")
        self.assertEqual(settings["tied_head"], "true")
        self.assertEqual(settings["vocabulary"], "3")
        self.assertNotIn("lm_head.weight", header)

    def test_queries_and_keys_get_back_their_order(self) -> None:
        header, data = converted(FakeFile())
        begin, end = header["model.layers.0.self_attn.k_proj.weight"]["data_offsets"]
        bits = np.frombuffer(data[begin:end], dtype=np.uint16)
        rows = capture_kv.from_bf16(bits).reshape(8, 4)[:, 0] / 4
        self.assertEqual(rows.tolist(), [0, 2, 4, 6, 1, 3, 5, 7])

    def test_a_head_and_factors_are_kept(self) -> None:
        file = FakeFile()
        file.tensors["output.weight"] = file.tensors["token_embd.weight"]
        file.tensors["rope_freqs.weight"] = np.ones(4, dtype=np.float32)
        header, _ = converted(file)
        self.assertEqual(header["lm_head.weight"]["shape"], [3, 4])
        self.assertEqual(header["rope.factors"]["dtype"], "F32")
        self.assertEqual(header["__metadata__"]["tied_head"], "false")

    def test_pieces_are_bytes_of_text(self) -> None:
        header, data = converted(FakeFile())
        begin, end = header["vocabulary.bytes"]["data_offsets"]
        self.assertEqual(data[begin:end], b"a b<|end|>")
        begin, end = header["vocabulary.offsets"]["data_offsets"]
        offsets = np.frombuffer(data[begin:end], dtype=np.int64)
        self.assertEqual(offsets.tolist(), [0, 1, 3, 10])

    def test_what_santa_generate_does_not_run_is_refused(self) -> None:
        for key, value in (
            ("llama.rope.scaling.type", "yarn"),
            ("llama.rope.dimension_count", 4),
            ("llama.attention.value_length", 4),
            ("llama.expert_count", 8),
        ):
            file = FakeFile()
            file.values[key] = value
            with self.assertRaises(capture_kv.CaptureError, msg=key):
                converted(file)
        file = FakeFile()
        file.tensors["blk.0.attn_q.bias"] = np.zeros(16, dtype=np.float32)
        with self.assertRaisesRegex(capture_kv.CaptureError, "attn_q.bias"):
            converted(file)
        file = FakeFile()
        file.architecture = "gemma3"
        with self.assertRaisesRegex(capture_kv.CaptureError, "gemma3, not llama"):
            converted(file)


if __name__ == "__main__":
    unittest.main()
