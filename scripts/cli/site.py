# SPDX-License-Identifier: Apache-2.0
"""Verb that draws what the others found: site."""

from __future__ import annotations

import os

from scripts.base.console import note, say
from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.cli.program import app


@app.command("site", epilog="Example: python -m scripts site   (make site)")
def site_verb() -> None:
    """Write build/site: the series as static pages, for any browser.

    Figures come from the reports of other targets in build/reports, else from
    what the repository has recorded, and from nothing else. What was not
    measured here, or on another tree, is said on the page. A report that cannot
    be read is said there too, and exits 1.
    """
    from scripts.site.found import State
    from scripts.site.main import build

    made = build(Checkout())
    for found in made.reports:
        if found.state is not State.FRESH:
            note(f"{found.name}: {found.state.value}; next: {found.make}")
    say(f"{made.pages} pages; {os.path.relpath(made.index)}")
    if made.broken:
        raise Finding(
            "the page lacks reports that cannot be read",
            where=", ".join(f"build/reports/{f.name}.json" for f in made.broken),
            found="\n".join(f"{f.name}: {f.wrong}" for f in made.broken),
            next=", ".join(dict.fromkeys(f.make for f in made.broken)),
        )
