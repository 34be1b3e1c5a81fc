#!/usr/bin/env python3
"""What sampled attention does to a language model: the texts to score, and the results.

    pip install -r tools/requirements.txt
    python3 tools/real_model.py passages MODEL.gguf PACKAGES FOLDER
    santa-generate --model model.safetensors --evaluate FOLDER/2048.json \\
        --policy share:0.1 --policy error:0.05 --output FOLDER/2048.jsonl
    python3 tools/real_model.py results FOLDER/*.jsonl --model NAME \\
        --output FILE.json
    python3 tools/real_model.py table FILE.json
    python3 tools/real_model.py picture FILE.json --output FILE.svg

PACKAGES is the folder of make_text.py. Passages are prose (the Jargon File from its
fourth chapter on) and code (modules of Python 3.11.2) by turns, and needles: prose with
a number hidden at some depth, and the question for it at the end. All but the last
tokens of a passage are read exactly, as a prompt; the last ones are given to exact and
sampled attention one by one. --context, --texts, --scored and --depths make others, of
longer contexts say. Two more passages, in calibration.json, are for
santa-generate --calibrate. Intervals are 95 % ones, by Student's t: over seeds and,
where the name says so, over texts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_text
from capture_kv import Tokenizer, read_tokenizer
from gguf_file import GgufFile, UserError, check_output
from make_text import Passage, TextError

PROSE = Passage(make_text.JARGON_FILE, "Chapter\u00a04.\u00a0Jargon Construction\n")
CODE = tuple(
    f"usr/lib/python3.11/{name}.py"
    for name in ("tarfile", "statistics", "dataclasses", "difflib")
)

# Passages of text at each context, and the tokens scored of each.
TEXTS = {2048: (8, 256), 4096: (8, 256), 8192: (8, 256)}
# Two more of the shortest, for the weights of kv heads: none of the others is in them.
CALIBRATION_SCORED = 96
DEPTHS = {2048: (0.1, 0.3, 0.5, 0.7, 0.9), 4096: (0.1, 0.5, 0.9), 8192: (0.1, 0.5, 0.9)}

NEEDLE = "\n\nThe secret number of the lighthouse is {}. Remember it.\n\n"
QUESTION = (
    "\n\nQuestion: What is the secret number of the lighthouse?\n"
    "Answer: The secret number of the lighthouse is"
)
NUMBERS = (4719, 8263, 1548, 6032, 9375)

# Two-sided 95 % quantiles of Student's t, of 1 to 30 degrees of freedom; and of many.
T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
NORMAL_95 = 1.959964

MOST_LOSS = 700  # of a token, in nats


# --- Passages ------------------------------------------------------------------------


def text_passages(
    context: int,
    texts: dict[str, list[int]],
    numbers: Iterable[int],
    scored: int,
    longest: int,
) -> list[dict[str, Any]]:
    passages = []
    for number in numbers:
        name = ("prose", "code")[number % 2]
        # Apart from each other, whatever the context.
        begin = number // 2 * (longest + 512)
        tokens = texts[name][begin : begin + context]
        if len(tokens) < context:
            raise UserError(f"the {name} has too few tokens for passage {number}")
        passages.append(
            {
                "kind": "text",
                "name": f"{name} {number // 2 + 1}, {context}",
                "context": context,
                "tokens": tokens,
                "decoded": context - scored - 1,
                "scored": context - scored,
            }
        )
    return passages


def needle_passages(
    context: int, filler: list[int], tokenizer: Tokenizer, depths: Sequence[float]
) -> list[dict[str, Any]]:
    passages = []
    question = tokenizer.encode_ending(QUESTION)
    for depth, number in zip(depths, itertools.cycle(NUMBERS)):
        needle = tokenizer.encode_ending(NEEDLE.format(number))
        answer = tokenizer.encode_ending(f" {number}")
        room = context - len(needle) - len(question) - len(answer)
        if room < 1:
            raise UserError(
                f"--context is {context}; accepted: {context + 1 - room} or more, for a "
                "needle, its question and the answer"
            )
        before = int(depth * room)
        text = filler[:before] + needle + filler[before:room]
        tokens = text + question + answer
        passages.append(
            {
                "kind": "needle",
                "name": f"needle at {depth}, {context}",
                "context": context,
                "depth": depth,
                "tokens": tokens,
                "decoded": len(text),
                "scored": len(text) + len(question),
            }
        )
    return passages


def make_passages(arguments: argparse.Namespace) -> None:
    tokenizer = read_tokenizer(GgufFile(arguments.gguf))
    prose = make_text.extract(PROSE, arguments.packages)
    code = "\n\n\n".join(make_text.read_text(arguments.packages / p) for p in CODE)
    texts = {"prose": tokenizer.encode(prose), "code": tokenizer.encode(code)}
    arguments.folder.mkdir(parents=True, exist_ok=True)
    contexts = arguments.context or sorted(TEXTS)
    for context in contexts:
        count, scored = TEXTS.get(context, TEXTS[max(TEXTS)])
        count, scored = arguments.texts or count, arguments.scored or scored
        if scored + 2 > context:
            raise UserError(f"--scored is {scored}; accepted: up to {context - 2}")
        depths = DEPTHS.get(context, DEPTHS[max(TEXTS)])
        if arguments.depths:
            depths = [(i + 0.5) / arguments.depths for i in range(arguments.depths)]
        longest = max(contexts)
        needles = needle_passages(context, texts["prose"], tokenizer, depths)
        files = {
            f"{context}": text_passages(context, texts, range(count), scored, longest),
            f"needles_{context}": needles,
        }
        if context == min(contexts) and not arguments.context:
            files["calibration"] = text_passages(
                context, texts, range(count, count + 2), CALIBRATION_SCORED, longest
            )
        for name, passages in files.items():
            path = arguments.folder / f"{name}.json"
            path.write_text(json.dumps({"passages": passages}) + "\n")
            print(f"{path}: {len(passages)} passages")


# --- Results -------------------------------------------------------------------------


def parsed(text: str, where: str) -> dict[str, Any]:
    """Return the object that a text in JSON is; `where` names it in errors."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{where}: not an object of JSON")
    return value


def read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text in UTF-8") from None


def is_number(value: Any) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def require_entries(
    row: dict[str, Any], where: str, texts: Iterable[str], numbers: Iterable[str]
) -> None:
    for key in texts:
        if not isinstance(row.get(key), str):
            raise UserError(f"{where}: '{key}' is {row.get(key)!r}; accepted: a text")
    for key in numbers:
        if not is_number(row.get(key)):
            given = repr(row.get(key))
            raise UserError(f"{where}: '{key}' is {given}; accepted: a finite number")


def check_run(run: dict[str, Any], where: str) -> None:
    """Check what is read of a line below. Errors: UserError, by the line."""
    numbers = ["context", "seed", "rows_read", "rows_visible"]
    require_entries(run, where, ("kind", "name", "policy"), numbers)
    if run["kind"] != "text":
        require_entries(run, where, (), ("depth",))
    if not run["rows_visible"] > 0:
        raise UserError(f"{where}: 'rows_visible' is 0; accepted: more")
    lists = ["came", "best", "losses", "divergences"]
    for key in lists + ["rows_by_token"] * ("rows_by_token" in run):
        values = run.get(key)
        if not isinstance(values, list) or not all(map(is_number, values)):
            raise UserError(f"{where}: '{key}' is not a list of finite numbers")
        count = len(run["came"])
        if key == "rows_by_token" and not values:
            raise UserError(f"{where}: '{key}' is empty; accepted: a number at least")
        if key in lists and (len(values) != count or count == 0):
            raise UserError(
                f"{where}: '{key}' has {len(values)} numbers; accepted: one for each "
                "token of 'came', of which there is one at least"
            )
        if not len(values) < run["context"]:
            raise UserError(
                f"{where}: '{key}' has {len(values)} numbers; accepted: fewer than "
                f"the context ({run['context']})"
            )
    for loss in run["losses"]:
        if not -1 <= loss <= MOST_LOSS:
            raise UserError(
                f"{where}: 'losses' has {loss}; accepted: 0 to {MOST_LOSS} nats, whose "
                "exponentials are numbers"
            )


def read_runs(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Read the lines of santa-generate --evaluate, each with its exact counterpart.

    Errors: UserError, by the line: one that is not such a line, or whose passage has no
    exact line before it.
    """
    runs = []
    for path in paths:
        exact: dict[str, Any] = {}
        for number, line in enumerate(read_text(path).splitlines(), 1):
            where = f"{path}: line {number}"
            run = parsed(line, where)
            check_run(run, where)
            if run["policy"] == "exact":
                exact = run
            elif any(run[k] != exact.get(k) for k in ("name", "context", "came")):
                raise UserError(
                    f"{where}: {run['policy']!r} of {run['name']!r}, {run['context']} "
                    "tokens, does not follow the exact line of the same passage"
                )
            run["exact"] = exact
            runs.append(run)
    return runs


def read_summary(path: Path) -> dict[str, Any]:
    return parsed(read_text(path), str(path))


def rows_of(
    summary: dict[str, Any], path: Path, section: str, *numbers: str
) -> list[dict[str, Any]]:
    """Return the rows of a section, which have these numbers. Errors: UserError."""
    rows = summary.get(section)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: no list '{section}'; accepted: what results writes")
    for number, row in enumerate(rows, 1):
        where = f"{path}: row {number} of '{section}'"
        require_entries(row, where, ("policy",), ("context", *numbers))
    return rows


def t_95(freedom: int) -> float:
    """Return the two-sided 95 % quantile of Student's t.

    Source: beyond the table the expansion in 1 / freedom, Abramowitz and Stegun 26.7.5.
    """
    if freedom <= len(T_95):
        return T_95[freedom - 1]
    z = NORMAL_95
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + (z**3 + z) / (4 * freedom) + second / freedom**2


def interval(values: list[float]) -> float | None:
    """Half of the 95 % interval of the mean; None for a single value."""
    if len(values) < 2:
        return None
    error = statistics.stdev(values) / math.sqrt(len(values))
    return t_95(len(values) - 1) * error


def agreement(runs: list[dict[str, Any]]) -> float:
    pairs = [
        p for run in runs for p in zip(run["best"], run["exact"]["best"], strict=True)
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def mean_over_tokens(runs: list[dict[str, Any]], key: str) -> float:
    values = [value for run in runs for value in run[key]]
    return math.fsum(values) / len(values)


def perplexity_ratio(runs: list[dict[str, Any]]) -> float:
    exact = mean_over_tokens([run["exact"] for run in runs], "losses")
    return math.exp(mean_over_tokens(runs, "losses") - exact)


def rows_read(runs: list[dict[str, Any]]) -> float:
    return sum(r["rows_read"] for r in runs) / sum(r["rows_visible"] for r in runs)


def budget_of(policy: str) -> dict[str, Any]:
    """Return the budget that a policy names: rows, or an error or bytes in their place.

    Of numbers for each layer the mean: a layer with 0 is read whole.
    """
    kind, _, rest = policy.partition(":")
    try:
        numbers = [float(number) for number in rest.partition(",")[0].split("/")]
    except ValueError:
        numbers = [math.nan]
    if not all(0 <= number <= 1 for number in numbers):
        raise UserError(
            f"the policy {policy!r} names no number behind ':'; accepted: one from 0 to "
            "1, or one for each layer, with a '/' between them"
        )
    number = numbers[0]
    if kind == "clusters":
        return {"bytes_budget": number}
    if kind == "error":
        tenth = len(numbers) == 1 and number in ERRORS_OF_A_TENTH
        budget = 0.1 if tenth else ERROR_BUDGET
        target = number if len(numbers) == 1 else numbers
        return {"rows_budget": budget, "target_error": target}
    if len(numbers) > 1:
        number = statistics.mean(number or 1.0 for number in numbers)
    return {"rows_budget": number}


# The share of rows that target errors were chosen to stay near or below; and those that
# were chosen to read about a tenth, at 2048, 4096 and 8192 tokens.
ERROR_BUDGET = 0.15
ERRORS_OF_A_TENTH = (0.093, 0.055, 0.022)


def near_budget(runs: list[dict[str, Any]], budget: float) -> float | None:
    """Return the part of the tokens but the first that read 0.9 to 1.1 of the budget.

    None where there are only first tokens.
    """
    near, count = 0, 0
    for run in runs:
        rows = run["rows_by_token"]
        # Rows of all layers and kv heads that a token of this text sees, by its length.
        visible = run["rows_visible"] / sum(
            run["context"] - len(rows) + i for i in range(len(rows))
        )
        for i in range(1, len(rows)):
            asked = budget * visible * (run["context"] - len(rows) + i)
            near += 0.9 * asked <= rows[i] <= 1.1 * asked
            count += 1
    return near / count if count > 0 else None


def summarise_text(
    context: int, policy: str, runs: list[dict[str, Any]]
) -> dict[str, Any]:
    by_seed: dict[int, list[dict[str, Any]]] = {}
    by_text: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_seed.setdefault(run["seed"], []).append(run)
        by_text.setdefault(run["name"], []).append(run)
    measures = {
        "top1_agreement": agreement,
        "perplexity_ratio": perplexity_ratio,
        "kl_divergence": lambda some: mean_over_tokens(some, "divergences"),
        "rows_read_fraction": rows_read,
    }
    row: dict[str, Any] = {"context": context, "policy": policy, **budget_of(policy)}
    row["tokens"] = sum(len(run["best"]) for run in runs)
    row["seeds"] = len(by_seed)
    row["perplexity_exact"] = math.exp(
        mean_over_tokens([run["exact"] for run in runs], "losses")
    )
    for name, measure in measures.items():
        row[name] = measure(runs)
        row[f"{name}_interval"] = interval([measure(some) for some in by_seed.values()])
        row[f"{name}_interval_texts"] = interval(
            [measure(some) for some in by_text.values()]
        )
    if "rows_budget" in row and all("rows_by_token" in run for run in runs):
        row["tokens_near_budget"] = near_budget(runs, row["rows_budget"])
    return row


def found(run: dict[str, Any]) -> bool:
    return bool(run["best"] == run["came"])


def summarise_needles(
    context: int, policy: str, runs: list[dict[str, Any]]
) -> dict[str, Any]:
    exact = {run["name"]: run["exact"] for run in runs}
    depths = sorted({run["depth"] for run in runs})
    return {
        "context": context,
        "policy": policy,
        "runs": len(runs),
        "found": sum(map(found, runs)),
        "found_exact": sum(map(found, exact.values())),
        "needles": len(exact),
        "rows_read_fraction": rows_read(runs),
        "found_by_depth": {
            str(depth): sum(found(run) for run in runs if run["depth"] == depth)
            for depth in depths
        },
        "seeds": len({run["seed"] for run in runs}),
    }


def keep(summary: dict[str, Any], path: Path) -> None:
    """Add the rows of an older file that are not measured anew."""
    old = read_summary(path)
    require_entries(old, str(path), ("model",), ())
    for kind in [key for key, value in old.items() if isinstance(value, list)]:
        rows = summary.setdefault(kind, [])
        known = {(row["context"], row["policy"]) for row in rows}
        rows = rows_of(old, path, kind)
        rows = [r for r in rows if (r["context"], r["policy"]) not in known]
        summary[kind] += [{"model": old["model"], **row} for row in rows]
        summary[kind].sort(key=lambda row: (row["context"], row["policy"]))


def results(arguments: argparse.Namespace) -> None:
    check_output(arguments.output, arguments.files)  # --keep may be the same file
    runs = read_runs(arguments.files)
    groups: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for run in runs:
        if run["policy"] != "exact":
            key = (run["kind"], run["context"], run["policy"])
            groups.setdefault(key, []).append(run)
    summary: dict[str, Any] = {
        "model": arguments.model,
        "method": "MassUnit",
        "default_method": [],
        "model_budget": [],
        "needles": [],
    }
    for (kind, context, policy), group in sorted(groups.items()):
        if kind == "text":
            row = summarise_text(context, policy, group)
            summary[arguments.section].append({"model": arguments.model, **row})
        else:
            row = summarise_needles(context, policy, group)
            summary["needles"].append({"model": arguments.model, **row})
    if arguments.keep is not None:
        keep(summary, arguments.keep)
    arguments.output.write_text(json.dumps(summary, indent=1) + "\n")
    print(f"{arguments.output}: {len(summary[arguments.section])} rows")


# --- Table and picture ---------------------------------------------------------------


def with_interval(row: dict[str, Any], key: str, factor: float, digits: int) -> str:
    value = f"{factor * row[key]:.{digits}f}"
    half = row.get(f"{key}_interval")
    return value if not is_number(half) else f"{value} ± {factor * half:.{digits}f}"


def table(arguments: argparse.Namespace) -> None:
    summary = read_summary(arguments.file)
    measured = ("top1_agreement", "perplexity_ratio", "kl_divergence")
    file, share = arguments.file, "rows_read_fraction"
    texts = rows_of(summary, file, arguments.section, share, "tokens", *measured)
    found_of = ("found", "runs", "found_exact", "needles")
    needles = rows_of(summary, file, "needles", share, *found_of)
    print(
        "| context | policy | rows read, % | tokens | top-1 agreement, % "
        "| perplexity, of exact | KL, 1/1000 nats |"
    )
    print("|---:|---|---:|---:|---:|---:|---:|")
    for row in texts:
        print(
            f"| {row['context']} | {row['policy']} "
            f"| {100 * row['rows_read_fraction']:.1f} "
            f"| {row['tokens']} | {with_interval(row, 'top1_agreement', 100, 2)} "
            f"| {with_interval(row, 'perplexity_ratio', 1, 4)} "
            f"| {with_interval(row, 'kl_divergence', 1000, 2)} |"
        )
    print()
    print("| context | policy | rows read, % | found, of runs | exact, of needles |")
    print("|---:|---|---:|---:|---:|")
    for row in needles:
        print(
            f"| {row['context']} | {row['policy']} "
            f"| {100 * row['rows_read_fraction']:.1f} "
            f"| {row['found']} of {row['runs']} "
            f"| {row['found_exact']} of {row['needles']} |"
        )


COLOURS = {2048: "#b5651d", 4096: "#2a7f62", 8192: "#2b5797"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 400, 70, 30, 330


def picture_point(row: dict[str, Any], left: float, right: float) -> tuple[float, float]:
    """Return where a row lies: both axes are logarithms."""
    share = math.log(row["rows_read_fraction"] / left) / math.log(right / left)
    low, high = math.log(1e-5), math.log(1e-1)
    divergence = (math.log(max(row["kl_divergence"], 1e-5)) - low) / (high - low)
    return LEFT + share * (WIDTH - LEFT - 30), BOTTOM - divergence * (BOTTOM - TOP)


def picture(arguments: argparse.Namespace) -> None:
    check_output(arguments.output, (arguments.file,))
    numbers = ("rows_read_fraction", "kl_divergence")
    rows = rows_of(
        read_summary(arguments.file), arguments.file, "default_method", *numbers
    )
    for number, row in enumerate(rows, 1):
        if not row["rows_read_fraction"] > 0:
            raise UserError(
                f"{arguments.file}: row {number} of 'default_method': "
                f"'rows_read_fraction' is {row['rows_read_fraction']}; accepted: more "
                "than 0, for its logarithm"
            )
    left, right = 0.03, 0.3
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for exponent in range(-5, 0):
        y = BOTTOM - (exponent + 5) / 4 * (BOTTOM - TOP)
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - 30}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>'
        )
    for share in (0.03, 0.05, 0.1, 0.15, 0.2, 0.3):
        x, _ = picture_point(
            {"rows_read_fraction": share, "kl_divergence": 1}, left, right
        )
        parts.append(
            f'<path d="M{x:.1f} {TOP}V{BOTTOM}" stroke="#eee"/>'
            f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">'
            f"{100 * share:g} %</text>"
        )
    for context, colour in COLOURS.items():
        for kind, dash in (("share", ""), ("error", "5 4")):
            points = sorted(
                picture_point(row, left, right)
                for row in rows
                if row["context"] == context
                and row["policy"].startswith(kind)
                and "," not in row["policy"]
            )
            if not points:
                continue
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" '
                f'stroke-width="2" stroke-dasharray="{dash}"/>'
            )
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
                for x, y in points
            ]
    for number, (context, colour) in enumerate(COLOURS.items()):
        x = LEFT + 10 + 130 * number
        parts.append(
            f'<circle cx="{x}" cy="16" r="5" fill="{colour}"/>'
            f'<text x="{x + 10}" y="20">{context} tokens</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{BOTTOM + 42}" text-anchor="middle">'
        "value rows read; solid: one share for all layers, dashed: by a target error"
        "</text>"
        f'<text x="18" y="{(TOP + BOTTOM) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 18 {(TOP + BOTTOM) / 2:.0f})">'
        "KL divergence of the next token, nats</text></svg>"
    )
    arguments.output.write_text("\n".join(parts) + "\n")
    print(arguments.output)


# Policies that read about a tenth of the rows, as a newcomer would call them.
POLICIES = {
    "share:0.1": ("equal shares", "#999999"),
    "share:0.1,steered": ("equal shares, steered", "#b5651d"),
    "error": ("target error", "#2b5797"),
    "ratio:0.1,steered": ("one budget", "#2a7f62"),
    "ratio:0.1,steered,weighted": ("one budget, weighted", "#8a2be2"),
}


def row_of_policy(
    rows: list[dict[str, Any]], context: int, policy: str
) -> dict[str, Any] | None:
    """Find a policy's row; of target errors, the one for a tenth of the rows."""
    for row in rows:
        tenth = row.get("target_error") in ERRORS_OF_A_TENTH
        named = row["policy"] == policy or (policy == "error" and tenth)
        if row["context"] == context and named and "model" in row:
            return row
    return None


def policies_picture(arguments: argparse.Namespace) -> None:
    check_output(arguments.output, (arguments.file,))
    summary = read_summary(arguments.file)
    rows = rows_of(summary, arguments.file, "model_budget", "kl_divergence")
    low, high = -4.0, -1.5
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for exponent in (-4, -3, -2):
        y = BOTTOM - (exponent - low) / (high - low) * (BOTTOM - TOP)
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - 30}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>'
        )
    contexts = sorted({row["context"] for row in rows})
    width = (WIDTH - 30 - LEFT) / max(len(contexts), 1)
    for group, context in enumerate(contexts):
        left = LEFT + group * width
        parts.append(
            f'<text x="{left + width / 2:.0f}" y="{BOTTOM + 18}" text-anchor="middle">'
            f"{context} tokens</text>"
        )
        for number, (policy, (_, colour)) in enumerate(POLICIES.items()):
            row = row_of_policy(rows, context, policy)
            if row is None:
                continue
            height = math.log10(max(row["kl_divergence"], 10**low)) - low
            height = min(height / (high - low), 1.0) * (BOTTOM - TOP)
            bar = (width - 20) / len(POLICIES)
            parts.append(
                f'<rect x="{left + 10 + number * bar:.1f}" y="{BOTTOM - height:.1f}" '
                f'width="{bar - 3:.1f}" height="{height:.1f}" fill="{colour}"/>'
            )
    for number, (name, colour) in enumerate(POLICIES.values()):
        x = LEFT + 10 + number % 3 * 185
        y = BOTTOM + 40 + number // 3 * 18
        parts.append(
            f'<rect x="{x}" y="{y - 10}" width="11" height="11" fill="{colour}"/>'
            f'<text x="{x + 17}" y="{y}">{name}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="18" text-anchor="middle">'
        "KL divergence of the next token, nats, at about a tenth of the value rows"
        "</text></svg>"
    )
    arguments.output.write_text("\n".join(parts) + "\n")
    print(arguments.output)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def add_section(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--section",
        choices=("default_method", "model_budget"),
        default="default_method",
        help="rows of texts: by themselves, or policies on the same ones",
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("passages", help="make the texts to score")
    command.add_argument("gguf", type=Path, metavar="MODEL.gguf")
    command.add_argument("packages", type=Path, help="folder of unpacked packages")
    command.add_argument("folder", type=Path, help="folder for the passages")
    for name, what in {
        "context": "tokens of a passage, by repetition; default: 2048, 4096, 8192",
        "texts": "passages of a context; default: 8",
        "scored": "last tokens of each that are scored; default: 256",
        "depths": "depths of needles, evenly spaced; default: 5 or 3 of them",
    }.items():
        action = "append" if name == "context" else "store"
        command.add_argument(f"--{name}", type=positive, action=action, help=what)
    command.set_defaults(run=make_passages)
    command = commands.add_parser("results", help="summarise scores")
    command.add_argument("files", type=Path, nargs="+", metavar="SCORES.jsonl")
    command.add_argument("--model", required=True, help="name of the model")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")
    add_section(command)
    command.add_argument(
        "--keep", type=Path, metavar="FILE", help="results of before, for other rows"
    )
    command.set_defaults(run=results)
    command = commands.add_parser("table", help="print results as Markdown")
    command.add_argument("file", type=Path)
    add_section(command)
    command.set_defaults(run=table)
    command = commands.add_parser("picture", help="draw results")
    command.add_argument("file", type=Path)
    command.add_argument("--output", type=Path, required=True, metavar="FILE.svg")
    command.set_defaults(run=picture)
    command = commands.add_parser(
        "policies", help="draw policies that read a tenth of the rows"
    )
    command.add_argument("file", type=Path)
    command.add_argument("--output", type=Path, required=True, metavar="FILE.svg")
    command.set_defaults(run=policies_picture)
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    try:
        arguments.run(arguments)
    except (UserError, TextError, OSError) as error:
        print(f"real_model.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
