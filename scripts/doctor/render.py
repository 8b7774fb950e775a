# SPDX-License-Identifier: Apache-2.0
"""A diagnosis as text, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from scripts.doctor.facts import Facts
from scripts.doctor.remark import Level, Remark
from scripts.doctor.selection import Choice, Selection
from scripts.selection.cases import DEVICES
from scripts.selection.report import columns, short
from scripts.selection.table import UNKNOWN


@dataclass(frozen=True)
class Diagnosis:
    """All that `make doctor` says."""

    facts: Facts
    selections: Sequence[Selection]
    remarks: Sequence[Remark]
    series: Mapping[str, str]
    """File name and digest of this checkout's patches."""

    @property
    def ok(self) -> bool:
        return all(remark.level is not Level.FAULT for remark in self.remarks)


def text(found: Diagnosis) -> str:
    """For a person."""
    lines = columns(_rows(found))
    for each in found.selections:
        device = DEVICES.get(each.capability, "")
        named = f"{each.capability} ({device})" if device else each.capability
        lines += ["", f"On {named}, {each.source}:"]
        lines += columns(
            [
                f"  {c.layer} {c.scheme}",
                short(c.chosen),
                _why(c),
            ]
            for c in each.choices
        )
    lines += ["", "Findings" if found.remarks else "Findings: none"]
    for remark in found.remarks:
        lines += [f"  {remark.level.value}: {remark.what}", f"    fix: {remark.fix}"]
    return "\n".join(lines)


def _why(choice: Choice) -> str:
    if choice.why:
        return f"since {choice.why}"
    if choice.chosen == choice.upstream:
        return "as upstream"
    if choice.upstream == UNKNOWN:
        return "what upstream takes here is not recorded"
    made = "made for SM12x; " if choice.ours else ""
    return f"{made}upstream takes {short(choice.upstream)}"


def _rows(found: Diagnosis) -> Iterator[list[str]]:
    facts = found.facts
    yield ["Python", f"{facts.python}, {facts.machine}, {facts.executable}"]
    for gpu in facts.gpus:
        shown = f"{gpu.name}, capability {gpu.capability}, {gpu.memory}"
        yield ["GPU", f"{shown}, driver {gpu.driver}"]
    if not facts.gpus:
        yield ["GPU", "none seen"]
    if "error" in facts.torch:
        yield ["PyTorch", f"cannot be imported: {facts.torch['error']}"]
    else:
        cuda = facts.torch.get("cuda")
        built = f"CUDA {cuda}" if cuda else "without CUDA"
        yield ["PyTorch", f"{facts.torch['version']}, {built}"]
    yield ["nvcc", facts.nvcc or "none"]
    for name in sorted(facts.packages.keys() - {"vllm", "torch"}):
        yield [name, facts.packages[name]]
    if path := facts.b12x.get("path"):
        yield ["b12x in use", f"{facts.b12x.get('live') or 'no distribution'}, {path}"]
    else:
        yield ["b12x in use", "none"]
    yield ["vLLM", str(facts.vllm.get("version", "none"))]
    yield ["patches", _patches(found)]
    for name, value in sorted(facts.settings.items()):
        yield [name, value]


def _patches(found: Diagnosis) -> str:
    inside: Mapping[str, str] = found.facts.vllm.get("patches", {})
    if not inside:
        return "none"
    same = sum(found.series.get(name) == sha for name, sha in inside.items())
    fork = found.facts.vllm.get("in_place")
    how = f"put in place as {fork}" if fork else "by its wheel"
    listed = ", ".join(sorted(name[:4] for name in inside))
    return f"{same} of this checkout's {len(found.series)}, {how}: {listed}"


def data(found: Diagnosis) -> str:
    """For a program: facts, selections, findings, and whether all is well."""
    told = {
        "ok": found.ok,
        "facts": asdict(found.facts),
        "selections": [asdict(each) for each in found.selections],
        "findings": [
            {"level": r.level.value, "what": r.what, "fix": r.fix}
            for r in found.remarks
        ],
    }
    return json.dumps(told, indent=1)
