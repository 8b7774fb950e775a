# SPDX-License-Identifier: Apache-2.0
"""The steps of `make hopper`: make a bundle, run it, find its results."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts import lock as lockfile
from scripts.checkout import Checkout
from scripts.console import note
from scripts.errors import Finding, Unusable
from scripts.files import one_run
from scripts.hardware import gpu
from scripts.hopper import prepare

RESULTS = "results*.json"


def prepared(
    at: Checkout, release: str, bundle: Path, models: tuple[str, ...] = ()
) -> Path:
    """Make the bundle for a FlashInfer release, with the clean patched tree.

    Raises:
        Finding: A kernel cannot be compiled, translated or assembled.
        Unusable: The environment or the tools cannot be had.
    """
    from scripts.cpuenv import flashinfer_python
    from scripts.kernels.releases import requirements
    from scripts.kernels.versions import environment
    from scripts.selection.matrix import trees

    lock = lockfile.load(at.lock)
    tree = trees(at).fork.path
    pinned = lock.companions["flashinfer-python"]
    python = (
        flashinfer_python()
        if release == pinned
        else flashinfer_python(requirements(release))
    )
    beside = environment(python, {**lock.companions, "flashinfer-python": release})
    inputs = prepare.Inputs(
        beside, tree, lock.patched_tree, prepare.PARTS, bundle, models
    )
    with one_run(bundle.with_suffix(".lock"), "make hopper", wait=True):
        made = prepare.prepare(inputs)
    note(
        f"bundle: {made}; on the machine with the GPU: python run.py --out results.json"
    )
    return made


def run(
    bundle: Path, python: str, parts: str | None, models: tuple[str, ...] = ()
) -> Path:
    """Run it here, on a GPU of capability 9.0.

    Raises:
        Finding: It came to no result.
        Unusable: There is no such GPU, or no bundle.
    """
    if not (bundle / prepare.MANIFEST).is_file():
        raise Unusable(
            "there is no bundle", where=str(bundle), next="make hopper STEP=prepare"
        )
    seen = gpu.found(python)
    if seen.capability != "9.0":
        raise Unusable(
            "the translated kernels are for Hopper: nothing was run",
            where=seen.name,
            expected="compute capability 9.0",
            found=seen.capability,
            next="on an SM12x GPU the kernels run as they are: make test-sm12x",
        )
    out = bundle / "results.json"
    command = [python, str(bundle / "run.py"), "--out", str(out)]
    command += ["--parts", parts] if parts else []
    command += ["--models", ",".join(models)] if models else []
    done = subprocess.run(command, check=False)
    if not out.is_file() or done.returncode == 2:
        raise Finding(
            "the run came to no result",
            where=str(bundle / "run.py"),
            found=f"exit status {done.returncode}; its words stand above",
            next="give an environment that has what it names: make hopper PYTHON=...",
        )
    return out


def found(bundle: Path) -> list[Path]:
    """The results that lie in the bundle.

    Raises:
        Unusable: There is none.
    """
    results = sorted(bundle.glob(RESULTS))
    if not results:
        raise Unusable(
            "there is no result of a run",
            where=str(bundle),
            expected=RESULTS,
            next="make hopper STEP=run PYTHON=... where the GPU is",
        )
    return results
