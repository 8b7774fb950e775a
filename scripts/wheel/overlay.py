# SPDX-License-Identifier: Apache-2.0
"""The overlay: upstream's wheel with the series laid over it.

Compiled files and everything else that the series leaves alone go over as raw
bytes; what is new or changed is stored with a fixed date. Two builds anywhere
give the same bytes.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from scripts.base.console import bytes_progress
from scripts.base.errors import Finding, ForkError
from scripts.base.files import sweep, whole
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Artifact, Lock
from scripts.wheel import embedded_files, metadata, notice
from scripts.wheel.zip import copier
from scripts.wheel.zip.reader import STORED, Archive, Member, bad, read


def wheel_name(lock: Lock, upstream: str) -> str:
    """File name of the overlay: upstream's, with the fork's version.

    Raises:
        Finding: `upstream` does not carry the lock's version.
    """
    head = f"vllm-{lock.version}-"
    if not upstream.startswith(head):
        raise Finding("the base wheel has another version", upstream, head)
    return f"vllm-{lock.local_version}-{upstream.removeprefix(head)}"


def base_artifact(lock: Lock, base_wheel: Path) -> Artifact:
    """The pinned artifact that `base_wheel` is, by its name.

    Raises:
        Finding: The lock pins no such wheel.
    """
    for artifact in lock.wheels.values():
        if artifact.filename == base_wheel.name:
            return artifact
    raise Finding(
        "the base wheel is none that the lock pins",
        where=str(base_wheel),
        expected=" or ".join(a.filename for a in lock.wheels.values()),
        found=base_wheel.name,
        next="make wheel without WHEEL=, which fetches the pinned one",
    )


def member_data(archive: Archive) -> Callable[[str], bytes]:
    """Reads members of a wheel by name.

    Raises:
        Finding: (the result) The member is damaged.
    """
    by_name = {m.name: m for m in archive.members}

    def data(name: str) -> bytes:
        m = by_name[name]
        with archive.path.open("rb") as f:
            f.seek(m.data_at)
            raw = f.read(m.packed)
        try:
            out = raw if m.method == STORED else zlib.decompress(raw, -15)
        except zlib.error as e:
            raise bad(
                archive.path, "a member is damaged", "deflate", str(e), name
            ) from e
        if len(out) != m.size or zlib.crc32(out) != m.crc:
            raise bad(archive.path, "a member is damaged", "its CRC", "another", name)
        return out

    return data


def build(
    lock: Lock,
    patches: Sequence[Patch],
    base_wheel: Path,
    out_dir: Path,
    *,
    sdist: Callable[[], Path],
) -> Path:
    """Lay the series over the pinned upstream wheel.

    One run at a time may write a wheel of one name; the caller holds the lock.

    Args:
        lock: The pin; its release number and date go into the wheel, so the
            patched tree must be the one that it names.
        patches: The whole series.
        base_wheel: Upstream's wheel under its own name, digest verified.
        out_dir: Where the wheel goes; made if it is not there.
        sdist: Gives upstream's sdist, verified: the tree is derived from it.

    Returns:
        The path of the wheel.

    Raises:
        Finding: The series belongs to the source lane, does not apply or was
            edited, or the base wheel is not of the form that wheels have.
        Unusable: `out_dir` cannot be written, or the disk is full.
    """

    def judge() -> None:
        # Imported here: the copy begins before anything of it is needed.
        from scripts.series.lane import require_overlay
        from scripts.upstream.sdist_contents import source
        from scripts.wheel.inputs import patched_tree, require_tree

        require_overlay(patches, lambda want: source(sdist(), lock.sdist, want))
        require_tree(lock, patched_tree(lock, sdist(), patches))

    artifact = base_artifact(lock, base_wheel)
    target = out_dir / wheel_name(lock, base_wheel.name)
    with ThreadPoolExecutor(1) as beside, _in_turn():
        try:
            archive = read(base_wheel)
            entries = plan(lock, patches, archive, artifact, target.name, judge, beside)
        except ForkError:
            judge()  # what is wrong with the series is said first
            raise
        sweep(out_dir, target.name)
        with bytes_progress(target.name, artifact.size) as bar, whole(target) as f:
            copier.write(archive, entries, f, lock.epoch, bar.advance)
    return target


@contextmanager
def _in_turn() -> Iterator[None]:
    """Let the thread that copies go on at once when the kernel has done its part.

    By default it waits for 5 ms each time, as long as the other one computes.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def plan(
    lock: Lock,
    patches: Sequence[Patch],
    archive: Archive,
    artifact: Artifact,
    filename: str,
    judge: Callable[[], None],
    beside: Executor,
) -> Iterator[copier.Keep | copier.Put]:
    """What the overlay holds, in order; reads the base, writes nothing.

    While the kernel copies what comes before it, `beside` calls `judge`, whose error
    ends the wheel, and makes the bill of materials, whose library takes its time to
    load.
    """
    data = member_data(archive)
    members = {m.name: m for m in archive.members}
    old_info = f"vllm-{lock.version}.dist-info/"
    info = f"vllm-{lock.local_version}.dist-info/"
    for need in (
        embedded_files.VERSION_FILE,
        f"{old_info}METADATA",
        f"{old_info}RECORD",
    ):
        if need not in members:
            raise bad(archive.path, "a file of the wheel is missing", need, "none")

    def rename(name: str) -> str:
        return info + name.removeprefix(old_info) if name.startswith(old_info) else name

    change = embedded_files.derive(patches, members, data)
    put = {
        path: copier.Put(path, entry.data, _mode(path, entry.mode, members))
        for path, entry in change.put.items()
    }
    extra = {
        embedded_files.VERSION_FILE: metadata.version_file(
            data(embedded_files.VERSION_FILE), lock.version, lock.local_version
        ),
        f"{info}METADATA": metadata.metadata(
            data(f"{old_info}METADATA"),
            lock.version,
            lock.local_version,
            notice.NAME,
            lock.moved,
        ),
        f"{info}licenses/{notice.NAME}": notice.render(lock, patches, change),
    }
    bill = f"{info}sboms/{metadata.SBOM}"
    put |= {name: copier.Put(name, text) for name, text in extra.items()}
    kept = [m for m in archive.members if m.name not in change.gone]
    names = {m.name: rename(m.name) for m in kept}
    order = _order(list(names.values()), [*put, bill], info)
    before = order[: order.index(bill)]
    old = {new: members[was] for was, new in names.items()}

    def last() -> list[copier.Put]:
        judge()
        from scripts.wheel import sbom

        put[bill] = copier.Put(bill, sbom.render(lock, patches, artifact, filename))
        new = {name: p.data for name, p in put.items()}
        rows = metadata.read_record(data(f"{old_info}RECORD"), f"{old_info}RECORD")
        record = metadata.overlay_record(rows, names, new, change.gone, order)
        put[order[-1]] = copier.Put(order[-1], record)
        return [put[name] for name in order[len(before) :]]

    made = beside.submit(last)

    def entries() -> Iterator[copier.Keep | copier.Put]:
        yield from (put[n] if n in put else copier.Keep(old[n], n) for n in before)
        yield from made.result()

    return entries()


def _mode(path: str, mode: int, members: dict[str, Member]) -> int:
    if path in members:
        return members[path].mode
    # build_py drops the executable bit of modules and keeps it for data.
    return 0o100755 if mode == 0o100755 and not path.endswith(".py") else 0o100644


def _order(kept: list[str], put: list[str], info: str) -> list[str]:
    """Upstream's order, new files before .dist-info, RECORD last."""
    new = sorted(set(put) - set(kept))
    record = f"{info}RECORD"
    files = [n for n in kept if not n.startswith(info)]
    infos = [n for n in kept if n.startswith(info) and n != record]
    return [
        *files,
        *(n for n in new if not n.startswith(info)),
        *infos,
        *(n for n in new if n.startswith(info)),
        record,
    ]
