# SPDX-License-Identifier: Apache-2.0
"""Upstream's own ruff, with its configuration, on what each patch touches.

Upstream's mypy is not run: it needs torch and the whole tree, minutes a time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.series.check.chain import Change, Step
from scripts.series.check.layout import HOOKS, lay, pin, sides
from scripts.series.check.places import added, place
from scripts.series.check.problem import Problem, Rule, printable
from scripts.upstream.sdist_contents import Source

_REQUIREMENTS = "requirements/maintainer.txt"


def check(steps: Iterable[Step], source: Source) -> Iterator[Problem]:
    """Findings that are there after a patch and were not there before it.

    Raises:
        Unusable: There is no ruff, or it cannot read upstream's configuration.
    """
    hooks = source.files.get(HOOKS)
    wanted = pin(hooks.data.decode("utf-8", "replace") if hooks else "")
    if (fault := _version_fault(wanted.version)) is not None:
        yield fault
        return
    with TemporaryDirectory(prefix="sm12x-check-") as scratch:
        # macOS and others reach their folder for such files through a link.
        top = Path(scratch).resolve()
        laid: dict[str, tuple[Step, Change]] = {}
        for count, step in enumerate(steps, 1):
            laid |= lay(top, f"{count:04}", step, source, wanted.exclude)
        if not laid:
            return
        files = [f for f in sides(laid) if (top / f).is_file()]
        yield from _lint(top, files, laid)
        yield from _format(top, files, laid)


def _version_fault(wanted: str | None) -> Problem | None:
    if wanted is None:
        return Problem("upstream.lock", 1, Rule.RUFF, f"{HOOKS} there pins no ruff")
    found = version()
    if found == wanted:
        return None
    path = ROOT / _REQUIREMENTS
    rows = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    at = next((i for i, row in enumerate(rows, 1) if row.startswith("ruff==")), 1)
    return Problem(
        _REQUIREMENTS,
        at,
        Rule.RUFF,
        f"upstream pins ruff {wanted}, here is {found}; "
        f"write ruff=={wanted} and renew .venv",
    )


@cache
def version() -> str:
    """Version of the ruff beside this Python.

    Raises:
        Unusable: There is none.
    """
    return run_ruff(ROOT, "--version").stdout.split()[-1]


def run_ruff(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the ruff beside this Python, and no settings of the environment's.

    Raises:
        Unusable: There is none, or it cannot run.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("RUFF_")}
    program = shutil.which("ruff", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [*([program] if program else [sys.executable, "-m", "ruff"]), *args],
        cwd=folder,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode not in (0, 1) or (done.returncode and not done.stdout):
        raise Unusable(
            "ruff cannot run",
            where=f"{sys.executable} -m ruff {args[0]}",
            found=done.stderr.strip()[-2000:] or f"exit code {done.returncode}",
            next=f"pip install -r {_REQUIREMENTS}",
        )
    return done


def _lint(
    top: Path, files: list[str], laid: Mapping[str, tuple[Step, Change]]
) -> Iterator[Problem]:
    done = run_ruff(
        top, "check", "--no-cache", "--force-exclude", "--output-format=json", *files
    )
    found: dict[str, list[tuple[str, str, int]]] = {}
    for row in json.loads(done.stdout):
        name = Path(row["filename"]).relative_to(top).as_posix()
        if row["code"] not in (None, "invalid-syntax"):  # the syntax rule's
            hit = (row["code"], row["message"], row["location"]["row"])
            found.setdefault(name, []).append(hit)
    for name, (step, change) in laid.items():
        old = Counter(hit[:2] for hit in found.get(name.replace("/b/", "/a/", 1), []))
        own = {line.number for line in added(change.diff)}
        # The patch's own lines come last, so that old findings elsewhere use
        # up what was there before it.
        for code, text, line in sorted(
            found.get(name, []), key=lambda hit: (hit[2] in own, hit[2])
        ):
            if old[code, text]:
                old[code, text] -= 1
                continue
            yield Problem(
                f"patches/{step.patch.name}",
                place(change.diff, line),
                Rule.RUFF,
                printable(f"{change.diff.path}:{line}: {code} {text}"),
            )


def _format(
    top: Path, files: list[str], laid: Mapping[str, tuple[Step, Change]]
) -> Iterator[Problem]:
    done = run_ruff(top, "format", "--no-cache", "--force-exclude", "--diff", *files)
    hits: dict[str, list[int]] = {}
    name, line = "", 0
    for row in done.stdout.split("\n"):
        if row.startswith("--- "):
            name = row[4:].split("\t")[0].removeprefix("./")
            hits[name] = []
        elif match := re.match(r"@@ -(\d+)", row):
            line = int(match[1])
        elif row.startswith("-") or (row.startswith("+") and row[:4] != "+++ "):
            hits[name].append(line)
            line += row[0] == "-"
        else:
            line += 1
    for name, (step, change) in laid.items():
        own = {line.number for line in added(change.diff)}
        clean = change.before is None or name.replace("/b/", "/a/", 1) not in hits
        bad = [n for n in hits.get(name, []) if clean or n in own]
        if bad:
            yield Problem(
                f"patches/{step.patch.name}",
                place(change.diff, bad[0]),
                Rule.FORMAT,
                f"{change.diff.path}:{bad[0]}: ruff format would change this",
            )
