# SPDX-License-Identifier: Apache-2.0
"""Verbs on what users install; the modules load only when one is called."""

from __future__ import annotations

import os
import platform
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.base.console import note, say
from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.cli.program import app

if TYPE_CHECKING:
    from scripts.series.mailbox import Patch
    from scripts.upstream.lock import Lock

Out = Annotated[Path, typer.Option("--out", help="Folder for the result.")]


def _inputs(at: Checkout) -> tuple[Lock, list[Patch]]:
    """Lock and series; says so if commits wait that the series lacks."""
    from scripts.series import folder
    from scripts.series.workbench import Workbench
    from scripts.upstream import lock as lockfile

    bench = Workbench(at.build / "vllm")
    if bench.exists and (losses := bench.losses(bench.state())):
        note(
            f"note: {os.path.relpath(bench.path)} has work that is not in patches/ "
            f"({losses[0]}); make export writes it"
        )
    return lockfile.load(at.lock), folder.load(at.patches)


@app.command("wheel", epilog="Example: python -m scripts wheel --arch aarch64")
def wheel_verb(
    arch: Annotated[
        str, typer.Option(help="x86_64 or aarch64; this machine's if absent.")
    ] = platform.machine(),
    out: Out = Path("dist"),
) -> None:
    """Lay the series over the pinned upstream wheel.

    Members that the series does not touch are copied as they stand. A series
    that touches what is compiled belongs to wheel-source, and is refused.
    """
    say(str(build_wheel(Checkout(), arch, out)))


def build_wheel(at: Checkout, arch: str, out: Path) -> Path:
    """What `make wheel` does; the wheel's path."""
    from scripts.base.files import one_run
    from scripts.upstream.fetch import obtain
    from scripts.wheel.overlay import build

    lock, patches = _inputs(at)
    base = obtain(lock.wheel(arch))
    with one_run(out / ".wheel.lock", f"make wheel ARCH={arch}"):
        return build(lock, patches, base, out, sdist=lambda: obtain(lock.sdist))


@app.command(
    "verify-wheel",
    epilog="Example: python -m scripts verify-wheel "
    "dist/vllm-0.33.0+sm12x.1-cp38-abi3-manylinux_2_28_x86_64.whl",
)
def verify_verb(
    wheel: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="The wheel; the only one in dist/ if absent.",
        ),
    ] = None,
) -> None:
    """Derive a wheel again from the lock and print what differs.

    Ten lines: the kind of wheel, what differs first, by file, and where all of it is.
    """
    from scripts.base.files import write
    from scripts.series import folder
    from scripts.upstream import lock as lockfile
    from scripts.upstream.fetch import obtain
    from scripts.wheel.inputs import base_of
    from scripts.wheel.verify import verify

    if wheel is None:
        found = sorted(Path("dist").glob("*.whl"))
        if len(found) != 1:
            raise Unusable(
                "which wheel?",
                where="dist",
                expected="one wheel",
                found="\n".join(map(str, found)) or "none",
                next="make verify-wheel WHEEL=dist/...",
            )
        (wheel,) = found
    at = Checkout()
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    base = obtain(base_of(lock, wheel))
    report = verify(wheel, lock, patches, base, obtain(lock.sdist))
    say(str(report))
    if not report.ok:
        whole = at.build / "reports" / "verify-wheel.txt"
        write(whole, report.whole.encode())
        say(f"whole: {os.path.relpath(whole)}")
        raise typer.Exit(1)


@app.command("sdist", epilog="Example: python -m scripts sdist --out dist")
def sdist_verb(out: Out = Path("dist")) -> None:
    """Write the patched source archive; building from it needs no git."""
    from scripts.upstream.fetch import obtain
    from scripts.wheel.patched_sdist import build

    lock, patches = _inputs(Checkout())
    say(str(build(lock, patches, obtain(lock.sdist), out)))


@app.command(
    "wheel-source",
    epilog="Example: python -m scripts wheel-source --python venv/bin/python --dry-run",
)
def wheel_source_verb(
    python: Annotated[
        str, typer.Option(help="Interpreter that has torch and the build requirements.")
    ] = "python3",
    target_device: Annotated[
        str, typer.Option(help="cuda, or empty for no compiled files.")
    ] = "cuda",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the tools; say what would run.")
    ] = False,
    out: Out = Path("dist"),
) -> None:
    """Run upstream's own build on the patched tree, for 12.0a and 12.1a.

    With --dry-run its tools are looked at and the script is printed.
    """
    from scripts.base.files import one_run
    from scripts.upstream.fetch import obtain
    from scripts.wheel import patched_sdist, source

    at = Checkout()
    lock, patches = _inputs(at)
    work = at.build / "source"
    with one_run(work / ".archive.lock", "make wheel-source"):
        packed = patched_sdist.build(lock, patches, obtain(lock.sdist), work)
    with one_run(work / ".lock", "make wheel-source") as held:
        ready = source.plan(
            *(lock, packed, out, work), python=python, target_device=target_device
        )
        if not dry_run:
            source.run(ready, held)
    say(str(ready))


@app.command(
    "patch-installed",
    epilog="Example: python -m scripts patch-installed --python /opt/venv/bin/python",
)
def patch_installed_verb(
    python: Annotated[
        str, typer.Option(help="Interpreter of the environment that has vLLM.")
    ],
    undo: Annotated[
        bool, typer.Option("--revert", help="Take the series out again.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --revert: drop later edits.")
    ] = False,
) -> None:
    """Put the series into a vLLM that is installed already, all or nothing."""
    from scripts.upstream import sdist_contents
    from scripts.upstream.fetch import obtain
    from scripts.wheel.inputs import patched_tree, require_tree
    from scripts.wheel.installed.patch_installed import patch_installed, revert

    if undo:
        say(str(revert(python, force=force)))
        return
    lock, patches = _inputs(Checkout())
    sdist = obtain(lock.sdist)
    require_tree(lock, patched_tree(lock, sdist, patches))
    read = partial(sdist_contents.source, sdist, lock.sdist)
    say(str(patch_installed(python, lock, patches, read)))
