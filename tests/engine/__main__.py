# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.engine`: a real vLLM engine on a CPU, the SM12x kernels doubled."""

from __future__ import annotations

import json
import sys
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from scripts import reports
from scripts.__main__ import main as run_one
from scripts.base.console import note, say
from scripts.base.errors import Finding
from scripts.base.files import one_run
from scripts.checkout import Checkout
from scripts.selection.matrix import Trees, trees
from tests.engine import jobs, table

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


class Part(Enum):
    """What can be run by itself."""

    STEPS = "steps"  # load to weight reload, in one process
    LOGITS = "logits"  # against BF16, fork and upstream
    SERVER = "server"  # over HTTP, with the openai client
    DRAFT = "draft"  # multi-token prediction
    RANKS = "ranks"  # split over processes: tensor and pipeline parallelism, drafts
    DATA = "data"  # data parallelism
    FAULTS = "faults"  # ranks that die, refuse or are others than their peers
    NODES = "nodes"  # split over two nodes by vLLM's own mode
    RAY = "ray"  # split over two nodes of Ray


def _alone(job: jobs.Job, both: Trees, below: Path) -> list[table.Row]:
    return _kept(table.rows(jobs.run(job, both.fork.path, below)), below, job)


def _compared(both: Trees, below: Path) -> list[table.Row]:
    fork = jobs.run(jobs.FORK, both.fork.path, below)
    upstream = jobs.run(jobs.UPSTREAM, both.upstream.path, below)
    return _kept(table.compared(fork, upstream), below, jobs.FORK, jobs.UPSTREAM)


def _kept(rows: list[table.Row], below: Path, *asked: jobs.Job) -> list[table.Row]:
    """The rows; where one fails, the next run asks again."""
    if table.failed({"": rows}):
        for job in asked:
            jobs.forget(job, below)
    return rows


_ASKED = {
    Part.STEPS: (partial(_alone, jobs.STEPS),),
    Part.LOGITS: (_compared,),
    Part.SERVER: (partial(_alone, jobs.SERVED),),
    Part.DRAFT: (partial(_alone, jobs.DRAFT),),
    Part.RANKS: (partial(_alone, jobs.RANKS), partial(_alone, jobs.MIXED)),
    Part.DATA: (partial(_alone, jobs.DATA),),
    Part.FAULTS: (partial(_alone, jobs.FAULTS),),
    Part.NODES: (partial(_alone, jobs.NODES),),
    Part.RAY: (partial(_alone, jobs.ON_RAY), partial(_alone, jobs.TYPED)),
}


@app.command(epilog="Example: python -m tests.engine --only logits   (make engine)")
def engine(
    only: Annotated[
        list[Part] | None, typer.Option(help="One part; may be given again. All else.")
    ] = None,
    as_data: Annotated[
        bool, typer.Option("--json", help="One JSON object in place of the table.")
    ] = False,
) -> None:
    """Run vLLM from checkpoint to tokens on this CPU, and say what holds.

    One process a part; what a part found is kept where all of it holds, so that a
    stopped run goes on with the next one. The first run makes environments of some
    gigabytes in the cache. A claim that does not hold exits 1, which make turns into
    2, and so does a part that ends badly, behind which the others are run; what a CPU
    cannot run is said with the line that stops it.
    """
    parts = set(only or Part)
    at = Checkout()
    with one_run(at.build / "engine" / ".run.lock", "make engine", wait=True):
        both = trees(at)
        below = at.build / "engine" / jobs.digest([both.fork.id, both.upstream.id])
        found = {
            part.value: _tried(part, both, below) for part in Part if part in parts
        }
    data = table.as_data(found)
    if parts == set(Part):
        reports.write(at, "engine", data)
    others = [part.value for part in Part if part not in parts]
    say(json.dumps(data, indent=1) if as_data else table.render(found, others))
    if wrong := table.failed(found):
        note(f"{len(wrong)} of {len(data['rows'])} claims do not hold")
        raise typer.Exit(1)


def _tried(part: Part, both: Trees, below: Path) -> list[table.Row]:
    """Rows of each of its processes; one that ends badly does not stop the next."""
    found: list[table.Row] = []
    for ask in _ASKED[part]:
        try:
            found += ask(both, below)
        except Finding as error:
            note(str(error))
            found.append(table.unfinished(error))
    return found


def main() -> int:
    """Run it; 0 all holds, 1 a claim does not, 2 usage or environment."""
    return run_one(app, "python -m tests.engine")


if __name__ == "__main__":
    sys.exit(main())
