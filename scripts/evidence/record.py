# SPDX-License-Identifier: Apache-2.0
"""What mutants came to, kept in the repository, and those argued equivalent.

records/mutants.json     per patch: the lines it was measured on, counts, survivors;
                         written by `make mutants UPDATE=1`
records/equivalent.toml  a reason for each mutant that changes nothing
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scripts import RECORDS
from scripts.base import decode
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.evidence import line_owners
from scripts.evidence.mutants import Ended
from scripts.evidence.stand import Stand

RECORD = RECORDS / "mutants.json"
EQUIVALENT = RECORDS / "equivalent.toml"
GOAL = 0.9
"""Share of the mutants, without equivalent ones, that the tests have to kill."""


@dataclass(frozen=True)
class Measured:
    """The mutants of one patch."""

    lines: str
    """Digest of the lines that they were made of."""
    total: int
    """Without those that are argued equivalent."""
    killed: int
    equivalent: int = 0
    survivors: tuple[Mapping[str, str], ...] = field(default=())
    """`key`, `where`, `what` and `line` of each."""


@dataclass(frozen=True)
class _Record:
    patches: dict[str, Measured]


def equivalents(path: Path = EQUIVALENT) -> dict[str, str]:
    """Reason by mutant.

    Raises:
        Finding: An entry has no reason, or two speak of one mutant.
    """
    if not path.exists():
        return {}
    found: dict[str, str] = {}
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])
    for entry in entries:
        key, reason = entry.get("key", ""), entry.get("reason", "").strip()
        if not key or len(reason.split()) < 4 or key in found:
            raise Finding(
                "an entry argues for no mutant, or not at all, or again",
                where=f"{path.name}: {key or entry}",
                expected="key, line, what, and a reason that is a sentence",
                found=reason or "no reason",
                next=f"fix that entry of {path.name}",
            )
        found[key] = reason
    return found


def measured(
    stand: Stand, ended: Iterable[Ended], argued: Mapping[str, str]
) -> dict[str, Measured]:
    """Counts by patch, of the patches that `ended` speaks of."""
    owned = line_owners.owners(stand.base, stand.steps)
    last = stand.last
    by_patch: dict[str, list[Ended]] = {}
    for each in ended:
        by_patch.setdefault(each.mutant.patch, []).append(each)
    found = {}
    for number, all_ in sorted(by_patch.items()):
        left = [e for e in all_ if not e.killed]
        equal = [e for e in left if e.mutant.key in argued]
        found[number] = Measured(
            lines=line_owners.digest(number, owned, last),
            total=len(all_) - len(equal),
            killed=len(all_) - len(left),
            equivalent=len(equal),
            survivors=tuple(_shown(e) for e in left if e not in equal),
        )
    return found


def _shown(ended: Ended) -> dict[str, str]:
    mutant = ended.mutant
    return {
        "key": mutant.key,
        "where": f"{mutant.path}:{mutant.line}",
        "what": mutant.what,
        "line": mutant.text,
    }


def unused(ended: Sequence[Ended], argued: Mapping[str, str]) -> list[str]:
    """Keys that are argued equivalent and are no mutant, or are killed."""
    alive = {e.mutant.key for e in ended if not e.killed}
    return sorted(argued.keys() - alive)


def load(path: Path = RECORD) -> dict[str, Measured]:
    """The repository's record, empty where there is none."""
    if not path.exists():
        return {}
    again = f"git checkout -- {path}, or make mutants UPDATE=1"
    return decode.read(
        path, _Record, "the record of the mutants is none", again
    ).patches


def save(found: Mapping[str, Measured], path: Path = RECORD) -> None:
    """Write the record."""
    told = {"patches": {number: asdict(each) for number, each in sorted(found.items())}}
    write(path, json.dumps(told, indent=1).encode() + b"\n")


def current(stand: Stand, path: Path = RECORD) -> dict[str, Measured]:
    """Of the record, what was measured on the lines that a patch has now."""
    owned = line_owners.owners(stand.base, stand.steps)
    last = stand.last
    return {
        number: each
        for number, each in load(path).items()
        if each.lines == line_owners.digest(number, owned, last)
    }
