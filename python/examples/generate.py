#!/usr/bin/env python3
"""Writes with a language model of transformers by exact attention, and with a tenth of the value rows.

    python/examples/generate.py MODEL [--gguf FILE] --prompt prompt.txt

MODEL: a folder, or a name that transformers downloads; --gguf: a file in it (needs gguf and accelerate).
"""

import argparse
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

import santa.transformers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("model")
parser.add_argument("--gguf")
parser.add_argument("--prompt", type=Path, required=True, help="a file of text")
parser.add_argument("--tokens", type=int, default=64)
options = parser.parse_args()

tokenizer = AutoTokenizer.from_pretrained(options.model, gguf_file=options.gguf)
model = AutoModelForCausalLM.from_pretrained(options.model, gguf_file=options.gguf)
prompt = tokenizer(options.prompt.read_text(), return_tensors="pt")

for title, method in {"exact": santa.Exact(), "sampled": santa.MassUnit(rows=santa.share(0.1), steered=True)}.items():
    # [register]
    attention = santa.transformers.register("santa", method, seed=7, exact_below=512, count_rows=True)
    model.set_attn_implementation("santa")
    written = model.generate(**prompt, do_sample=False, max_new_tokens=options.tokens)
    # [/register]
    print(f"\n[{title}: {attention.share_read:.1%} of the value rows read]")
    print(tokenizer.decode(written[0, prompt.input_ids.shape[1] :], skip_special_tokens=True))
