# SPDX-License-Identifier: Apache-2.0
"""What differs between a published file and the rebuilt one, for a person."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.errors import Finding, ForkError
from scripts.lock import Lock
from scripts.publish.build import sdist_is_whole, verified
from scripts.publish.pick import sdist_side, unpack, wheel_side
from scripts.sdist import members
from scripts.series.mailbox import Patch

MOST = 40
"""Lines of one kind that are printed; the rest is counted."""
SECONDS = 300
"""How long diffoscope may take."""
_CHUNK = 1 << 20


def explain(
    lock: Lock,
    patches: Sequence[Patch],
    published: Path,
    ours: Path,
    arch: str | None,
) -> Iterator[str]:
    """Lines that say where two files differ.

    Args:
        lock: The pin.
        patches: The series.
        published: The file in question.
        ours: What was built here.
        arch: Of a wheel; None for the source archive.
    """
    sizes = published.stat().st_size, ours.stat().st_size
    if sizes[0] != sizes[1]:
        yield f"size: published {sizes[0]:,} bytes, rebuilt {sizes[1]:,}"
    yield f"first difference at byte {first_difference(published, ours):,}"
    try:
        yield from few(_inside(lock, patches, published, ours, arch))
    except ForkError as e:
        yield str(e)
    try:
        yield from few(_shown(published, ours, arch))
    except ForkError as e:
        yield str(e)


def _inside(
    lock: Lock, patches: Sequence[Patch], published: Path, ours: Path, arch: str | None
) -> list[str]:
    if arch is not None:
        report = verified(lock, patches, published, arch)
        if report.ok:
            return ["every member is as the lock says; the bytes around them differ"]
        return [str(d) for d in report.differences]
    if sdist_is_whole(lock, patches, published):
        return [
            "the tar inside is the same, bytes and order: only the gzip around it "
            "differs, as another zlib makes it"
        ]
    sides = [_contents(path) for path in (published, ours)]
    found = list(compared(*sides))
    return found or ["the files inside are the same; order, owner or dates differ"]


def _shown(published: Path, ours: Path, arch: str | None) -> list[str]:
    """diffoscope on the members that differ, or on the files if none does."""
    if shutil.which("diffoscope") is None:
        return ["diffoscope is not installed; it would show the lines that differ"]
    side = wheel_side if arch else sdist_side
    with TemporaryDirectory(prefix="sm12x-differ-") as scratch:
        folders = Path(scratch, "published"), Path(scratch, "rebuilt")
        try:
            names = unpack(side(published), side(ours), folders)
        except Finding:  # no whole archive
            names = []
        return diffoscope(*folders) if names else diffoscope(published, ours)


def _contents(path: Path) -> dict[str, tuple[str, str]]:
    return {m.path: (f"{m.mode:o}", sha256(m.data).hexdigest()) for m in members(path)}


def compared(
    published: Mapping[str, tuple[str, str]], ours: Mapping[str, tuple[str, str]]
) -> Iterator[str]:
    """One line for each member that differs.

    >>> list(compared({"a": ("100644", "00")}, {"b": ("100644", "00")}))
    ['extra: a', 'missing: b']
    """
    for name in sorted({*published, *ours}):
        if name not in ours:
            yield f"extra: {name}"
        elif name not in published:
            yield f"missing: {name}"
        elif published[name] != ours[name]:
            right, found = ours[name], published[name]
            yield (
                f"content: {name}: expected mode {right[0]}, sha256 {right[1]}, "
                f"found mode {found[0]}, sha256 {found[1]}"
            )


def first_difference(one: Path, other: Path) -> int:
    """Offset, from 0, of the first byte that differs; the shorter size if none."""
    at = 0
    with one.open("rb") as a, other.open("rb") as b:
        while True:
            x, y = a.read(_CHUNK), b.read(_CHUNK)
            if x != y or not x:
                same = min(len(x), len(y))
                pairs = zip(x, y, strict=False)
                return at + next((i for i, (p, q) in enumerate(pairs) if p != q), same)
            at += len(x)


def few(lines: Sequence[str]) -> Iterator[str]:
    """The first lines, and how many more there are; nothing steers the terminal."""
    for line in lines[:MOST]:
        shown = (c if c.isprintable() else repr(c)[1:-1] for c in line.expandtabs())
        yield "".join(shown)
    if len(lines) > MOST:
        yield f"... and {len(lines) - MOST} more lines"


def diffoscope(published: Path, ours: Path) -> list[str]:
    """diffoscope's words on both, or why there are none."""
    program = shutil.which("diffoscope")
    if program is None:
        return [
            "diffoscope is not installed; with it, this shows the lines that differ"
        ]
    command = [program, "--text", "-", "--text-color", "never", "--no-progress"]
    with subprocess.Popen(
        [*command, str(published), str(ours)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # it starts other programs, which end with it
    ) as process:
        try:
            out, words = process.communicate(timeout=SECONDS)
        except BaseException as e:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(e, subprocess.TimeoutExpired):
                raise
            return [f"diffoscope took more than {SECONDS} seconds and was stopped"]
    if process.returncode not in (0, 1):  # 1: they differ
        raise Finding(
            f"diffoscope failed with exit code {process.returncode}",
            where=program,
            found=words.strip()[-500:],
            next="make verify-wheel WHEEL=..., which needs no diffoscope",
        )
    return ["diffoscope:", *out.splitlines()]
