# SPDX-License-Identifier: Apache-2.0
"""The whole series in a work tree, and processes that have collected its tests.

evidence/cover/<digest>.json     in the cache: which test runs which line
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from scripts import IN_VLLM, ROOT
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.evidence import line_owners, warm
from scripts.evidence.stand import Stand
from scripts.evidence.warm import place
from scripts.upstream.cache import cache_dir
from scripts.upstream.environments import cpu_python, location, package_folder

PROGRAM = IN_VLLM / "mutant_tests.py"
COVERAGE = ROOT / "requirements" / "coverage.txt"


@dataclass(frozen=True)
class Ground:
    """The patched tree that the mutants are made of, and its tests."""

    stand: Stand
    tree: str
    folder: Path
    """A work tree that stands at `tree`."""

    def asked(self, cover: Path | None) -> dict[str, Any]:
        """The first line for mutant_tests.py."""
        return {
            "tree": str(self.folder),
            "files": dict(self.stand.own.files),
            "sources": sorted(line_owners.owners(self.stand.base, self.stand.steps)),
            "cover": None if cover is None else str(cover),
        }

    def key(self, *more: object) -> str:
        """Digest of the tree, what runs it, and `more`."""
        asked = {k: v for k, v in self.asked(None).items() if k != "tree"}
        digest = sha256(repr((self.tree, asked, location().name, more)).encode())
        for path in (PROGRAM, warm.PROGRAM):
            digest.update(path.read_bytes())
        return digest.hexdigest()


@contextmanager
def process(
    ground: Ground, cover: Path | None
) -> Iterator[tuple[warm.Tell, Callable[[], str]]]:
    """mutant_tests.py: a function that tells it something, and one that hears it."""
    home = ground.folder
    with warm.talk(cpu_python(), PROGRAM, home, home) as (tell, hear):
        tell(ground.asked(cover))
        yield tell, partial(hear, str(PROGRAM.relative_to(ROOT)))


def cover_map(ground: Ground) -> dict[str, Any]:
    """Which test runs which line, of the patched tree.

    Raises:
        Finding: A test fails there, or none runs.
    """
    key = ground.key(COVERAGE.read_text(encoding="utf-8"))
    path = cache_dir() / "evidence" / "cover" / f"{key}.json"
    if not path.exists():
        note("running the series' own tests once, with coverage")
        with process(ground, package_folder(COVERAGE)) as (_, hear):
            told = json.loads(hear())
        bad = [n for n, (o, _) in told["tests"].items() if o in ("failed", "error")]
        if bad or told["broken"] or not told["tests"]:
            raise Finding(
                "the series' own tests do not pass, so no mutant can be judged",
                found="\n".join([*bad, *told["broken"]][:12]),
                next="make test",
            )
        write(path, json.dumps(told).encode())
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def ground_of(stand: Stand) -> Ground:
    """The whole series in a work tree."""
    tree = stand.tree(stand.last)
    folder = stand.home / "tree-whole"
    place(stand.git, folder, tree)
    return Ground(stand, tree, folder)
