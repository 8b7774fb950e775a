# SPDX-License-Identifier: Apache-2.0
"""What is wrong with kernels, and what a sweep's events say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from scripts.kernels.sweep import Event


class Kind(Enum):
    """What is wrong with a kernel, or with what reaches it."""

    # The compiler raised, died, or passed a limit.
    NOT_COMPILED = "not compiled"
    # The cubin is for another architecture than was asked for.
    ARCHITECTURE = "architecture"
    # Static and dynamic shared memory are more than a block may have.
    SHARED = "shared memory"
    # A block's threads want more registers than there are.
    REGISTERS = "registers"
    # The compiled signature does not fit the call that the patched vLLM makes.
    CONTRACT = "call contract"
    # A number of tokens reaches a kernel that vLLM's warm-up does not compile.
    COLD = "warm-up"
    # FlashInfer lacks a name that the proof relies on.
    GONE = "name gone"
    # The IR or the cubin could not be read.
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Problem:
    kind: Kind
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind.value}: {self.text}"


def of_events(
    arch: str, told: Iterable[Event], names: Mapping[str, str]
) -> Iterable[Problem]:
    """What was not compiled, is gone, or is compiled too late."""
    late: dict[tuple[str, ...], list[str]] = {}
    for event in told:
        if event["event"] == "gone":
            yield Problem(Kind.GONE, arch, f"FlashInfer has no {event['name']}")
        if event["event"] == "compiled" and event["outcome"] != "ok":
            where = f"{arch}/{names[event['key']]}"
            text = f"{event['outcome']} after {event['seconds']} s: {event['text']}"
            yield Problem(Kind.NOT_COMPILED, where, text.strip())
        if event["event"] == "cold":
            layer = event["model"], f"TP{event['tp']}", event["kind"]
            at_most = f"up to {event['max-tokens']} tokens"
            late.setdefault((*layer, at_most), []).append(names[event["key"]])
    for (model, ranks, kind, at_most), found in late.items():
        # In one line: a FlashInfer that keys by tokens has hundreds.
        what = f"the warm-up of {at_most} leaves {len(found)} {kind} to compile late"
        text = f"{what}: {', '.join(found[:4])}{', ...' if len(found) > 4 else ''}"
        yield Problem(Kind.COLD, f"{arch}/{model} {ranks}", text)
