# SPDX-License-Identifier: Apache-2.0
"""Verbs that want an SM12x GPU: test-sm12x, bench-sm12x."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from scripts.base.console import note, say
from scripts.base.files import write
from scripts.checkout import Checkout
from scripts.cli.program import app

Json = Annotated[bool, typer.Option("--json", help="The same as JSON.")]


Double = Annotated[
    bool,
    typer.Option(
        "--double", help="Try it on a CPU, on a double of the GPU; measures nothing."
    ),
]


@app.command("test-sm12x", epilog="Example: python -m scripts test-sm12x --json")
def test_verb(double: Double = False, as_data: Json = False) -> None:
    """Run what only an SM12x GPU can: the built wheel in a fresh environment.

    The MoE kernel and the GEMM against references, upstream's b12x tests, the fork's
    own, and the error table with the real kernel beside its double. Without such a
    GPU it says so and exits 2.
    """
    from scripts.hardware import owner

    at = Checkout()
    _told(at, "test-sm12x", owner.test(at, double), as_data)


@app.command(
    "bench-sm12x",
    epilog="Example: python -m scripts bench-sm12x --model nvidia/Qwen3-30B-A3B-NVFP4",
)
def bench_verb(
    model: Annotated[
        str | None,
        typer.Option(help="Served with each backend at 1 and 8 requests at once."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each backend.")] = 3,
    double: Double = False,
    as_data: Json = False,
) -> None:
    """Measure on an SM12x GPU: layers by number of tokens, and a model served.

    Fork beside flashinfer_cutlass, marlin, flashinfer_b12x and native b12x, in turns,
    medians with their spread. Send back build/reports/bench-sm12x.json; plots of it
    are beside it, in bench-sm12x.html.
    """
    from scripts.hardware import owner
    from scripts.site.hardware import bench_page

    at = Checkout()
    found = owner.bench(at, double, model, rounds)
    page = at.build / "reports" / f"{_name('bench-sm12x', found)}.html"
    write(page, bench_page(found))
    note(f"plots: {page}")
    _told(at, "bench-sm12x", found, as_data)


def _name(verb: str, found: dict[str, Any]) -> str:
    """What a double says is no report of the hardware."""
    return verb if found["machine"]["hardware"] else f"{verb}-double"


def _told(at: Checkout, verb: str, found: dict[str, Any], as_data: bool) -> None:
    from scripts import reports
    from scripts.hardware import owner

    reports.write(at, _name(verb, found), found)
    say(json.dumps(found, indent=1) if as_data else owner.as_text(found))
    if not found["ok"]:
        raise typer.Exit(1)
