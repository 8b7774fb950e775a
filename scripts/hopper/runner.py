# SPDX-License-Identifier: Apache-2.0
"""The steps of `make hopper`: make a bundle, run it, find its results."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

from scripts.base.console import note
from scripts.base.errors import Finding, Unusable
from scripts.base.files import one_run
from scripts.checkout import Checkout
from scripts.hardware import gpu
from scripts.hopper import prepare, results
from scripts.hopper.judge import CAPABILITY
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models
from scripts.series.identity import here
from scripts.upstream import lock as lockfile

RESULTS = "results*.json"


LOG = "run.log"


def prepared(
    at: Checkout,
    release: str,
    bundle: Path,
    parts: tuple[str, ...] = (),
    models: tuple[str, ...] = (),
) -> Path:
    """Make the bundle for a FlashInfer release, with the clean patched tree.

    Args:
        at: The checkout.
        release: Of FlashInfer.
        bundle: The folder.
        parts: Those that it is for; all if there are none.
        models: Of the part models; all if there are none.

    Raises:
        Finding: A kernel cannot be compiled, translated or assembled.
        Unusable: The environment or the tools cannot be had.
    """
    from scripts.kernels.versions import environment
    from scripts.selection.matrix import trees
    from scripts.upstream.environments import flashinfer_python

    lock = lockfile.load(at.lock)
    needed = packages_of(release, lock)
    tree = trees(at).fork.path
    python = flashinfer_python(needed)
    beside = environment(python, {**lock.companions, "flashinfer-python": release})
    inputs = prepare.Inputs(
        beside,
        tree,
        here(at, cases.TESTS),
        prepare.wanted(parts),
        bundle,
        models or tuple(model.name for model in hopper_models.models()),
    )
    # Not with_suffix, which would take the last number of a release for one.
    held = bundle.with_name(f"{bundle.name}.lock")
    with one_run(held, "make hopper", wait=True):
        made = prepare.prepare(inputs)
    note(
        f"bundle: {made}; on the machine with the GPU: python run.py --out results.json"
    )
    return made


def packages_of(release: str, lock: lockfile.Lock) -> Path:
    """The requirements file of a FlashInfer release and what comes with it.

    Raises:
        Unusable: There is no such release, or the series refuses it.
    """
    from packaging.version import InvalidVersion, Version

    from scripts.kernels.releases import requirements
    from scripts.selection.ask import RELEASES
    from scripts.upstream.environments import FLASHINFER

    required, first = lock.companions["flashinfer-python"], min(RELEASES, key=Version)
    with contextlib.suppress(InvalidVersion):  # which the index is asked for
        if Version(release) < Version(first):
            raise Unusable(
                "the series does not run on this FlashInfer",
                where="FLASHINFER=",
                expected=f"{first} or newer",
                found=release,
                next=f"make hopper STEP=prepare FLASHINFER={first}",
            )
    return FLASHINFER if release == required else requirements(release)


def run(
    bundle: Path,
    python: str,
    parts: tuple[str, ...] = (),
    models: tuple[str, ...] = (),
) -> Path:
    """Run it here, on a GPU of capability 9.0; results of a run before are removed.

    Raises:
        Finding: It crashed, or came to no result.
        Unusable: There is no such Python, no such GPU, or no bundle.
    """
    seen = gpu.found(python, "make hopper STEP=run")
    if seen.capability != CAPABILITY:
        raise Unusable(
            "the translated kernels are for Hopper: nothing was run",
            where=seen.name,
            expected=f"compute capability {CAPABILITY}",
            found=seen.capability,
            next="on an SM12x GPU the kernels run as they are: make test-sm12x",
        )
    if not (bundle / prepare.MANIFEST).is_file():
        raise Unusable(
            "there is no bundle", where=str(bundle), next="make hopper STEP=prepare"
        )
    out, log = bundle / "results.json", bundle / LOG
    out.unlink(missing_ok=True)
    command = [python, str(bundle / "run.py"), "--out", str(out)]
    command += ["--parts", ",".join(parts)] if parts else []
    command += ["--models", ",".join(models)] if models else []
    status = _logged(command, log)
    if status in (0, 1) and out.is_file() and not _lost(out):
        return out
    known = f"; {', '.join(_lost(out))} did not begin" if out.is_file() else ""
    raise Finding(
        "the step run of make hopper crashed"
        if status != 2
        else "the step run of make hopper cannot be made with this environment",
        where=str(log),
        expected="exit status 0 or 1, and each part with its rows or its failure",
        found=f"exit status {status}{known}; the last lines of the log stand above",
        next="give an environment that has what the log names, or run the other parts "
        "alone: make hopper STEP=run PYTHON=... PARTS=...",
    )


def _lost(out: Path) -> list[str]:
    """Parts that were asked for and of which a result does not know."""
    found = results.load(out)
    return [name for name in found.get("asked", ()) if name not in found["parts"]]


def _logged(command: list[str], log: Path) -> int:
    """Run it, its words here and in the log; the exit status."""
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as running,
    ):
        assert running.stdout is not None
        for line in running.stdout:
            file.write(line)
            note(line.rstrip("\n"))
    return running.returncode


def manifest(bundle: Path) -> dict[str, Any] | None:
    """That of the bundle, if it is there."""
    path = bundle / prepare.MANIFEST
    if not path.is_file():
        return None
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


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
