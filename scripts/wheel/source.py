# SPDX-License-Identifier: Apache-2.0
"""The source lane: upstream's own build, run on the patched tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from scripts.console import note
from scripts.errors import Finding, Unusable
from scripts.files import MAKE_ROOM, digest, one_run, sync_dir, write
from scripts.lock import Lock
from scripts.wheel import buildtools
from scripts.wheel.archive import unpack
from scripts.wheel.buildenv import BOTH, Environment, compose, launcher_of, machine

DEVICES = ("cuda", "empty")
_PART = ".part-"
# No index and no dependencies: nothing may bring another torch.
_PIP = ("--no-index", "--no-deps", "--no-build-isolation")


@dataclass(frozen=True)
class Build:
    """What was run, or would be."""

    tree: Path
    command: tuple[str, ...]
    environment: Environment
    wheel: Path | None
    """None for a dry run."""

    def __str__(self) -> str:
        if self.wheel:
            return str(self.wheel)
        added = (f"{k}={v}" for k, v in sorted(self.environment.added.items()))
        return "\n".join([*added, " ".join(self.command)])


def build(
    lock: Lock,
    archive: Path,
    out_dir: Path,
    work: Path,
    *,
    python: str,
    dry_run: bool = False,
    target_device: str = "cuda",
) -> Build:
    """Build a wheel from the patched source archive.

    The archive is unpacked below `work` and stays there, so that another run
    on the same archive compiles only what is missing.

    Args:
        lock: The pin.
        archive: What `scripts.wheel.archive.build` made.
        out_dir: Folder for the wheel.
        work: Folder for tree and objects, `build/source`.
        python: The interpreter to build with; it has torch and upstream's
            build requirements, nothing is installed into it.
        dry_run: Check the tools and say what would be run.
        target_device: `cuda`, or `empty` for a wheel without compiled files.

    Raises:
        Finding: The archive must not be used, or upstream's build failed.
        Unusable: Tools are missing or too old (all are named), `work` cannot
            be written, or another run is at work in it.
    """
    if target_device not in DEVICES:
        raise Unusable(
            "this device is not built here",
            expected=" or ".join(DEVICES),
            found=target_device,
            next="make wheel-source TARGET_DEVICE=cuda",
        )
    base = dict(os.environ)
    with one_run(work / ".lock", "wheel-source"):
        tree = prepare(archive, work)
        if dry_run:
            device = target_device or "no device"
            note(f"plan: {python} -m pip wheel {' '.join(_PIP)} {tree}")
            note(f"for {device}, {BOTH}, of {archive.name}; then the tools it needs:")
        found = buildtools.require(tree, python, base, target_device)
        path = f"{found.bin}:{base.get('PATH', '')}"
        which = {n: shutil.which(n, path=path) for n in ("sccache", "ccache")}
        environment = compose(
            base,
            lock,
            machine(),
            launcher=launcher_of(base, which),
            target_device=target_device,
            nvcc=found.nvcc,
            path=found.bin,
        )
        for line in environment.words:
            note(line)
        made = Path(tempfile.mkdtemp(prefix=f"wheel{_PART}", dir=work))
        pip = [found.program, "-m", "pip", "wheel", "--verbose", *_PIP]
        command = (*pip, "--wheel-dir", str(made), str(tree))
        try:
            wheel = None if dry_run else _run(lock, command, environment, made, out_dir)
        finally:
            shutil.rmtree(made)
    return Build(tree, command, environment, wheel)


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


def _run(
    lock: Lock,
    command: tuple[str, ...],
    environment: Environment,
    made: Path,
    out_dir: Path,
) -> Path:
    # Words of the build are progress: they go to stderr.
    done = subprocess.run(
        command, env=dict(environment.variables), stdout=2, check=False
    )
    wheels = list(made.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise Finding(
            f"upstream's build ended with exit code {done.returncode}",
            where=command[-1],
            found="its words are above",
            next="MAX_JOBS=1 make wheel-source, if it ran out of memory",
        )
    _, version, _, _ = parse_wheel_filename(wheels[0].name)
    if str(version) != lock.local_version:
        raise Finding(
            "the wheel has another version",
            where=wheels[0].name,
            expected=lock.local_version,
            found=str(version),
            next="make check; then make wheel-source on a clean build/source",
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    part = out_dir / f".{wheels[0].name}{_PART}"
    shutil.copyfile(wheels[0], part)
    with part.open("rb") as f:
        os.fsync(f.fileno())
    part.replace(out_dir / wheels[0].name)
    sync_dir(out_dir)
    return out_dir / wheels[0].name
