# SPDX-License-Identifier: Apache-2.0
"""The usual tools on a whole series: a patch that fails is left out, and it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.series.mailbox import Patch


@dataclass(frozen=True)
class Applied:
    """A patch that a tool says it applied."""

    patch: str
    files: Mapping[str, tuple[bytes | None, bytes | None]]
    """Each file that the patch names, before and after."""


@dataclass
class Place:
    """A work tree that stands at the new release."""

    path: Path
    base: str
    tip: str
    release: str
    patches: Sequence[Patch]
    mails: Sequence[Path]
    spent_reading: float = 0.0
    """Seconds that the measurement itself took."""

    def read(self, patch: Patch) -> dict[str, bytes | None]:
        """The patch's files as they are now."""
        start = time.perf_counter()
        found: dict[str, bytes | None] = {}
        for change in patch.files:
            file = self.path / change.path
            found[change.path] = file.read_bytes() if file.is_file() else None
        self.spent_reading += time.perf_counter() - start
        return found

    def run(self, *argv: str) -> bool:
        env = {
            k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "QUILT"))
        }
        env |= {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_COMMITTER_NAME": "x",
            "GIT_COMMITTER_EMAIL": "x@example.org",
            "GIT_EDITOR": "true",
            "QUILT_PATCHES": str(self.path / ".series"),
            "LC_ALL": "C",
        }
        done = subprocess.run(
            argv,
            cwd=self.path,
            env=env,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode == 0


def _applied(
    patch: Patch, before: dict[str, bytes | None], after: dict[str, bytes | None]
) -> Applied:
    return Applied(patch.name, {p: (before[p], after[p]) for p in before})


def _each(
    place: Place, apply: Callable[[Path], bool], skip: Callable[[], object]
) -> list[Applied]:
    found = []
    for patch, mail in zip(place.patches, place.mails, strict=True):
        before = place.read(patch)
        if apply(mail):
            found.append(_applied(patch, before, place.read(patch)))
        else:
            skip()
    return found


def _am(*options: str) -> Callable[[Place], list[Applied]]:
    def carry(place: Place) -> list[Applied]:
        return _each(
            place,
            lambda mail: place.run(
                "git", "am", "-q", "--keep-non-patch", *options, str(mail)
            ),
            lambda: place.run("git", "am", "--abort"),
        )

    return carry


def _rebase(place: Place) -> list[Applied]:
    """One rebase of all commits; what it skips is seen by the commits it makes."""
    going = place.run(
        "git", "rebase", "-q", "--onto", place.release, place.base, place.tip
    )
    for _ in place.patches:
        if going:
            break
        going = place.run("git", "rebase", "--skip")
    start = time.perf_counter()
    log = subprocess.run(
        ["git", "log", "--reverse", "--format=%H %s", f"{place.release}..HEAD"],
        cwd=place.path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    by_subject = {p.subject: p for p in place.patches}
    found = []
    for row in log.splitlines():
        commit, _, subject = row.partition(" ")
        patch = by_subject[subject]
        files = {
            c.path: (_show(place, f"{commit}^", c.path), _show(place, commit, c.path))
            for c in patch.files
        }
        found.append(Applied(patch.name, files))
    place.spent_reading += time.perf_counter() - start
    return found


def _show(place: Place, commit: str, path: str) -> bytes | None:
    done = subprocess.run(
        ["git", "show", f"{commit}:{path}"],
        cwd=place.path,
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def _patch(place: Place) -> list[Applied]:
    options = ("patch", "-p1", "-F0", "-s", "--batch")
    return _each(
        place,
        # It leaves half a patch behind when it fails, so it is asked first.
        lambda mail: (
            place.run(*options, "--dry-run", "-i", str(mail))
            and place.run(*options, "-i", str(mail))
        ),
        lambda: None,
    )


def _quilt(place: Place) -> list[Applied]:
    series = place.path / ".series"
    series.mkdir()
    listing = series / "series"
    kept: list[str] = []

    def push(mail: Path) -> bool:
        shutil.copy(mail, series / mail.name)
        listing.write_text("".join(f"{n}\n" for n in [*kept, mail.name]), "utf-8")
        if place.run("quilt", "--quiltrc=-", "push", "-q"):
            kept.append(mail.name)
            return True
        return False

    def skip() -> None:
        listing.write_text("".join(f"{n}\n" for n in kept), "utf-8")

    return _each(place, push, skip)


@dataclass(frozen=True)
class Peer:
    """A usual tool."""

    program: str
    carry: Callable[[Place], list[Applied]]


PEERS: Mapping[str, Peer] = {
    "git am": Peer("git", _am()),
    "git am -3": Peer("git", _am("-3")),
    "git rebase": Peer("git", _rebase),
    "patch -p1 -F0": Peer("patch", _patch),
    "quilt push": Peer("quilt", _quilt),
}
