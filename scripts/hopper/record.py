# SPDX-License-Identifier: Apache-2.0
"""What came out of `make hopper` on a Hopper GPU, one file a FlashInfer release."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts import ROOT
from scripts.errors import Finding
from scripts.files import write
from scripts.hopper.judge import broken

FOLDER = ROOT / "tests" / "hardware" / "hopper" / "recorded"
Record = Mapping[str, Any]
_KEYS = ("machine", "bundle", "parts")


def load(path: Path) -> dict[str, Any]:
    """A file that run.py wrote, or a record.

    Raises:
        Finding: It cannot be read, or is none.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if missing := [key for key in _KEYS if key not in found]:
            raise ValueError(f"it has no {', '.join(missing)}")
    except (OSError, ValueError) as e:
        raise Finding(
            "this is no result of a run on a Hopper GPU",
            where=str(path),
            expected="the file that run.py --out names",
            found=str(e),
            next="make hopper STEP=run PYTHON=...",
        ) from e
    return found


def recorded(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """All records of the repository, the oldest FlashInfer first.

    Raises:
        Finding: There is none, or one cannot be read.
    """
    from packaging.version import Version

    found = [load(path) for path in folder.glob("*.json")]
    if not found:
        raise Finding(
            "there is no record",
            where=str(folder),
            next="make hopper on a machine with a Hopper GPU, then STEP=record",
        )
    return sorted(found, key=lambda record: Version(release(record)))


def release(record: Record) -> str:
    """The FlashInfer whose kernels ran."""
    return str(record["machine"]["flashinfer-python"])


def merged(results: Iterable[Record]) -> dict[str, Any]:
    """Results of one bundle as one: parts may have been run apart.

    Raises:
        Finding: They are of different bundles or machines.
    """
    first, *others = results
    whole = {key: first[key] for key in _KEYS}
    whole["parts"] = {name: dict(part) for name, part in first["parts"].items()}
    for other in others:
        for key in ("machine", "bundle"):
            if other[key] != whole[key]:
                raise Finding(
                    f"results of different {key}s make no record",
                    expected=json.dumps(whole[key])[:300],
                    found=json.dumps(other[key])[:300],
                    next="make hopper STEP=record RESULTS=..., of one run alone",
                )
        for name, part in other["parts"].items():
            here = whole["parts"].setdefault(name, dict(part) | {"rows": []})
            here["rows"] = [*here["rows"], *part["rows"]]
            here["failed"] = here["failed"] or part["failed"]
            here["cut"] = here.get("cut") or part.get("cut", "")
    return whole


def save(record: Record, folder: Path = FOLDER) -> Path:
    """Write it, a row a line.

    Raises:
        Finding: A part failed or a bound is broken, so that it proves nothing.
    """
    if why := broken(record):
        raise Finding(
            "a run that broke a bound is not kept",
            found="\n".join(why[:20]),
            next="look into each; scripts/hopper/judge.py has the bounds",
        )
    parts = []
    for name, part in record["parts"].items():
        rows = ",\n".join(f"    {json.dumps(row)}" for row in part["rows"])
        columns = json.dumps(list(part["columns"]))
        cut = json.dumps(part.get("cut", ""))
        start = (
            f'  "{name}": {{"columns": {columns}, "failed": "", "cut": {cut}, "rows": ['
        )
        parts.append(f"{start}\n{rows}\n  ]}}")
    head = json.dumps({key: record[key] for key in ("machine", "bundle")}, indent=1)
    text = head[:-2] + ',\n "parts": {\n' + ",\n".join(parts) + "\n }\n}\n"
    path = folder / f"flashinfer-{release(record)}.json"
    write(path, text.encode())
    return path
