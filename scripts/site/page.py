# SPDX-License-Identifier: Apache-2.0
"""Pages from templates; what is read and drawn is decided elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scripts.kernels import baseline
from scripts.kernels.report import SHARED_LIMIT
from scripts.site.found import Found, State
from scripts.site.memory import gib
from scripts.site.port import words
from scripts.site.release import mib
from scripts.site.series import View
from scripts.upstream.lock import Lock

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
    env = environment()
    kernels = found["kernels"].data
    given = {
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
            given, root="", headlines=headlines(found)
        ),
        "style.css": (TEMPLATES / "style.css").read_text(encoding="utf-8"),
    }
    for before, view, after in zip(
        [None, *series], series, [*series[1:], None], strict=False
    ):
        pages[f"patches/{view.page}"] = env.get_template("patch.html").render(
            given, root="../", patch=view, before=before, after=after
        )
    return {name: page.encode() for name, page in pages.items()}


# What an HTML document may not hold: controls, surrogates, noncharacters.
_NO_TEXT = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)


def text(value: object) -> object:
    """A value for a page; controls as their pictures, what is no character as U+FFFD.

    >>> text("a\\x1b\\r\\ud800"), text(1)
    ('a\u241b\u240d\ufffd', 1)
    """

    def picture(match: re.Match[str]) -> str:
        code = ord(match[0])
        return chr(0x2400 + code) if code < 0x20 else "\N{REPLACEMENT CHARACTER}"

    if not isinstance(value, str) or not _NO_TEXT.search(value):
        return value
    # A macro's result is a string that is escaped already, and stays one.
    return type(value)(_NO_TEXT.sub(picture, value))


@cache
def environment() -> Environment:
    """The templates; whatever they show is escaped."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"gib": gib, "mib": mib, "words": words}
    return env


def headlines(found: Mapping[str, Found[Any]]) -> list[Headline]:
    """What the reports of this tree have to say first; none of a stale one."""
    data = {name: each.current for name, each in found.items()}
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
