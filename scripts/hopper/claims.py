# SPDX-License-Identifier: Apache-2.0
"""What README prints of the real kernels: written of the records, and held to them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from scripts import ROOT
from scripts.base.errors import Finding
from scripts.hopper.complete import missing
from scripts.hopper.derived import impossible
from scripts.hopper.facts import untrue
from scripts.hopper.judge import broken
from scripts.hopper.known import HELD
from scripts.hopper.section import ERRORS, HEAD, errors, section, unborne
from scripts.hopper.tables import Record, ran
from scripts.in_vllm import hopper_cases as cases
from scripts.series.identity import Identity

README = ROOT / "README.md"
_SECTION = re.compile(rf"^{re.escape(HEAD)}\n.*?(?=^## |\Z)", re.M | re.S)
_ERRORS = re.compile(rf"^{re.escape(ERRORS)}.*$", re.M)


def contradicted(
    records: Sequence[Record],
    required: str,
    readme: str,
    series: Identity,
    alone: bool = False,
) -> list[str]:
    """What speaks against the records, or in README against them; a line each.

    Args:
        records: The newest FlashInfer last.
        required: The FlashInfer that the series requires.
        readme: Its text.
        series: The one that is here: README says whether the records are of it.
        alone: The record of one was asked for: README, which is of all, is not looked
            at.
    """
    there = [record["machine"]["flashinfer-python"] for record in records]
    kept = () if alone else (*HELD, required)
    found = [f"flashinfer-python {of}: no record" for of in kept if of not in there]
    for record in records:
        of = record["machine"]["flashinfer-python"]
        whole = of == required
        lines = untrue(record, None) + broken(record) + impossible(record)
        lines += missing(record, whole)
        left = [name for name in cases.PAIR if name not in ran(record)]
        lines += [f"{name}: it was not run" for name in left if whole]
        found += [f"flashinfer-python {of}: {line}" for line in lines]
    if found or alone:
        return found
    found = [f"README says, and the records do not: {it}" for it in unborne(records)]
    return [*found, *_differences(readme, written(readme, records, series))]


def written(readme: str, records: Sequence[Record], series: Identity) -> str:
    """README with what the records say in it.

    Raises:
        Finding: It has no section on the kernels, or no row of errors.
    """
    for what, pattern, text in (
        ("section on the kernels", _SECTION, f"{section(records, series)}\n"),
        ("row of the real kernel's errors", _ERRORS, errors(records[-1])),
    ):
        readme, count = pattern.subn(lambda _, text=text: text, readme)  # type: ignore[misc]
        if count != 1:
            raise Finding(
                f"README has {count} times the {what}",
                where=README.name,
                expected=text.partition("\n")[0],
                next="write that line again, then: make hopper STEP=readme",
            )
    return readme


def _differences(here: str, there: str) -> Iterator[str]:
    lines = difflib.ndiff(here.splitlines(), there.splitlines())
    side = {"-": "README has, and the records do not", "+": "the records say"}
    for line in lines:
        if line[0] in side:
            yield f"{side[line[0]]}: {line[2:]}"
