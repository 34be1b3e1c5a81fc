"""Tests of convert_model.py that need no model.

python3 -m unittest discover --start-directory tools
"""

from __future__ import annotations

import io
import json
import math
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

try:
    import numpy as np
except ImportError:
    raise unittest.SkipTest("needs the package numpy") from None

sys.path.insert(0, str(Path(__file__).resolve().parent))
import capture_kv
import convert_model
from gguf_file import UserError
from tiny_gguf import TinyGguf


def small_model() -> TinyGguf:
    """A model of one layer, whose tensors count up."""
    tiny = TinyGguf(width=4, hidden=6, heads=2, kv_heads=1)
    tiny.set("tokenizer.ggml.tokens", "STRING[]", ["a", "\u0120b", "<|end|>"])
    tiny.set("tokenizer.ggml.eos_token_id", "UINT32", 2)
    tiny.tensors["token_embd.weight"].shape = [3, 4]
    for name, tensor in tiny.tensors.items():
        tiny.add(name, tensor.shape, range(math.prod(tensor.shape)))
    return tiny


def converted(tiny: TinyGguf) -> tuple[dict[str, Any], bytes]:
    """Convert and return the header and the data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with redirect_stdout(io.StringIO()):
            convert_model.convert(tiny.opened(), path)
        content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


class ConvertTest(unittest.TestCase):
    def test_names_and_settings_are_the_published_ones(self) -> None:
        header, _ = converted(small_model())
        query = header["model.layers.0.self_attn.q_proj.weight"]
        self.assertEqual((query["dtype"], query["shape"]), ("BF16", [16, 4]))
        settings = header["__metadata__"]
        self.assertEqual(settings["architecture"], "llama")
        self.assertEqual(settings["kv_heads"], "1")
        self.assertEqual(settings["tied_head"], "true")
        self.assertEqual(settings["vocabulary"], "3")
        self.assertNotIn("lm_head.weight", header)

    def test_queries_and_keys_get_back_their_order(self) -> None:
        header, data = converted(small_model())
        begin, end = header["model.layers.0.self_attn.k_proj.weight"]["data_offsets"]
        bits = np.frombuffer(data[begin:end], dtype=np.uint16)
        rows = capture_kv.from_bf16(bits).reshape(8, 4)[:, 0] / 4
        self.assertEqual(rows.tolist(), [0, 2, 4, 6, 1, 3, 5, 7])

    def test_a_head_and_factors_are_kept(self) -> None:
        file = small_model()
        file.add("output.weight", [3, 4])
        file.add("rope_freqs.weight", [4], [1.0] * 4)
        header, _ = converted(file)
        self.assertEqual(header["lm_head.weight"]["shape"], [3, 4])
        self.assertEqual(header["rope.factors"]["dtype"], "F32")
        self.assertEqual(header["__metadata__"]["tied_head"], "false")

    def test_pieces_are_bytes_of_text(self) -> None:
        header, data = converted(small_model())
        begin, end = header["vocabulary.bytes"]["data_offsets"]
        self.assertEqual(data[begin:end], b"a b<|end|>")
        begin, end = header["vocabulary.offsets"]["data_offsets"]
        offsets = np.frombuffer(data[begin:end], dtype=np.int64)
        self.assertEqual(offsets.tolist(), [0, 1, 3, 10])

    def test_byte_tokens_are_their_byte(self) -> None:
        tokens = ["<0xF0>", "<0x0A>", "\u2581a", "<0xf0>", "<0xF0>b", "\u00df"]
        pieces = convert_model.pieces_of(tokens, "llama")
        expected = [b"\xf0", b"\n", b" a", b"<0xf0>", b"<0xF0>b", b"\xc3\x9f"]
        self.assertEqual(pieces, expected)
        # Those of byte-level vocabularies are letters; this one has the name for a text.
        self.assertEqual(convert_model.pieces_of(["<0xF0>"], "gpt2"), [b"<0xF0>"])

    def test_other_architectures_are_refused(self) -> None:
        with self.assertRaisesRegex(UserError, "is 'gemma2' .*; accepted: llama"):
            converted(TinyGguf("gemma2"))

    def test_gemma_keeps_its_norms_windows_and_order(self) -> None:
        file = TinyGguf("gemma3", layers=6, dim=8)
        header, data = converted(file)
        settings = header["__metadata__"]
        self.assertEqual(settings["architecture"], "gemma3")
        self.assertEqual(settings["full_layer_every"], "6")
        self.assertEqual(settings["window_rope_theta"], "10000.0")
        self.assertEqual(settings["window"], str(file.metadata["gemma3.attention.sliding_window"].value))
        for ours, theirs in {
            "post_attention_layernorm": "post_attention_norm",
            "pre_feedforward_layernorm": "ffn_norm",
            "post_feedforward_layernorm": "post_ffw_norm",
            "self_attn.q_norm": "attn_q_norm",
            "self_attn.k_proj": "attn_k",
        }.items():
            begin, end = header[f"model.layers.1.{ours}.weight"]["data_offsets"]
            bits = np.frombuffer(data[begin:end], dtype=np.uint16)
            given = np.frombuffer(file.tensors[f"blk.1.{theirs}.weight"].data, np.float32)
            self.assertEqual(bits.tolist(), capture_kv.to_bf16(given).tolist())


if __name__ == "__main__":
    unittest.main()
