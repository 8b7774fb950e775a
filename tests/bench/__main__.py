# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.bench`: print what the tools take beside the usual ones."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from scripts import RECORDS, ROOT
from scripts.base.console import say
from scripts.base.files import write
from scripts.base.git import Git
from tests.bench import (
    apply,
    before,
    growth,
    installed,
    memory,
    report,
    verified,
    wheel,
)
from tests.bench.command import program, run
from tests.bench.sandbox import Sandbox, require_room

app = program()
RECORD = RECORDS / "bench.json"


class Job(Enum):
    """What can be measured."""

    BEFORE = "before"  # the verbs against an earlier build of the tools
    WHEEL = "wheel"  # against cp, and against wheel unpack + wheel pack
    APPLY = "apply"  # against git am and quilt
    GROWTH = "growth"  # apply, export and port by the number of patches
    VERIFY = "verify"  # verify-wheel by the wheel's size
    INSTALLED = "installed"  # patch-installed against pip
    MEMORY = "memory"  # the verbs' peak


_JOBS = {
    Job.BEFORE: before,
    Job.WHEEL: wheel,
    Job.APPLY: apply,
    Job.GROWTH: growth,
    Job.VERIFY: verified,
    Job.INSTALLED: installed,
    Job.MEMORY: memory,
}


@app.command(
    epilog="Example: python -m tests.bench --only apply --rounds 7   "
    "(make bench ARGS='--only apply')"
)
def bench(
    only: Annotated[
        list[Job] | None, typer.Option(help="One job; may be given again. All else.")
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often each side is measured.")
    ] = 5,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="unpack + pack in every round too; it runs once otherwise.",
        ),
    ] = False,
    as_data: Annotated[
        bool, typer.Option("--json", help="One JSON object in place of the table.")
    ] = False,
    update: Annotated[
        bool,
        typer.Option(
            "--update", help="Write records/bench.json, and README's table of it."
        ),
    ] = False,
) -> None:
    """Print ratios of the tools to the usual ones, both sides in one run.

    The sides of a row take turns. A figure is the median of n rounds, with the
    least and the greatest. An aim that is not met is said and changes no exit
    code: the figures are of this machine and its load. Needs 8 GB below TMPDIR.
    """
    jobs = list(Job) if not only else [job for job in Job if job in only]
    before = os.getloadavg()[0]
    rows: list[report.Row] = []
    # Every job has a folder of its own: no job finds what another left.
    for job in jobs:
        with TemporaryDirectory(prefix="sm12x-bench-") as name:
            require_room(Path(name))
            rows += _JOBS[job].rows(Sandbox(Path(name), rounds, full))
    machine = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": Git(ROOT).text("rev-parse", "--short=12", "HEAD"),
        "cpus": os.cpu_count(),
        "load_before": round(before, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    data = {
        "schema": 1,
        "machine": machine,
        "rows": [report.as_data(r) for r in rows],
    }
    if update:
        write(RECORD, (json.dumps(data, indent=1) + "\n").encode())
        readme = ROOT / "README.md"
        write(readme, report.into(readme.read_text("utf-8"), data).encode())
    if as_data:
        typer.echo(json.dumps(data, indent=1))
        return
    say(report.table(rows))
    for job in jobs:
        say(f"\n{_JOBS[job].NOTES}")
    say(
        f"\n{machine['cpus']} CPUs, load {machine['load_before']} before, "
        f"{machine['load_after']} after"
    )


if __name__ == "__main__":
    sys.exit(run(app, "python -m tests.bench"))
