# SPDX-License-Identifier: Apache-2.0
"""What came out of `make hopper` on a Hopper GPU, one file a FlashInfer release.

SHA256SUMS beside them has each as STEP=record wrote it: what was changed by hand since,
within all bounds, is no measurement.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts import RECORDS
from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest, write
from scripts.hopper.complete import missing
from scripts.hopper.derived import impossible
from scripts.hopper.facts import untrue
from scripts.hopper.judge import broken
from scripts.in_vllm.hopper_cases import COLUMNS
from scripts.series.identity import Identity

FOLDER = RECORDS / "hopper"
SUMS = "SHA256SUMS"
Record = Mapping[str, Any]
_KEYS: dict[str, dict[str, type]] = {
    "machine": dict.fromkeys(
        ("device", "capability", "driver", "torch", "date", "flashinfer-python"), str
    ),
    "bundle": {"tree": str, "kinds": dict, "replaced": dict},
    "parts": {},
}
_CELL = (str, int, float)
_SHOWN = 40


def load(path: Path) -> dict[str, Any]:
    """A file that run.py wrote, or a record.

    Raises:
        Finding: It cannot be read, or is none.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _look(found)
    except (OSError, ValueError) as e:
        raise Finding(
            "this is no result of a run on a Hopper GPU",
            where=str(path),
            expected="the file that run.py --out names",
            found=str(e),
            next="make hopper STEP=run PYTHON=...",
        ) from e
    return found


def _look(found: Any) -> None:
    """Raise a ValueError, with the place, where it has another shape."""
    _is(found, dict, "it")
    for key, names in _KEYS.items():
        _is(found.get(key), dict, key)
        for name, kind in names.items():
            _is(found[key].get(name), kind, f"{key}.{name}")
    _is(found["bundle"].get("ran", ""), str, "bundle.ran")
    for name, part in found["parts"].items():
        _is(part, dict, f"parts.{name}")
        if name not in COLUMNS:
            raise ValueError(f"parts.{name} is not known")
        for key, kind in (("columns", list), ("rows", list), ("failed", str)):
            _is(part.get(key), kind, f"parts.{name}.{key}")
        columns = part["columns"]
        if part["rows"] and columns != [*COLUMNS[name]]:
            raise ValueError(f"parts.{name}.columns is {columns}")
        for number, row in enumerate(part["rows"]):
            at = f"parts.{name}.rows[{number}]"
            _is(row, list, at)
            if len(row) != len(columns) or not all(isinstance(c, _CELL) for c in row):
                raise ValueError(f"{at} is {json.dumps(row)[:200]}")


def _is(value: Any, kind: type, at: str) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{at} is {json.dumps(value)[:200]}, not a {kind.__name__}")


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


def merged(results: Iterable[Record]) -> dict[str, Any]:
    """Results of one bundle as one: parts may have been run apart.

    Raises:
        Finding: They are of different bundles or machines, or have the same rows.
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
            here = whole["parts"].get(name)
            if here is None:
                whole["parts"][name] = dict(part)
                continue
            shares = [set(one.get("of", ())) for one in (here, part)]
            if not all(shares) or shares[0] & shares[1]:
                raise Finding(
                    f"two results have the part {name}",
                    expected="each part once, or of other models or capabilities",
                    found=", ".join(sorted(shares[0] & shares[1])) or "no share named",
                    next="make hopper STEP=record RESULTS=..., each file once",
                )
            here["of"] = [*here["of"], *part["of"]]
            here["rows"] = [*here["rows"], *part["rows"]]
            here["failed"] = here["failed"] or part["failed"]
    return whole


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
    if not (theirs := made_on(record)).same(series):
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
    parts = []
    for name, part in record["parts"].items():
        rows = ",\n".join(f"    {json.dumps(row)}" for row in part["rows"])
        columns = json.dumps(list(part["columns"]))
        start = f'  "{name}": {{"columns": {columns}, "failed": "", "rows": ['
        parts.append(f"{start}\n{rows}\n  ]}}")
    head = json.dumps({key: record[key] for key in ("machine", "bundle")}, indent=1)
    text = head[:-2] + ',\n "parts": {\n' + ",\n".join(parts) + "\n }\n}\n"
    path = folder / f"flashinfer-{release(record)}.json"
    write(path, text.encode())
    sums = {**_sums(folder), path.name: digest(path)}
    lines = [f"{told}  {name}\n" for name, told in sorted(sums.items())]
    write(folder / SUMS, "".join(lines).encode())
    return path
