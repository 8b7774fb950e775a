# SPDX-License-Identifier: Apache-2.0
"""What came out of `make hopper` on a Hopper GPU, one file a FlashInfer release.

SHA256SUMS beside them has each as STEP=record wrote it: what was changed by hand since,
within all bounds, is no measurement.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts import RECORDS
from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest, write
from scripts.hopper.complete import missing
from scripts.hopper.derived import impossible
from scripts.hopper.facts import untrue
from scripts.hopper.judge import broken
from scripts.hopper.results import load
from scripts.hopper.tables import Record, runs
from scripts.series.identity import Identity

FOLDER = RECORDS / "hopper"
SUMS = "SHA256SUMS"
_SHOWN = 40


def recorded(folder: Path = FOLDER, only: str | None = None) -> list[dict[str, Any]]:
    """Records of the repository, the oldest FlashInfer first.

    Args:
        folder: Where they are.
        only: A FlashInfer; else all.

    Raises:
        Finding: There is none, or one cannot be read.
        Unusable: There is none of that FlashInfer.
    """
    from packaging.version import Version

    found = [load(path) for path in folder.glob("*.json")]
    if only is not None and found:
        there = [release(record) for record in found]
        if only not in there:
            raise Unusable(
                "there is no record of this FlashInfer",
                where=str(folder),
                expected=", ".join(sorted(there, key=Version)),
                found=only,
                next="make hopper RECORDED=1",
            )
        found = [record for record in found if release(record) == only]
    if not found:
        raise Finding(
            "there is no record",
            where=str(folder),
            next="make hopper on a machine with a Hopper GPU, then STEP=record",
        )
    return sorted(found, key=lambda record: Version(release(record)))


def altered(folder: Path = FOLDER) -> list[str]:
    """Records that are not as STEP=record wrote them, a line each."""
    sums, there = _sums(folder), {path.name for path in folder.glob("*.json")}
    lines = [
        f"{name}: {SUMS} names it, and it is gone" for name in sums if name not in there
    ]
    lines += [f"{name}: it is not in {SUMS}" for name in sorted(there - sums.keys())]
    lines += [
        f"{name}: not as STEP=record wrote it, whose sha256 is {told}"
        for name, told in sums.items()
        if name in there and digest(folder / name) != told
    ]
    return lines


def _sums(folder: Path) -> dict[str, str]:
    path = folder / SUMS
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    pairs = ((line, *line.partition("  ")) for line in text.splitlines())
    return {name or line: told for line, told, _, name in pairs}


def release(record: Record) -> str:
    """The FlashInfer whose kernels ran."""
    return str(record["machine"]["flashinfer-python"])


def made_on(record: Record) -> Identity:
    """The series that it ran."""
    return Identity(record["bundle"]["tree"], record["bundle"].get("ran", ""))


def refused(
    record: Record, series: Identity, required: str, manifest: Record | None = None
) -> list[str]:
    """Why it may not be kept, a line each: bounds, what is missing, whose it is.

    Args:
        record: Of one run.
        series: The one that is here.
        required: The FlashInfer that the series requires.
        manifest: Of the bundle that lies here, if one does.
    """
    found = untrue(record, manifest) + broken(record) + impossible(record)
    found += missing(record, whole=release(record) == required)
    for theirs in map(made_on, runs(record)):
        if not theirs.same(series):
            trees = f"{theirs.tree}, not of {series.tree}, this one"
            found.append(f"bundle: of the patched tree {trees}")
    return found


def save(
    record: Record,
    series: Identity,
    required: str,
    manifest: Record | None = None,
    folder: Path = FOLDER,
) -> Path:
    """Write it, a row a line; arguments as of ``refused``.

    Raises:
        Finding: It may not be kept; nothing was written.
    """
    if why := refused(record, series, required, manifest):
        raise Finding(
            "this run is not kept; the record stays as it was",
            where=f"flashinfer-python {release(record)}",
            found="\n".join(why[:_SHOWN])
            + (f"\nand {len(why) - _SHOWN} more" if len(why) > _SHOWN else ""),
            next="look into each; scripts/hopper/judge.py has the bounds, complete.py "
            "what has to be there",
        )
    first, *others = map(_text, runs(record))
    if others:
        first = first[:-2] + ',\n"others": [\n' + ",\n".join(others) + "\n]\n}"
    path = folder / f"flashinfer-{release(record)}.json"
    write(path, f"{first}\n".encode())
    sums = {**_sums(folder), path.name: digest(path)}
    lines = [f"{told}  {name}\n" for name, told in sorted(sums.items())]
    write(folder / SUMS, "".join(lines).encode())
    return path


def _text(run: Record) -> str:
    """A run as JSON, a row a line."""
    parts = []
    for name, part in run["parts"].items():
        rows = ",\n".join(f"    {json.dumps(row)}" for row in part["rows"])
        columns = json.dumps(list(part["columns"]))
        start = f'  "{name}": {{"columns": {columns}, "failed": "", "rows": ['
        parts.append(f"{start}\n{rows}\n  ]}}")
    head = json.dumps({key: run[key] for key in ("machine", "bundle")}, indent=1)
    return head[:-2] + ',\n "parts": {\n' + ",\n".join(parts) + "\n }\n}"
