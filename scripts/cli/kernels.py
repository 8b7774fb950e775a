# SPDX-License-Identifier: Apache-2.0
"""Verb of the kernel proof: kernels."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.base.console import note, say
from scripts.base.files import one_run
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.usage import alone

if TYPE_CHECKING:
    from scripts.kernels.report import Report
    from scripts.kernels.shapes import Shapes as Shape

Json = Annotated[bool, typer.Option("--json", help="JSON in place of the table.")]
Update = Annotated[
    bool, typer.Option("--update", help="Write the baseline; say what changed.")
]
Everything = Annotated[
    bool,
    typer.Option(
        "--all", help="Kernels that differ in the number of tokens alone, too."
    ),
]
Shapes = Annotated[
    Path | None, typer.Option("--shapes", help="Another file than shapes.toml.")
]


@app.command(
    "kernels", epilog="Example: python -m scripts kernels --json   (make kernels)"
)
def kernels_verb(
    as_data: Json = False,
    update: Update = False,
    everything: Everything = False,
    shapes: Shapes = None,
    flashinfer: Annotated[
        str | None,
        typer.Option(help="Another release beside the pinned one: what moves."),
    ] = None,
) -> None:
    """Compile every kernel that the patched vLLM reaches, for SM120 and SM121.

    Of the series as patches/ has it, on its pin; what is edited in build/vllm is not
    looked at. Needs no GPU. Two processes; what is in the cache is not
    compiled again. Problems, and figures out of the baseline's bounds, exit 1.
    """
    from scripts import reports
    from scripts.kernels import cost, cubin, releases, report, sweep, table
    from scripts.kernels import shapes as shapes_file
    from scripts.kernels.versions import environment
    from scripts.selection.matrix import trees
    from scripts.upstream import lock as lockfile
    from scripts.upstream.environments import flashinfer_python

    chosen = shapes_file.load(shapes or shapes_file.PATH)
    given = {"UPDATE": update, "ALL": everything, "SHAPES": shapes, "JSON": as_data}
    if flashinfer is not None:
        alone("FLASHINFER=", given, ("SHAPES",))
        releases.requirements(flashinfer)  # refused before gigabytes are made
    elif update:
        alone("UPDATE=1", given, ("UPDATE", "JSON"))
    at = Checkout()
    tree = trees(at).fork.path
    companions = lockfile.load(at.lock).companions
    if flashinfer is not None:
        moved(tree, companions, chosen, flashinfer)
        return
    python = flashinfer_python()
    beside = environment(python, companions)
    inputs = sweep.Inputs(beside, tree, chosen, everything=everything)
    with one_run(inputs.folder / ".run.lock", "make kernels", wait=True):
        start, tools = cost.now(), cubin.Tools.of(python)
        ahead = partial(report.read_ahead, inputs, tools=tools)
        events = sweep.run(inputs, ahead)
        made = report.build(inputs, events, tools)
        spent = cost.since(start, events)
    data = report.as_data(made, beside.versions) | {"cost": asdict(spent)}
    plain = shapes is None and not everything
    if plain:
        reports.write(at, "kernels", data)
    say(json.dumps(data, indent=1) if as_data else table.render(made, beside.versions))
    note(str(spent))
    for problem in made.problems:
        note(f"problem: {problem}")
    if made.problems:
        raise typer.Exit(1)
    if plain and not held(made, beside.versions, update):
        raise typer.Exit(1)


@app.command(
    "kernel-cache",
    epilog="Example: python -m scripts kernel-cache --arch sm_120a "
    "--site /opt/vllm/lib/python3.12/site-packages   (make kernel-cache)",
)
def kernel_cache_verb(
    arch: Annotated[str, typer.Option(help="sm_120a or sm_121a.")],
    site: Annotated[
        str, typer.Option(help="Absolute path of site-packages in the image.")
    ],
    multiprocessors: Annotated[
        int | None, typer.Option(help="Of the GPU; else as shapes.toml has it.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Of the shapes file; else all.")
    ] = None,
    shapes: Shapes = None,
    out: Annotated[
        Path | None, typer.Option(help="Else dist/kernel-cache-ARCH.")
    ] = None,
) -> None:
    """Fill FlashInfer's cache of MoE kernels for one kind of GPU, without it.

    A folder for an image, which FLASHINFER_WORKSPACE_BASE then names there: FlashInfer
    finds the kernels of these models and compiles none of them at the first start.
    The FlashInfer and cutlass-dsl of the image must be those of the lock, installed at
    that path. Untested on hardware.
    """
    from pathlib import PurePosixPath

    from scripts.kernels import aot, sweep
    from scripts.kernels import shapes as shapes_file
    from scripts.kernels.versions import environment
    from scripts.selection.matrix import trees
    from scripts.upstream import lock as lockfile
    from scripts.upstream.environments import flashinfer_python

    at = Checkout()
    chosen = shapes_file.load(shapes or shapes_file.PATH)
    chosen = shapes_file.narrowed(chosen, arch, multiprocessors, model)
    folder = out or at.root / "dist" / f"kernel-cache-{arch}"
    aot.require(arch, PurePosixPath(site), folder)
    tree = trees(at).fork.path
    beside = environment(flashinfer_python(), lockfile.load(at.lock).companions)
    inputs = sweep.Inputs(beside, tree, chosen, everything=True, entry=aot.ENTRY)
    with one_run(inputs.folder / ".run.lock", "make kernel-cache", wait=True):
        made = aot.fill(inputs, PurePosixPath(site), folder)
    say(f"{len(made.entries)} kernels, {made.size / 1e6:.1f} MB in {folder}")
    say(f"for {site}, on {arch}; untested on hardware")
    if not made.looked:
        note(f"no FlashInfer lies in {site} here, so that none looked it through")


def moved(
    tree: Path, companions: Mapping[str, str], shapes: Shape, version: str
) -> None:
    """Say what another FlashInfer does to the kernels; its problems exit 1."""
    from scripts.kernels import releases
    from scripts.upstream.cache import cache_dir

    lock = cache_dir() / "kernels" / ".run.lock"
    with one_run(lock, "make kernels", wait=True):
        found = releases.compare(tree, companions, shapes, version)
    for change in found.changes:
        say(str(change))
    say(f"FlashInfer {companions['flashinfer-python']} -> {version}: {found}")
    for problem in found.new.problems:
        note(f"problem: {problem}")
    if found.new.problems:
        raise typer.Exit(1)


def held(made: Report, versions: Mapping[str, str], update: bool) -> bool:
    """Hold the report against the baseline; say what moved."""
    from scripts.kernels import baseline

    old = baseline.load().kernels if not update or baseline.PATH.exists() else {}
    changes = baseline.compare(old, made.kernels)
    for change in changes:
        (say if update else note)(str(change))
    if update:
        baseline.save(made, versions)
        say(
            f"{len(changes)} changes; {len(made.kernels)} kernels in "
            f"{os.path.relpath(baseline.PATH)}"
        )
        return True
    beyond = [change for change in changes if not change.within]
    if beyond:
        note(f"{len(beyond)} beyond the bounds; make kernels UPDATE=1 accepts them")
    return not beyond
