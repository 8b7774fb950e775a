# SPDX-License-Identifier: Apache-2.0
"""What would be selected: asked of the environment's vLLM, else as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.base.errors import ForkError
from scripts.doctor.facts import Facts
from scripts.selection import main
from scripts.selection.ask import Answer, ask
from scripts.selection.cases import (
    AUTO,
    CAPABILITIES,
    NO_GPU,
    OURS,
    PLAIN,
    SWITCH,
    Case,
)
from scripts.selection.report import KINDS, default
from scripts.selection.table import SAME, UNKNOWN, Table
from scripts.upstream import lock as lockfile

_ALIAS = "VLLM_NVFP4_GEMM_BACKEND"


@dataclass(frozen=True)
class Choice:
    """What one kind of layer would run on."""

    layer: str
    scheme: str
    chosen: str
    """Backend and class, or `refused: ` and the kind of error."""
    why: str
    """Why not the series' first choice, or what vLLM says."""
    upstream: str
    """What the pinned upstream takes there by default, with all its packages."""
    ours: bool
    """Whether it is what the series brings for SM12x."""


@dataclass(frozen=True)
class Selection:
    """The choices for one capability."""

    capability: str
    source: str
    """Where they are from, for a person."""
    choices: tuple[Choice, ...]


def select(facts: Facts, given: str | None) -> list[Selection]:
    """For the capability given, else each of the machine's, else both of SM12x.

    Raises:
        Finding: The recorded matrix cannot be read.
    """
    own = facts.capability
    wanted = [given] if given else list(facts.capabilities) or list(OURS)
    table = main.recorded().table
    if not facts.vllm:
        return [_recorded(table, each, "this Python has no vLLM") for each in wanted]
    found = []
    for each in wanted:
        real = each == own and bool(facts.gpus)
        try:
            found.append(_asked(table, facts, each, real=real))
        except ForkError as error:
            reason = (error.found or error.what).splitlines()[-1].strip()
            reason = f"this vLLM cannot be asked: {reason}"
            found.append(_recorded(table, each, reason))
    return found


def _asked(table: Table, facts: Facts, capability: str, *, real: bool) -> Selection:
    switch = facts.settings.get("VLLM_SM12X_AUTO_SELECT", SWITCH[0])
    linear = facts.settings.get(_ALIAS, AUTO).replace("-", "_")
    backends = {"MoE": AUTO, "linear": linear}
    cases = [
        Case(layer, scheme, capability, backends[layer], PLAIN, switch)
        for layer, scheme in KINDS
    ]
    setting = {"hide": [], "paths": [], "real": real}
    answers = ask(Path(facts.executable), setting, cases)
    source = "asked of this environment's vLLM, on " + (
        "its GPU" if real else "a double of the GPU"
    )
    return Selection(capability, source, tuple(_choices(table, cases, answers)))


def _choices(
    table: Table, cases: Sequence[Case], answers: Sequence[Answer]
) -> list[Choice]:
    found = []
    for case, answer in zip(cases, answers, strict=True):
        why = answer.why_not(case.first_choice)
        if not why and answer.refused:
            why = answer.said.splitlines()[0]
        found.append(_choice(table, case, answer.chosen, why))
    return found


def _recorded(table: Table, capability: str, reason: str) -> Selection:
    if capability not in CAPABILITIES:
        named = ", ".join(c for c in CAPABILITIES if c != NO_GPU)
        told = f"not known: {reason}, and the repository has recorded {named} only"
        return Selection(capability, told, ())
    choices = []
    for layer, scheme in KINDS:
        found = default(table, layer, scheme, capability)
        case = Case(layer, scheme, capability, AUTO, PLAIN, SWITCH[0])
        choices.append(_choice(table, case, found.fork, found.why))
    source = f"as recorded in the repository, since {reason}"
    pinned = lockfile.load().companions.get("flashinfer-python")
    asked = main.recorded_with()
    if asked and pinned and asked != pinned:
        source += f"; asked with FlashInfer {asked}, and the pin has {pinned}, which "
        source += "may lack kernels that are named here"
    return Selection(capability, source, tuple(choices))


def _choice(table: Table, case: Case, chosen: str, why: str) -> Choice:
    if case.capability in CAPABILITIES:
        found = default(table, case.layer, case.scheme, case.capability)
        upstream = found.fork if found.upstream == SAME else found.upstream
    else:
        upstream = UNKNOWN
    first = case.first_choice
    ours = case.capability in OURS and bool(first) and chosen.startswith(str(first))
    return Choice(case.layer, case.scheme, chosen, why, upstream, ours)
