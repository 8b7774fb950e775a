# SPDX-License-Identifier: Apache-2.0
"""What README prints of the real kernels, held against the records."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts import ROOT
from scripts.base.errors import Finding
from scripts.hopper.complete import missing
from scripts.hopper.derived import impossible
from scripts.hopper.facts import untrue
from scripts.hopper.judge import AT_TIES, broken, table
from scripts.hopper.known import HELD
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models

README = ROOT / "README.md"
SECTION = "## The kernels themselves, on a Hopper GPU"
_WORDS = (
    "none", "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_QUIET = ("memcheck", "initcheck")
_UNENDED = "did not end within"
# Of the table's figures, which have two digits, and of upstream's, which go to 1.8.
_OURS, _THEIRS = 0.005, 0.03
Record = Mapping[str, Any]


def section() -> str:
    """README's, in one line.

    Raises:
        Finding: README has none.
    """
    text = README.read_text(encoding="utf-8")
    if SECTION not in text:
        raise Finding(
            "README has no section on the kernels",
            where=README.name,
            expected=SECTION,
            next="write it again, or let scripts/hopper/claims.py know its new heading",
        )
    return " ".join(text.split(SECTION)[1].split("\n## ")[0].split())


def contradicted(
    records: Sequence[Record], required: str, readme: str, alone: bool = False
) -> list[str]:
    """What speaks against the records, or in README against them; a line each.

    Args:
        records: The newest FlashInfer last.
        required: The FlashInfer that the series requires.
        readme: Its section, in one line.
        alone: The record of one was asked for: README's other figures than the error
            table are not looked at, as they are of all.
    """
    there = [record["machine"]["flashinfer-python"] for record in records]
    kept = () if alone else (*HELD, required)
    found = [f"flashinfer-python {of}: no record" for of in kept if of not in there]
    for record in records:
        of = record["machine"]["flashinfer-python"]
        whole = of == required
        lines = untrue(record, None) + broken(record) + impossible(record)
        lines += missing(record, whole)
        left = [name for name in cases.PAIR if name not in record["parts"]]
        lines += [f"{name}: it was not run" for name in left if whole]
        lines += _errors(record, readme)
        found += [f"flashinfer-python {of}: {line}" for line in lines]
    if found or alone:
        return found
    found += strangers(records, readme)
    for words, holds in facts(records).items():
        if holds != _says(readme, words):
            found.append(f"README {'does not say' if holds else 'says'}: {words}")
    said = [*sentences(records)]
    found += [f"README does not say: {one}" for one in said if not _says(readme, one)]
    unended = sum(_UNENDED in one for one in said)
    if (count := readme.count(_UNENDED)) != unended:
        found.append(f"README has {count} times {_UNENDED!r}, the records {unended}")
    return found


def strangers(records: Sequence[Record], readme: str) -> Iterator[str]:
    """Devices, releases, days and models that README names and no record has."""
    machines = [record["machine"] for record in records]
    models = {row["model"] for r in records for row in table(r, "models")}
    known: dict[str, set[str]] = {
        r"NVIDIA [A-Z]+\d+\w*": {each["device"] for each in machines},
        r"\b\d+\.\d+\.\d+(?:\.\w+)?": {each["flashinfer-python"] for each in machines},
        r"\b\d{4}-\d\d-\d\d\b": {each["date"] for each in machines},
        r"\b(?:Qwen|GLM|Nemotron|MiniMax|Kimi|DeepSeek|Gemma)[\w.-]*\w": models,
    }
    for pattern, names in known.items():
        for name in dict.fromkeys(re.findall(pattern, readme)):
            if name not in names:
                yield f"README names {name}, the records {', '.join(sorted(names))}"


def facts(records: Sequence[Record]) -> dict[str, bool]:
    """What README says in words alone, or would, and whether the records do."""
    new = records[-1]
    of = [record["machine"]["flashinfer-python"] for record in records]

    def errors(record: Record, tool: str, kind: str = "") -> float:
        rows = [row for row in table(record, "sanitizer") if row["tool"] == tool]
        return sum(
            _counted(r["errors"]) + _counted(r["warnings"])
            for r in rows
            if r["kind"].startswith(kind)
        )

    quiet = all(errors(r, tool) == 0 for r in records for tool in _QUIET)
    kinds = {row["kind"] for record in records for row in table(record, "sanitizer")}
    ranks = table(new, "ranks_race")
    return {
        f"ran on an {new['machine']['device']}: ": True,
        f"pass with the real kernels on FlashInfer {of[-1]}: ": True,
        f"{' and '.join(_QUIET)} report nothing": quiet,
        "compute-sanitizer, W4A16 included": "w4a16" in kinds,
        "hazards in the micro kernel of the release that upstream pins and none in "
        f"that of {of[-1]}": errors(records[0], "racecheck", "micro")
        > 0
        == errors(new, "racecheck", "micro"),
        "On both it reports some in the dynamic kernel": all(
            errors(record, "racecheck", "dynamic") > 0 for record in records
        ),
        "racecheck reports nothing there": bool(ranks)
        and all(row["errors"] == row["warnings"] == 0 for row in ranks),
        "with the same tokens": all(
            len({row["what came of it"] for row in table(record, "engine")}) == 1
            for record in records
        ),
        **{
            f"Of {release} {_WORDS[len({*record['bundle']['models']})]} models were "
            "run, and not the series' tests": True
            for release, record in zip(of[:-1], records[:-1], strict=True)
            if "seed" not in record["parts"]
        },
    }


def sentences(records: Sequence[Record]) -> Iterator[str]:
    """The figures of README's section, in its words."""
    new = records[-1]
    (moe, gemm), (_, skipped) = (
        [row for row in table(new, "seed") if row["capability"] == capability]
        for capability in ("12.0", "12.1")
    )
    yield (
        f"{moe['passed']} of the MoE and {gemm['passed']} of the GEMM at capability "
        f"12.0; at 12.1 {_WORDS[skipped['skipped']]} of the GEMM are skipped"
    )
    models = {row["model"] for row in table(new, "models")}
    few = [m.name for m in hopper_models.models() if m.few and m.name in models]
    real = len(models - {"gpt-oss-like", *few})
    yield f"within {AT_TIES} in layers of {_WORDS[real]} real models and a gpt-oss-like"
    yield "at each of 1, 2, 4 and 8 ranks that the size allows"
    yield f"and of {_WORDS[len(few)]} more at two of these"
    small, layers, spread = (
        max(_counted(row.get(name, 0)) for r in records for row in table(r, part))
        for part, name in (
            ("regimes", "kernel-double"),
            ("models", "kernel-double"),
            ("models", "runs apart"),
        )
    )
    yield f"up to {_up(small)} away in small cases, up to {_up(layers)} in those layers"
    if spread:
        yield f"runs of the kernel itself are up to {_up(spread)} apart"
    yield f"same bits in {cases.RUNS} runs"
    yield f"{cases.LAYERS} layers in one CUDA graph"
    yield f"two lanes ran {cases.LAYERS // 2} layers each"
    if split := table(new, "ranks"):
        moes, linears = len(hopper_models.SPLIT), len(hopper_models.SPLIT_LINEAR)
        yield f"{_WORDS[moes]} MoE layers and {_WORDS[linears]} linear ones"
        yield f"were {max(row['TP 2 to TP 1'] for row in split):.2f} apart"
    stops = [r for r in _unended(new, "synccheck") if "Barrier" in r["first report"]]
    kinds = _WORDS[len(cases.KINDS)]
    yield f"synccheck stops in {_WORDS[len(stops)]} of {kinds} kinds"
    for record in records:
        for row in _unended(record, "racecheck"):
            of = record["machine"]["flashinfer-python"]
            seconds = re.sub(r"\D", "", row["first report"])
            yield f"racecheck of {of}'s {row['kind']} kernel {_UNENDED} {seconds} s"


def _errors(record: Record, readme: str) -> Iterator[str]:
    """Where the error table has other figures than the record, at 64 tokens."""
    (told,) = re.findall(r"\| output error, [^|]*\|[^|]*\|[^|]*\|", readme)
    sigmas, theirs, ours = (
        [float(n) for n in re.findall(r"\d\.\d+", cell)]
        for cell in told.strip("|").split("|")
    )
    columns = {"fork": ours, "upstream's flashinfer_b12x": theirs}
    if not _says(readme, "the real kernel, 64 tokens"):
        yield "README's error table has no '64 tokens'"
    ran = {row["sigma"] for row in table(record, "errors") if row["tokens"] == 64}
    yield from (
        f"README's error table has a sigma that did not run: {n}"
        for n in sigmas
        if n not in ran
    )
    for row in table(record, "errors"):
        if row["tokens"] != 64 or row["sigma"] not in sigmas:
            continue
        for name, figures in columns.items():
            said = figures[sigmas.index(row["sigma"])]
            most = max(_OURS, 0 if name == "fork" else _THEIRS * said)
            if not abs(row[name] - said) <= most:
                at = f"{row['checkpoint']}, sigma {row['sigma']}"
                yield f"README's error table has {said} for {name}, {at}: {row[name]}"


def _says(text: str, words: str) -> bool:
    """Whether they stand there, and are no part of other words or figures."""
    end = r"(?!\w)" if words[-1:].isalnum() else ""
    return bool(re.search(rf"(?<![\w.]){re.escape(words)}{end}", text))


def _unended(record: Record, tool: str) -> list[dict[str, Any]]:
    rows = table(record, "sanitizer")
    return [row for row in rows if row["tool"] == tool and row["launches"] == ""]


def _counted(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _up(value: float) -> str:
    return f"{math.ceil(round(value * 1000, 6)) / 1000:.3f}"
