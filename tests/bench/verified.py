# SPDX-License-Identifier: Apache-2.0
"""What verify-wheel costs as a wheel grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scripts.base.files import digest, whole
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Artifact, Lock
from scripts.wheel.inputs import arch_of
from scripts.wheel.metadata import read_record, write_record
from scripts.wheel.overlay import build, member_data
from scripts.wheel.verify import verify
from scripts.wheel.zip import copier, reader
from tests.bench.growth import steps
from tests.bench.measure import stopwatch
from tests.bench.report import Row
from tests.bench.sandbox import Sandbox

SHARES = (0.0, 0.25, 1.0)
"""Of the bytes of upstream's compiled files that a wheel keeps."""
NOTES = """\
verify: seconds of the processor for wheels with none, a quarter and all of upstream's
  compiled bytes, the largest files left out first. An exponent of 1 is linear in the
  wheel's bytes, and so is the aim; below 1 a part does not grow."""


def rows(box: Sandbox) -> list[Row]:
    """Measure on upstream's wheel."""
    return measure(
        *(box.lock, box.patches, box.base_wheel, box.sdist),
        *(SHARES, box.root / "sizes", box.rounds),
    )


def smaller(wheel: Path, share: float, out: Path, epoch: int) -> Path:
    """The wheel with so much of its compiled files' bytes, under the same name."""
    archive = reader.read(wheel)
    data = member_data(archive)
    compiled = [m for m in archive.members if m.name.endswith(".so")]
    room = share * sum(m.packed for m in compiled)
    left_out = set()
    for m in sorted(compiled, key=lambda m: m.packed, reverse=True):
        if sum(x.packed for x in compiled if x.name not in left_out) > room:
            left_out.add(m.name)
    (record,) = (m.name for m in archive.members if m.name.endswith("/RECORD"))
    lines = [r for r in read_record(data(record), record) if r.name not in left_out]
    entries: list[copier.Keep | copier.Put] = [
        copier.Put(m.name, write_record(lines), m.mode)
        if m.name == record
        else copier.Keep(m, m.name)
        for m in archive.members
        if m.name not in left_out
    ]
    with whole(out / wheel.name) as f:
        copier.write(archive, entries, f, epoch)
    return out / wheel.name


def measure(
    lock: Lock,
    patches: Sequence[Patch],
    base: Path,
    sdist: Path,
    shares: Sequence[float],
    folder: Path,
    rounds: int,
) -> list[Row]:
    """Rows from one size of the overlay to the next.

    Args:
        lock: The pin.
        patches: The series.
        base: Upstream's wheel.
        sdist: Its sdist.
        shares: Parts of the compiled bytes to keep, rising.
        folder: For the wheels; made.
        rounds: How often each is verified.
    """
    wheels: dict[int, tuple[Path, Lock, Path]] = {}
    for share in shares:
        place = folder / f"{share:.2f}"
        kept = smaller(base, share, place / "base", lock.epoch)
        one = Artifact(base.name, kept.stat().st_size, digest(kept))
        pin = replace(lock, wheels={arch_of(lock, base): one})
        made = build(pin, patches, kept, place, sdist=lambda: sdist)
        wheels[made.stat().st_size] = made, pin, kept

    def verified(size: int) -> float:
        made, pin, kept = wheels[size]
        with stopwatch() as watch:
            assert verify(made, pin, patches, kept, sdist).ok
        return watch.took.processor

    words = "{:.1f}".format
    sizes = sorted(wheels)
    return steps(
        "verify-wheel", verified, sizes, rounds, lambda n: words(n / 1e6), "MB"
    )
