# SPDX-License-Identifier: Apache-2.0
"""Pages from templates; what is read and drawn is decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scripts.kernels import baseline
from scripts.kernels.report import SHARED_LIMIT
from scripts.lock import Lock
from scripts.site.found import Found, State
from scripts.site.memory import gib
from scripts.site.port import words
from scripts.site.release import mib
from scripts.site.series import View

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Headline:
    """One figure of the page's head, fork beside upstream."""

    what: str
    fork: str
    upstream: str
    """Nothing where there is no other side."""
    section: str


def render(
    lock: Lock,
    series: Sequence[View],
    found: Mapping[str, Found[Any]],
    ours: Mapping[str, str],
) -> dict[str, bytes]:
    """All pages by their place below `build/site`.

    Args:
        lock: The pin.
        series: The patches in order.
        found: The reports by name.
        ours: Devices by capability.
    """
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"gib": gib, "mib": mib, "words": words}
    kernels = found["kernels"].data
    env.globals |= {
        "lock": lock,
        "series": series,
        "found": found,
        "State": State,
        "ours": ours,
        "SHARED_LIMIT": SHARED_LIMIT,
        "drift": kernels.drift(baseline.load()) if kernels else (),
    }
    pages = {
        "index.html": env.get_template("index.html").render(
            root="", headlines=headlines(found)
        ),
        "style.css": (TEMPLATES / "style.css").read_text(encoding="utf-8"),
    }
    for before, view, after in zip(
        [None, *series], series, [*series[1:], None], strict=False
    ):
        text = env.get_template("patch.html").render(
            root="../", patch=view, before=before, after=after
        )
        pages[f"patches/{view.page}"] = text
    return {name: text.encode() for name, text in pages.items()}


def headlines(found: Mapping[str, Found[Any]]) -> list[Headline]:
    """What the reports of this tree have to say first; none of a stale one."""
    data = {n: f.data if f.state is State.FRESH else None for n, f in found.items()}
    made = []
    if (errors := data["errors"]) and (row := errors.smallest):
        what = f"output error at weight sigma {row.sigma:g}"
        worst = {side: f"{value:.2f}" for side, value in row.worst.items()}
        made.append(Headline(what, worst["fork"], worst["upstream"], "errors"))
    if (memory := data["memory"]) and (known := memory.known):
        what = f"MoE workspace, {known.model}, {known.layers} layers"
        made.append(Headline(what, gib(known.fork), gib(known.upstream), "memory"))
    if (matrix := data["matrix"]) and (off := matrix.tallies.get("off")):
        what = f"of {off.asked:,} selections off SM12x are as upstream"
        made.append(Headline(what, f"{off.alike:,}", "", "matrix"))
    if kernels := data["kernels"]:
        what = f"cubins compiled for {' and '.join(sorted(kernels.reached))}, not run"
        made.append(Headline(what, f"{len(kernels.kernels):,}", "", "kernels"))
    return made
