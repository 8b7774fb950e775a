# SPDX-License-Identifier: Apache-2.0
"""What the targets found, kept as JSON for whoever shows it later.

One file a target, `build/reports/NAME.json`: what `make site` draws and the
bot quotes. The figures are those that the target itself printed; nothing that
reads a report decides anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scripts.base import decode
from scripts.base.files import write as write_file
from scripts.checkout import Checkout
from scripts.series.identity import Identity
from scripts.upstream import lock as lockfile

SCHEMA = 1


def of_series(found: Identity, here: Identity) -> str:
    """Whose record it is: of the patched tree that is here, or of another.

    >>> of_series(Identity("ab12"), Identity("ab12"))
    'this series: patched tree ab12'
    >>> of_series(Identity("ab12"), Identity("cd34"))
    'another series than this one: patched tree ab12'
    >>> of_series(Identity("ab12", "7"), Identity("cd34", "7"))
    'this series in all that ran: patched tree ab12, here cd34'
    """
    if found.tree == here.tree:
        return f"this series: patched tree {found.tree}"
    if found.same(here):
        trees = f"patched tree {found.tree}, here {here.tree}"
        return f"this series in all that ran: {trees}"
    return f"another series than this one: patched tree {found.tree}"


@dataclass(frozen=True)
class Report:
    """What one target found, and on what.

    Attributes:
        name: The target: `matrix`, `kernels`, `port`, `carry-matrix`, ...
        version: Upstream's version that was looked at.
        tree: git's id of the patched tree in `upstream.lock` at that time.
        made: When, UTC, as `2026-11-25T07:00:00Z`.
        data: The target's own JSON.
    """

    name: str
    version: str
    tree: str
    made: str
    data: Mapping[str, Any]


def write(at: Checkout, name: str, data: Mapping[str, Any]) -> Report:
    """Keep `data` as the report `name` of this checkout, whole or not at all.

    What the repository has recorded is no report: it was not found here, nor now.
    """
    pin = lockfile.load(at.lock)
    report = Report(
        name=name,
        version=pin.version,
        tree=pin.patched_tree,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        data=data,
    )
    text = json.dumps({"schema": SCHEMA, **vars(report)}, indent=1, sort_keys=True)
    write_file(at.build / "reports" / f"{name}.json", text.encode() + b"\n")
    return report


def read(at: Checkout, name: str) -> Report | None:
    """The report `name` of this checkout, or None where none was made yet.

    A report of another series or pin is returned too: compare `tree`.

    Raises:
        Unusable: The file is of another schema, or a key of it is no such value.
    """
    path = at.build / "reports" / f"{name}.json"
    if not path.is_file():
        return None
    what = f"the report {name} was not written by these tools"
    again = f"make {name}"
    return decode.of_schema(path, Report, SCHEMA, what, again)
