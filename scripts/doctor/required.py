# SPDX-License-Identifier: Apache-2.0
"""What vLLM and FlashInfer ask for by their own metadata, and what is beside them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from scripts.doctor.facts import Facts
from scripts.doctor.remark import Remark, fault, version

_OWNERS = {"vllm": "vLLM", "flashinfer-python": "FlashInfer"}
"""In this order: vLLM may ask for extras of FlashInfer."""


class _Asked(NamedTuple):
    """One requirement that holds in that environment."""

    owner: str
    name: str
    what: Requirement


def required(facts: Facts, judged: Collection[str]) -> Iterator[Remark]:
    """One finding with all that is not there, or of another version.

    Args:
        facts: The environment.
        judged: Packages of which other findings tell, by normalised name.
    """
    asked = [each for each in _asked(facts) if each.name not in judged]
    wrong = [each for each in asked if not _fits(facts, each)]
    if not wrong:
        return
    said = "; ".join(
        f"{name} is {facts.beside.get(name, 'not installed')}, and "
        + " and ".join(
            f"{each.owner} asks for {each.what.specifier or 'it'}"
            for each in wrong
            if each.name == name
        )
        for name in dict.fromkeys(each.name for each in wrong)
    )
    # All that is asked of them, lest the one's fix breaks the other.
    names = {each.name for each in wrong}
    specs = dict.fromkeys(_spec(each.what) for each in asked if each.name in names)
    yield fault(f"packages do not fit: {said}", facts.install(*map(shlex.quote, specs)))


def _asked(facts: Facts) -> Iterator[_Asked]:
    extras: dict[str, set[str]] = {}
    for distribution, owner in _OWNERS.items():
        for text in facts.required.get(distribution, ()):
            try:
                what = Requirement(text)
            except InvalidRequirement:
                continue
            wanted = extras.get(distribution) or {""}
            if what.marker is None or any(
                what.marker.evaluate({**facts.markers, "extra": extra})
                for extra in wanted
            ):
                name = canonicalize_name(what.name)
                extras.setdefault(name, set()).update(what.extras)
                yield _Asked(owner, name, what)


def _fits(facts: Facts, asked: _Asked) -> bool:
    found = version(facts.beside.get(asked.name))
    return found is not None and asked.what.specifier.contains(found, prereleases=True)


def _spec(what: Requirement) -> str:
    extras = f"[{','.join(sorted(what.extras))}]" if what.extras else ""
    at = f" @ {what.url}" if what.url else ""
    return f"{what.name}{extras}{what.specifier}{at}"
