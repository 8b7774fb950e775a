# SPDX-License-Identifier: Apache-2.0
"""A forge to run the bot against: a bare repository, an index, and a `gh` of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ci.bot import Result, bot
from ci.forge_state import Wanted
from ci.github import GitHub
from ci.plan import Act
from ci.steps import Step
from scripts.checkout import Checkout
from tests.unit.package_index import Site
from tests.unit.small import Small, git
from tests.unit.small_files import SPDX, pack, upstream

NEW = "1.3.0"
OPENED = (Act.PUSH, Act.OPEN_PULL)
BRANCH = f"bot/vllm-{NEW}"
KERNEL = "vllm/config/kernel.py"
MOVED = {KERNEL: ('"""Kernel selection."""', '"""Kernel selection.\n\nAll.\n"""')}
"""Upstream's edit that only moves the series."""
BESIDE = {KERNEL: ('    "marlin",\n', '    "marlin",\n    "humming",\n')}
"""Upstream's edit beside ours, which a merge by syntax carries."""
REWRITTEN = {
    KERNEL: (
        "    def is_auto",
        "    def check(self) -> None:\n        raise NotImplementedError\n\n"
        "    def is_auto",
    )
}
"""Upstream's edit that only a person can meet."""
PINS = "".join(
    f"{name}==1.0\n" for name in ("flashinfer-python", "nvidia-cutlass-dsl", "torch")
)
GOOD = (
    Step("check", ("-c", "print('all is well')")),
    Step(
        "tests", ("-c", "import random; print(f'3 passed in {random.random()}s')"), True
    ),
)
BAD = (
    GOOD[0],
    Step(
        "tests",
        (
            "-c",
            "import random, sys\n"
            "names = ['FAILED tests/b.py::t', 'FAILED tests/a.py::t']\n"
            "random.shuffle(names)\n"
            "print(*names, f'2 failed in {random.random()}s', sep='\\n')\n"
            "sys.exit(1)",
        ),
    ),
    Step("wheel", ("-c", "raise SystemExit('not reached')")),
)
"""Steps of which one fails, in words that differ from run to run."""


@dataclass(frozen=True)
class World:
    """A checkout of the small series, its forge, and the index."""

    small: Small
    site: Site
    remote: Path
    gh: Path
    """The forge's JSON file."""

    @property
    def at(self) -> Checkout:
        return Checkout(self.small.root)

    @property
    def forge(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.gh.read_text(encoding="utf-8"))
        return state

    def change(self, **values: Any) -> None:
        """Set values of the forge's file."""
        self.gh.write_text(json.dumps(self.forge | values), encoding="utf-8")

    def edit(self, kind: str, **values: Any) -> None:
        """Set values of the last pull request or issue."""
        rows = self.forge[kind]
        rows[-1] |= values
        self.change(**{kind: rows})

    def label(self, kind: str, name: str) -> None:
        row = self.forge[kind][-1]
        self.edit(kind, labels=[*row["labels"], {"name": name}])

    def release(
        self,
        edits: Mapping[str, tuple[str, str]] = MOVED,
        version: str = NEW,
        kinds: Sequence[str] = ("sdist", "x86_64", "aarch64"),
    ) -> None:
        """Offer a release on the index."""
        files = upstream() | {"requirements/cuda.txt": PINS.encode()}
        mine = {
            "vllm/_version.py": (
                "version = '1.2.3'\n__version_tuple__",
                f"version = '{version}'\n__version_tuple__",
            )
        }
        for path, (old, new) in {**edits, **mine}.items():
            assert files[path].count(old.encode()) == 1, (path, old)
            files[path] = files[path].replace(old.encode(), new.encode())
        made = self.small.root / "build" / "made.tar.gz"
        made.parent.mkdir(exist_ok=True)
        pack(files, made)
        if "sdist" in kinds:
            self.site.add(f"vllm-{version}.tar.gz", made.read_bytes())
        for arch in ("x86_64", "aarch64"):
            if arch in kinds:
                name = f"vllm-{version}-cp38-abi3-manylinux_2_28_{arch}.whl"
                self.site.add(name, f"{version} {arch}".encode())

    def run(
        self, steps: Sequence[Step] = GOOD, *, apply: bool = True, **more: Any
    ) -> Result:
        """Run the whole bot in this process."""
        wanted = replace(Wanted(apply=apply), **more)
        return bot(self.at, wanted, GitHub(self.small.root), steps)

    def calls(self) -> list[str]:
        """Commands that changed something at the forge since the last question."""
        state = self.forge
        found = [c for c in state["calls"] if not c.endswith(" list")]
        self.change(calls=[])
        return found

    def tip(self, branch: str = BRANCH) -> str:
        """Commit id of a branch at the forge; empty if there is none."""
        ref = f"refs/heads/{branch}"
        return git(self.remote, "for-each-ref", "--format=%(objectname)", ref)

    def commit(self, name: str, text: str) -> None:
        """Commit a file to main, and push it."""
        (self.small.root / name).write_text(text, encoding="utf-8")
        git(self.small.root, "add", "-A")
        git(self.small.root, "commit", "-q", "-m", name)
        git(self.small.root, "push", "-q", "origin", "main")


def person(world: World, message: str = "by hand") -> None:
    """A commit of a person on the bot's branch, pushed from elsewhere."""
    clone = world.gh.parent / "person"
    git(world.gh.parent, "clone", "-q", "-b", BRANCH, str(world.remote), str(clone))
    (clone / "upstream.lock").write_text(SPDX, encoding="utf-8")
    git(clone, "commit", "-q", "-a", "-m", message)
    git(clone, "push", "-q", "origin", BRANCH)


def pull_of(world: World) -> dict[str, str]:
    """The one pull request at the forge."""
    rows = world.forge["pulls"]
    assert len(rows) == 1
    row: dict[str, str] = rows[0]
    return row
