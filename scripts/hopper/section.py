# SPDX-License-Identifier: Apache-2.0
"""README's section on the real kernels, and its row of errors, made of the records."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.hopper.judge import AT_TIES, DIRECT_MOST
from scripts.hopper.tables import number, runs, table
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models

HEAD = "## The kernels themselves, on a Hopper GPU"
ERRORS = "| output error of the real kernel, "
_WORDS = (
    "none", "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_SIGMAS = (0.05, 0.01, 0.003)
_TOKENS = 64
_QUIET = ("memcheck", "initcheck")
_WIDTH = 88
Record = Mapping[str, Any]
Records = Sequence[Record]


def errors(record: Record) -> str:
    """README's row: upstream's class and the fork's, at 64 tokens."""
    rows = {r["sigma"]: r for r in table(record, "errors") if r["tokens"] == _TOKENS}
    sides = [
        " / ".join(f"{rows[sigma][name]:.2g}" for sigma in _SIGMAS)
        for name in ("upstream's flashinfer_b12x", "fork")
    ]
    sigmas = " / ".join(map(str, _SIGMAS))
    return (
        f"{ERRORS}{_TOKENS} tokens, weights of sigma {sigmas} | {' | '.join(sides)} |"
    )


def section(records: Records) -> str:
    """The whole of it, from its heading on; the newest FlashInfer's record is last."""
    points = (_tests, _double, _same_bits, _graphs, _engine, _ranks, _sanitizer)
    left = (_unended, _synccheck, _older)
    opened = "; ".join(words for each in left for words in each(records))
    bullets = "\n".join(_filled(f"- {each(records)}", "  ") for each in points)
    shown = _filled(f"{_SHOWN} **Open**: {opened}.")
    return "\n\n".join([HEAD, _filled(_ran(records)), bullets, shown]) + "\n"


_SHOWN = """
It proves arithmetic, addressing and synchronisation of the device code that FlashInfer
ships. It does not prove ptxas's code for sm_120, the real instruction's rounding inside
a sum, or speed."""


def unborne(records: Records) -> Iterator[str]:
    """What the section says whatever the records hold, where they do not bear it."""
    new, *_ = reversed(records)
    quiet = all(_reports(r, tool) == 0 for r in records for tool in _QUIET)
    micro = [_reports(r, "racecheck", "micro") for r in records]
    dynamic = [_reports(r, "racecheck", "dynamic") for r in records]
    served = {row["what came of it"] for r in records for row in table(r, "engine")}
    ranks = table(new, "ranks_race")
    for words, holds in (
        (f"{' and '.join(_QUIET)} report nothing", quiet),
        ("hazards in the micro kernel of the release that upstream pins", micro[0] > 0),
        (f"and none in that of {_release(new)}", micro[-1] == 0),
        ("On both it reports some in the dynamic kernel", all(dynamic)),
        ("with the same tokens", len(served) == 1),
        ("racecheck reports nothing there", ranks and not _reports(new, "", "rank")),
        ("the error table is of every record", len({*map(errors, records)}) == 1),
    ):
        if not holds:
            yield words


def _filled(words: str, indent: str = "") -> str:
    return textwrap.fill(
        " ".join(words.split()),
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _release(record: Record) -> str:
    return str(record["machine"]["flashinfer-python"])


def _listed(names: Iterable[str]) -> str:
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} and {last}" if most else last


def _of_all(records: Records, at: Callable[[Record], str]) -> str:
    return _listed(sorted({at(run) for record in records for run in runs(record)}))


def _ran(records: Records) -> str:
    device, driver, torch, day = (
        _of_all(records, lambda run, key=key: run["machine"][key])  # type: ignore[misc]
        for key in ("device", "driver", "torch", "date")
    )
    ptxas = _of_all(records, lambda run: run["bundle"]["ptxas"])
    return f"""
FlashInfer's SM12x kernels ran on an {device} ({day}; driver {driver}, PyTorch {torch}):
the PTX that CuTe DSL makes for sm_120a, with the instructions that Hopper lacks
replaced by exact sequences, by ptxas {ptxas}, under the patched vLLM and FlashInfer's
own Python. `make hopper RECORDED=1` prints [the
records](records/hopper), of the FlashInfer that the series requires and
of the one that upstream pins; `make hopper STEP=prepare` makes what such a GPU runs,
without one ([step by step](docs/hopper.md))."""


def _tests(records: Records) -> str:
    (moe, gemm), (_, other) = (
        [row for row in table(records[-1], "seed") if row["capability"] == capability]
        for capability in ("12.0", "12.1")
    )
    return f"""The series' own GPU tests pass with the real kernels on FlashInfer
{_release(records[-1])}: {moe["passed"]} of the MoE and {gemm["passed"]} of the GEMM at
capability 12.0; at 12.1 {_WORDS[other["skipped"]]} of the GEMM are skipped, since its
automatic choice is for 12.0."""


def _kernels(records: Records, same: bool) -> str:
    """Names of those that give, or do not give, the same bits in each run."""
    found: dict[str, bool] = {}
    for row in (row for record in records for row in table(record, "regimes")):
        name = row["regime"].removesuffix("_gated").replace("_", " ")
        found[name] = found.get(name, True) and row["runs apart"] == 0
    return _listed(name for name, is_same in found.items() if is_same == same)


def _double(records: Records) -> str:
    models = {row["model"] for row in table(records[-1], "models")}
    few = [m.name for m in hopper_models.models() if m.few and m.name in models]
    real = len(models - {"gpt-oss-like", *few})
    small, layers, spread = (
        _largest(records, *each)
        for each in (
            ("regimes", "kernel-double"),
            ("models", "kernel-double"),
            ("models", "runs apart"),
        )
    )
    return f"""The double that stands for the kernel elsewhere agrees bit for bit with
{_kernels(records, True)} in small cases, and within {AT_TIES} in layers of
{_WORDS[real]} real models and a gpt-oss-like one, at each of 1, 2, 4 and 8 ranks that
the size allows, and of {_WORDS[len(few)]} more at two of these. With
{_kernels(records, False)}, which add BF16 numbers in any order, it is up to {small}
away in small cases, and up to {layers} in those layers, where runs of the kernel
itself are up to {spread} apart."""


def _same_bits(records: Records) -> str:
    same, others = (_kernels(records, each) for each in (True, False))
    return f"The same bits in {cases.RUNS} runs: {same}. Not so: {others}."


def _graphs(_: Records) -> str:
    return f"""{cases.LAYERS} layers in one CUDA graph replayed right after a weight
reload and after the workspaces were zeroed; two lanes ran {cases.LAYERS // 2} layers
each on two streams, in one graph too."""


def _engine(_: Records) -> str:
    return """vLLM's engine serves a tiny checkpoint on them, eager and with decode in
CUDA graphs, with the same tokens."""


def _ranks(records: Records) -> str:
    wide = [
        row
        for row in table(records[-1], "ranks")
        if row["kernel"] == "direct_micro" and row["intermediate"] > DIRECT_MOST
    ]
    apart, far = (
        max(row[name] for row in wide) for name in ("TP 2 to TP 1", "to the reference")
    )
    moes, linears = len(hopper_models.SPLIT), len(hopper_models.SPLIT_LINEAR)
    return f"""Split over two GPUs, each half in a CUDA graph with vLLM's all-reduce on
NCCL, {_WORDS[moes]} MoE layers and {_WORDS[linears]} linear ones give what the whole
layer gives on one, up to BF16 sums. But for few tokens of a layer that is wider than
{DIRECT_MOST} columns: whole it is micro's and halved direct micro's, which divides in
another order and takes other FP4 codes at ties; they were {apart:.2f} apart, and
{far:.2f} from the reference. racecheck reports nothing there."""


def _sanitizer(records: Records) -> str:
    return f"""compute-sanitizer, W4A16 included: {" and ".join(_QUIET)} report nothing.
racecheck reports hazards in the micro kernel of the release that upstream pins, and
none in that of {_release(records[-1])}. On both it reports some in the dynamic kernel:
one would need a warp held up at one instruction, between the others is a barrier."""


def _unended(records: Records) -> Iterator[str]:
    for record in records:
        for row in _stopped(record, "racecheck"):
            seconds = re.sub(r"\D", "", row["first report"])
            kernel = f"{_release(record)}'s {row['kind']} kernel"
            yield f"racecheck of {kernel} did not end within {seconds} s"


def _synccheck(records: Records) -> Iterator[str]:
    stops = [
        r for r in _stopped(records[-1], "synccheck") if "Barr" in r["first report"]
    ]
    if stops:
        kinds = f"{_WORDS[len(stops)]} of {_WORDS[len(cases.KINDS)]} kinds"
        yield f"synccheck stops in {kinds} at barriers that PTX allows"


def _older(records: Records) -> Iterator[str]:
    for record in records[:-1]:
        models = {row["model"] for row in table(record, "models")}
        without = "" if table(record, "seed") else ", and not the series' tests"
        count = f"{_WORDS[len(models)]} models were run"
        yield f"of {_release(record)} {count}{without}"


def _stopped(record: Record, tool: str) -> list[dict[str, Any]]:
    rows = table(record, "sanitizer")
    return [row for row in rows if row["tool"] == tool and row["launches"] == ""]


def _reports(record: Record, tool: str, kind: str = "") -> float:
    rows = [*table(record, "sanitizer"), *table(record, "ranks_race")]
    return sum(
        number(row[name])
        for row in rows
        for name in ("errors", "warnings")
        if row["tool"].startswith(tool) and row["kind"].startswith(kind)
        if not math.isnan(number(row[name]))
    )


def _largest(records: Records, part: str, column: str) -> str:
    figures = [number(row[column]) for r in records for row in table(r, part)]
    most = max(each for each in figures if not math.isnan(each))
    return f"{math.ceil(round(most * 1000, 6)) / 1000:.3f}"
