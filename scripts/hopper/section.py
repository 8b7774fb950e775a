# SPDX-License-Identifier: Apache-2.0
"""README's section on the real kernels, and its row of errors, made of the records."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from scripts.base.chips import CAPABILITIES
from scripts.hopper.agreement import double, same_bits, unexplained, unordered
from scripts.hopper.judge import DIRECT_MOST, within_rounding
from scripts.hopper.record import made_on, release
from scripts.hopper.tables import Record, Records, number, runs, table
from scripts.hopper.wording import filled, listed, word
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models
from scripts.series.identity import Identity

HEAD = "## The kernels themselves, on a Hopper GPU"
ERRORS = "| output error of the real kernel, "
_SIGMAS = (0.05, 0.01, 0.003)
_TOKENS = 64
_QUIET = ("memcheck", "initcheck")


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


def section(records: Records, series: Identity) -> str:
    """The whole of it, from its heading on; the newest FlashInfer's record is last."""
    points = (double, same_bits, _graphs, _engine, _ranks, _sanitizer)
    left = (unexplained, _unended, _synccheck, _older)
    opened = "; ".join(words for each in left for words in each(records))
    told = [_tests(records, series), *(each(records) for each in points)]
    bullets = "\n".join(filled(f"- {each}", "  ") for each in told)
    shown = filled(f"{_SHOWN} **Open**: {opened}.")
    return "\n\n".join([HEAD, filled(_ran(records, series)), bullets, shown]) + "\n"


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
    ranks, layers = table(new, "ranks_race"), unordered(new)
    for words, holds in (
        (f"{' and '.join(_QUIET)} report nothing", quiet),
        ("hazards in the micro kernel of the release that upstream pins", micro[0] > 0),
        (f"and none in that of {release(new)}", micro[-1] == 0),
        (f"On {_each(records)} it reports some in the dynamic kernel", all(dynamic)),
        ("with the same tokens", len(served) == 1),
        ("and reports nothing there", ranks and not _reports(new, "", "rank")),
        ("the rounding of that many BF16 sums", all(map(within_rounding, layers))),
        ("the error table is of every record", len({*map(errors, records)}) == 1),
    ):
        if not holds:
            yield words


def _of_all(records: Records, at: Callable[[Record], str]) -> str:
    return listed(sorted({at(run) for record in records for run in runs(record)}))


def _each(records: Records) -> str:
    return "both" if len(records) == 2 else "each"


def _of_tree(records: Records, series: Identity) -> str:
    """Whose patched vLLM it was; nothing is said of this one that did not run."""
    of = [made_on(run) for record in records for run in runs(record)]
    trees = listed(f"`{each.tree[:12]}`" for each in of)
    earlier = "" if _is_of(records, series) else f" {EARLIER}"
    return f"the patched vLLM of tree {trees}{earlier}"


def _is_of(records: Records, series: Identity) -> bool:
    return all(made_on(r).same(series) for record in records for r in runs(record))


EARLIER = "(**not this series: an earlier one**)"


def _ran(records: Records, series: Identity) -> str:
    device, driver, torch, day = (
        _of_all(records, lambda run, key=key: run["machine"][key])  # type: ignore[misc]
        for key in ("device", "driver", "torch", "date")
    )
    ptxas = _of_all(records, lambda run: run["bundle"]["ptxas"])
    tree = _of_tree(records, series)
    return f"""
FlashInfer's SM12x kernels ran on an {device} ({day}; driver {driver}, PyTorch {torch}):
the PTX that CuTe DSL makes for sm_120a, with the instructions that Hopper lacks
replaced by exact sequences, by ptxas {ptxas}, under {tree} and FlashInfer's own
Python. It was told of {cases.MULTIPROCESSORS} multiprocessors, that GPU's; SM12x GPUs
have other numbers, on which grids and static's choice of a kernel depend. `make hopper
RECORDED=1` prints [the records](records/hopper), of the FlashInfer that the series
requires and of the one that upstream pins; `make hopper STEP=prepare` makes what such a
GPU runs, without one ([step by step](docs/hopper.md))."""


def _tests(records: Records, series: Identity) -> str:
    (moe, gemm), (_, other) = (
        [row for row in table(records[-1], "seed") if row["capability"] == capability]
        for capability in CAPABILITIES
    )
    whose = "The series' own" if _is_of(records[-1:], series) else "That series' own"
    return f"""{whose} GPU tests pass with the real kernels on FlashInfer
{release(records[-1])}: {moe["passed"]} of the MoE and {gemm["passed"]} of the GEMM at
capability 12.0; at 12.1 {word(other["skipped"])} of the GEMM are skipped, since its
automatic choice is for 12.0."""


def _graphs(_: Records) -> str:
    return f"""{cases.LAYERS} layers (hidden and intermediate size {cases.GRAPH_SIZE})
in one CUDA graph replayed right after a weight reload and after the workspaces were
zeroed; two lanes ran {cases.LAYERS // 2} layers each on two streams, in one graph
too."""


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
    checked = " ".join(row["kernels"] for row in table(records[-1], "ranks_race"))
    kernels = listed(re.findall(r"\d+ (\w+)", checked)).replace("_", " ")
    moes, linears = len(hopper_models.SPLIT), len(hopper_models.SPLIT_LINEAR)
    return f"""Split over two GPUs, each half in a CUDA graph with vLLM's all-reduce on
NCCL, {word(moes)} MoE layers and {word(linears)} linear ones give what the whole
layer gives on one, up to BF16 sums. But for few tokens of a layer that is wider than
{DIRECT_MOST} columns: whole it is micro's and halved direct micro's, which divides in
another order and takes other FP4 codes at ties; they were {apart:.2f} apart, and
{far:.2f} from the reference. racecheck saw the smallest of each alone, whose kernels
are {kernels}, and reports nothing there."""


def _sanitizer(records: Records) -> str:
    return f"""compute-sanitizer, W4A16 included: {" and ".join(_QUIET)} report nothing.
racecheck reports hazards in the micro kernel of the release that upstream pins, and
none in that of {release(records[-1])}. On {_each(records)} it reports some in the
dynamic kernel: one would need a warp held up at one instruction, between the others is
a barrier."""


def _unended(records: Records) -> Iterator[str]:
    for record in records:
        for row in _stopped(record, "racecheck"):
            seconds = re.sub(r"\D", "", row["first report"])
            kernel = f"{release(record)}'s {row['kind']} kernel"
            yield f"racecheck of {kernel} did not end within {seconds} s"


def _synccheck(records: Records) -> Iterator[str]:
    stops = [
        r for r in _stopped(records[-1], "synccheck") if "Barr" in r["first report"]
    ]
    if stops:
        kinds = f"{word(len(stops))} of {word(len(cases.KINDS))} kinds"
        yield f"synccheck stops in {kinds} at barriers that PTX allows"


def _older(records: Records) -> Iterator[str]:
    for record in records[:-1]:
        models = {row["model"] for row in table(record, "models")}
        without = "" if table(record, "seed") else ", and not the series' tests"
        count = f"{word(len(models))} models were run"
        yield f"of {release(record)} {count}{without}"


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
