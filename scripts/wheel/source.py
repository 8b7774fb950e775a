# SPDX-License-Identifier: Apache-2.0
"""The source lane: upstream's own build, run on the patched tree."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from scripts.base.console import note
from scripts.base.errors import Unusable
from scripts.base.files import MAKE_ROOM, digest, write
from scripts.upstream.lock import Lock
from scripts.wheel import buildtools
from scripts.wheel.buildenv import BOTH, added, kept, machine
from scripts.wheel.patched_sdist import unpack

DEVICES = ("cuda", "empty")
_PART = ".part-"
# No index and no dependencies: nothing may bring another torch.
_PIP = ("--verbose", "--no-index", "--no-deps", "--no-build-isolation")


@dataclass(frozen=True)
class Plan:
    """What is run; `str` of it is a script for sh that does the same."""

    tree: Path
    script: str
    """Upstream's build, then the wheel to its place, whole."""
    added: dict[str, str]
    variables: dict[str, str]
    """All of the environment, what is added included."""

    def __str__(self) -> str:
        rows = (f"export {k}={shlex.quote(v)}" for k, v in sorted(self.added.items()))
        return "\n".join([*rows, self.script])


def plan(
    lock: Lock,
    archive: Path,
    out_dir: Path,
    work: Path,
    *,
    python: str,
    target_device: str = "cuda",
) -> Plan:
    """Make ready to build a wheel from the patched source archive.

    The archive is unpacked below `work` and stays there, so that another run
    on the same archive compiles only what is missing.

    Args:
        lock: The pin.
        archive: What `scripts.wheel.patched_sdist.build` made.
        out_dir: Folder for the wheel.
        work: Folder for tree and objects, `build/source`.
        python: The interpreter to build with; it has torch and upstream's
            build requirements, nothing is installed into it.
        target_device: `cuda`, or `empty` for a wheel without compiled files.

    Raises:
        Finding: The archive must not be used.
        Unusable: Tools are missing or too old (all are named), or `work` cannot
            be written.
    """
    if target_device not in DEVICES:
        raise Unusable(
            "this device is not built here",
            expected=" or ".join(DEVICES),
            found=target_device,
            next="make wheel-source TARGET_DEVICE=cuda",
        )
    tree = prepare(archive, work)
    note(f"plan: {python} -m pip wheel {' '.join(_PIP)} {tree}")
    note(f"for {target_device}, {BOTH}, of {archive.name}; it needs these tools:")
    found = buildtools.require(tree, python, os.environ, target_device)
    more = added(
        os.environ,
        lock,
        machine(),
        target_device=target_device,
        nvcc=found.nvcc,
        first=found.bin,
    )
    made, out = work.absolute() / f"wheel{_PART}made", out_dir.absolute()
    pip = (found.program, "-m", "pip", "wheel", *_PIP, "--wheel-dir", str(made))
    script = [
        "made=" + shlex.quote(str(made)),
        "out=" + shlex.quote(str(out)),
        f'part="$out/.wheel{_PART}source"',
        'rm -rf "$made" "$part"',
        # Words of the build are progress.
        f"{shlex.join((*pip, str(tree)))} >&2",
        # Over another file system a move is a copy, which may be cut off.
        'mkdir -p "$part"',
        'mv "$made"/*.whl "$part"/',
        'mv -v "$part"/*.whl "$out"/',
        'rmdir "$made" "$part"',
    ]
    return Plan(tree, "\n".join(script), more, {**kept(os.environ), **more})


def run(made_ready: Plan, held: int) -> NoReturn:
    """Become the build, which ends with pip's own exit code.

    Args:
        made_ready: What to run.
        held: The lock on the tree, which the build keeps.
    """
    note("if it runs out of memory: MAX_JOBS=1 make wheel-source")
    os.set_inheritable(held, True)
    command = ["sh", "-euc", made_ready.script]
    os.execve("/bin/sh", command, made_ready.variables)


def prepare(archive: Path, work: Path) -> Path:
    """Unpack the archive below `work`, unless its tree is there already.

    Raises:
        Finding: The archive must not be used; nothing of it is left.
        Unusable: `work` cannot be written.
    """
    tree = work / archive.name.removesuffix(".tar.gz")
    stamp = work / f"{tree.name}.sha256"
    sha256 = digest(archive)
    if tree.is_dir() and stamp.is_file() and stamp.read_text("ascii") == sha256:
        return tree
    note(f"unpacking {archive.name}")
    try:
        work.mkdir(parents=True, exist_ok=True)
        for left in work.glob(f"*{_PART}*"):
            shutil.rmtree(left)
        stamp.unlink(missing_ok=True)
        if tree.exists():
            shutil.rmtree(tree)
        part = Path(tempfile.mkdtemp(prefix=f"{tree.name}{_PART}", dir=work))
        try:
            unpack(archive, part)
            part.chmod(0o755)
            part.rename(tree)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as e:
        raise Unusable(
            f"cannot unpack the source: {e.strerror or e}",
            where=str(e.filename or work),
            next=MAKE_ROOM,
        ) from e
    write(stamp, sha256.encode("ascii"))
    return tree
