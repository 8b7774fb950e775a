# SPDX-License-Identifier: Apache-2.0
"""Verb of the real kernels on a Hopper GPU: hopper."""

from __future__ import annotations

import enum
import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.base.console import note, say
from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.usage import alone


class Step(enum.StrEnum):
    """Of ``make hopper``, in order; each can be run alone."""

    # Compile, translate, assemble and link: a folder to take to the GPU.
    prepare = "prepare"
    # Run that folder, with the Python of a machine with a Hopper GPU.
    run = "run"
    # Hold the results against the bounds and keep them in the repository.
    record = "record"
    # The packages that a GPU machine without a network is to be given.
    packages = "packages"
    # The Python side of the series on any CUDA device, with no kernel: no other step's.
    device = "device"
    # Write README's section and its row of errors anew, from the records.
    readme = "readme"


_TAKEN: dict[Step | None, tuple[str, ...]] = {
    None: ("FLASHINFER", "PYTHON", "PARTS", "MODELS", "JSON"),
    Step.prepare: ("FLASHINFER", "PARTS", "MODELS"),
    Step.run: ("FLASHINFER", "PYTHON", "PARTS", "MODELS", "JSON"),
    Step.record: ("FLASHINFER", "RESULTS", "JSON"),
    Step.packages: ("FLASHINFER",),
    Step.device: ("PYTHON", "UPDATE", "JSON"),
    Step.readme: (),
}
"""What a step takes, as make names it."""
_OF_A_RECORD = ("FLASHINFER", "JSON")


@app.command("hopper", epilog="Example: python -m scripts hopper --recorded")
def hopper_verb(
    step: Annotated[
        Step | None, typer.Option(help="This one alone; else prepare and run.")
    ] = None,
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Print the repository's records; run nothing."),
    ] = False,
    flashinfer: Annotated[
        str | None, typer.Option(help="Another release than the lock's.")
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(help="Interpreter on the machine with the GPU; else python3."),
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(help="Of bundle and run, with commas between; else all."),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Of the layers of real models, with commas; else all."),
    ] = None,
    results: Annotated[
        list[Path] | None, typer.Option(help="Files of runs, to record together.")
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Write what STEP=device found as its record."),
    ] = False,
    as_data: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Run FlashInfer's SM12x kernels on a Hopper GPU, and hold every claim to them.

    The PTX that CuTe DSL makes for sm_120a, with the instructions that Hopper lacks
    replaced by exact sequences, under the patched vLLM. It proves arithmetic,
    addressing and synchronisation; not what ptxas makes for sm_120, and no speed.
    Results that break a bound exit 1, and so do records that README contradicts;
    without a Hopper GPU a run exits 2.

    STEP=device runs no kernel, on any CUDA device: what is selected there, `apply` in a
    CUDA graph replayed after a reload, bytes really allocated, microseconds around the
    kernel, fork beside upstream.
    """
    from scripts import reports
    from scripts.base.files import write
    from scripts.hopper import claims, judge, packages, record, render, runner
    from scripts.hopper.results import load, merged
    from scripts.in_vllm import hopper_cases as cases
    from scripts.in_vllm import hopper_models
    from scripts.series.identity import here
    from scripts.upstream import lock as lockfile

    given = {"STEP": step, "FLASHINFER": flashinfer, "PYTHON": python, "PARTS": parts}
    others = {"MODELS": models, "RESULTS": results, "UPDATE": update, "JSON": as_data}
    _agree(step, recorded, {**given, **others})
    only = _known("MODELS", models, [model.name for model in hopper_models.models()])
    some = _known("PARTS", parts, (*cases.PARTS, *cases.PAIR))
    at = Checkout()
    if step is Step.device:
        _device(at, recorded, python or "python3", update, as_data)
        return
    pinned = lockfile.load(at.lock)
    series = here(at, cases.TESTS)
    required = pinned.companions["flashinfer-python"]
    if recorded:
        found = record.recorded(only=flashinfer)
        texts = [*(render.as_text(one, series) for one in found)]
        texts += [render.side_by_side(found)] if len(found) > 1 else ()
        say(json.dumps(found, indent=1) if as_data else "\n\n".join(texts))
        why = record.altered()
        alone = flashinfer is not None
        readme = claims.README.read_text(encoding="utf-8")
        if why := why + claims.contradicted(found, required, readme, series, alone):
            for line in why:
                note(f"contradicted: {line}")
            raise typer.Exit(1)
        return
    if step is Step.readme:
        readme = claims.README.read_text(encoding="utf-8")
        text = claims.written(readme, record.recorded(), series)
        write(claims.README, text.encode())
        return
    release = flashinfer or required
    bundle = at.build / "hopper" / release
    if step is Step.packages:
        of = runner.packages_of(release, pinned)
        out = at.build / "hopper" / f"packages-{release}"
        for path in packages.pack(out, release, of):
            note(str(path))
        return
    if step in (None, Step.prepare):
        runner.prepared(at, release, bundle, some, only)
    if step is Step.prepare:
        return
    if step in (None, Step.run):
        results = [runner.run(bundle, python or "python3", some, only)]
    made = merged(load(path) for path in results or runner.found(bundle))
    if step is Step.record:
        mine = runner.manifest(at.build / "hopper" / record.release(made))
        if why := record.refused(made, series, required, mine):
            for line in why:
                note(f"not recorded: {line}")
            raise typer.Exit(1)
        path = record.save(made, series, required, mine)
    else:
        why = judge.broken(made)
    reports.write(at, "hopper", {"runs": [render.as_data(made)]})
    say(json.dumps(made, indent=1) if as_data else render.as_text(made, series))
    for line in why:
        note(f"broken: {line}")
    if why:
        raise typer.Exit(1)
    if step is Step.record:
        note(f"recorded in {path}")


def _device(
    at: Checkout, recorded: bool, python: str, update: bool, as_data: bool
) -> None:
    from scripts import reports
    from scripts.hardware import cuda
    from scripts.series.identity import here

    found = cuda.recorded() if recorded else cuda.measured(at, python)
    if not recorded:
        reports.write(at, "cuda", found)
    say(json.dumps(found, indent=1) if as_data else cuda.as_text(found, here(at)))
    if failed := [] if recorded else cuda.failures(found):
        note("; ".join(failed))
        raise typer.Exit(1)
    if update:
        cuda.update(found)


def _agree(step: Step | None, recorded: bool, given: dict[str, Any]) -> None:
    """Refuse an argument that would change nothing."""
    what, taken = f"STEP={step.value if step else ''}", _TAKEN[step]
    if recorded and step is Step.device:
        what, taken = "STEP=device RECORDED=1", ("STEP", "JSON")
    elif recorded:
        what, taken = "RECORDED=1", _OF_A_RECORD
    alone(what, {k: v for k, v in given.items() if recorded or k != "STEP"}, taken)


def _known(what: str, given: str | None, known: Collection[str]) -> tuple[str, ...]:
    """The names between the commas.

    Raises:
        Unusable: One is not known.
    """
    names = tuple(filter(None, (given or "").split(",")))
    if unknown := [name for name in names if name not in known]:
        raise Unusable(
            "a name is not known",
            where=f"{what}=",
            expected=", ".join(known),
            found=", ".join(unknown),
            next=f"make hopper {what}=... with names of these, or without it",
        )
    return names
