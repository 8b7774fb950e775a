# SPDX-License-Identifier: Apache-2.0
"""Verbs on what a user gets: matrix, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.base.console import note, say
from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.usage import alone


@app.command("matrix", epilog="Example: python -m scripts matrix --recorded")
def matrix_verb(
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Print the repository's table; ask nothing."),
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write what was found as that table.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every row, not the short form.")
    ] = False,
    as_data: Annotated[
        bool, typer.Option("--json", help="Every row, as a JSON array of objects.")
    ] = False,
) -> None:
    """Say what vLLM selects for NVFP4 layers, with the series and without.

    Both trees are asked on the CPU, through vLLM's own code, with a double of the GPU;
    the answers are compared with the repository's tables. The short form ends with
    machines where something is not as it should be. The first run makes an
    environment of some gigabytes in the cache and takes minutes.
    """
    from scripts import reports
    from scripts.selection import main, report, worlds
    from scripts.selection.matrix import trees

    if recorded:
        alone("RECORDED=1", {"UPDATE": update}, ("ALL", "JSON"))
    at = Checkout()
    if recorded:
        found, others = main.recorded(), worlds.recorded()
    else:
        both = trees(at)
        found, others = main.asked(at, both), worlds.ask(both)
    if as_data or everything:
        say((main.as_json if as_data else main.whole)(found))
    else:
        say("\n".join([main.short(found), "", *worlds.shown(others)]))
    if recorded:
        return
    reports.write(at, "matrix", report.as_data(found.table))
    if update:
        note(main.update(found))
        worlds.update(others)
        return
    main.hold(found)
    worlds.hold(others)


@app.command(
    "doctor",
    epilog="Example: python -m scripts doctor --python venv/bin/python; "
    "python -m scripts doctor --model path/of/checkpoint --gpu 5090",
)
def doctor_verb(
    python: Annotated[
        str, typer.Option(help="Interpreter of the environment that runs vLLM.")
    ] = "python3",
    capability: Annotated[
        str | None,
        typer.Option(help="Of which GPU, as 12.1; this machine's if absent."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of a checkpoint: will it fit, and run on what?"),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(help="Of the model: 5090, spark, ...; this machine's if absent."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many of that GPU there are.")
    ] = None,
    tp: Annotated[
        int | None,
        typer.Option(min=1, help="How many share the model; all if absent."),
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="Tokens of a sequence (--max-model-len).")
    ] = None,
    seqs: Annotated[
        int | None, typer.Option(min=1, help="Sequences at once (--max-num-seqs).")
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens of a step (--max-num-batched-tokens)."),
    ] = None,
    kv: Annotated[
        str, typer.Option(help="Format of the KV cache: auto, fp8, nvfp4.")
    ] = "auto",
    recipe: Annotated[
        str | None,
        typer.Option(help="Write a recipe of eugr or sparkrun and nothing else."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="With --model: text, json or markdown.")
    ] = "text",
    as_data: Annotated[
        bool, typer.Option("--json", help="The same as JSON, for a program.")
    ] = False,
) -> None:
    """Look at a machine and its vLLM, or at a model: what it gets, what to fix.

    Without a GPU and a capability it answers for both of SM12x; without a vLLM
    it reads the answers from the repository's table. With --model it reads a
    checkpoint's small files, never its weights, and says whether it fits on
    that GPU, how many tokens are left, what runs its layers, and what to type.
    Nothing is downloaded. A fault, or a model that does not fit, exits 1.
    """
    from scripts.selection.cases import CAPABILITIES, NO_GPU

    if model is not None:
        from scripts.doctor.model.main import Given
        from scripts.doctor.model.main import diagnose as of_model

        form = "json" if as_data else form
        text, ok = of_model(
            Given(
                *(model, python, gpu, count, tp, context, seqs, tokens, kv, recipe),
                form,
                capability,
            )
        )
        say(text)
        if not ok:
            raise typer.Exit(1)
        return
    only = {"GPU": gpu, "COUNT": count, "TP": tp, "CONTEXT": context, "SEQS": seqs}
    only |= {"TOKENS": tokens, "RECIPE": recipe}
    only |= {"KV": kv if kv != "auto" else None}
    only |= {"FORMAT": form if form != "text" else None}
    if given := [name for name, value in only.items() if value is not None]:
        raise Unusable(
            "only a model has this",
            where=", ".join(f"{name}=" for name in given),
            expected="MODEL= beside it",
            found="nothing",
            next="make doctor MODEL=/path/to/checkpoint GPU=5090",
        )
    if capability is not None and capability not in CAPABILITIES:
        raise Unusable(
            "there is no such capability here",
            where="--capability",
            expected=", ".join(c for c in CAPABILITIES if c != NO_GPU),
            found=capability,
            next="make doctor CAPABILITY=12.1",
        )
    if not diagnose(Checkout(), python, capability, as_data=as_data):
        raise typer.Exit(1)


def diagnose(
    at: Checkout, python: str, capability: str | None = None, *, as_data: bool = False
) -> bool:
    """Look, say what was seen, and tell whether all is well."""
    from scripts.doctor import facts, findings, render, selection
    from scripts.series import folder
    from scripts.upstream import lock as lockfile

    patches = folder.load(at.patches)
    series = {patch.name: patch.sha256 for patch in patches}
    found = facts.look(python)
    diagnosis = render.Diagnosis(
        found,
        selection.select(found, capability),
        findings.remarks(found, lockfile.load(at.lock), series),
        series,
    )
    say(render.data(diagnosis) if as_data else render.text(diagnosis))
    return diagnosis.ok
