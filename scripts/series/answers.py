# SPDX-License-Identifier: Apache-2.0
"""Answers to red alerts, beside the resolutions: why a port may go on all the same.

An answer holds for one alert: that patch, that symbol, landed and undone there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.series.alerts import Alert
from scripts.series.resolutions import FOLDER

SUFFIX = ".answer"
_LABELS = ("Kind", "Patch", "Path", "Symbol", "Landed", "Undone", "Reason")


def name(alert: Alert) -> str:
    """File name of the answer to an alert; the patch's number is no part of it."""
    parts = (alert.kind.name, alert.patch[5:], alert.path, alert.symbol)
    text = "\0".join((*parts, alert.landed, alert.undone))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16] + SUFFIX


def load(patches: Path) -> Mapping[str, str]:
    """File name of each answer, and its reason.

    Raises:
        Finding: A file there is no answer.
    """
    return {file: fields["Reason"] for file, fields in read(patches).items()}


def read(patches: Path) -> Mapping[str, Mapping[str, str]]:
    """File name of each answer, and its fields.

    Raises:
        Finding: A file there is no answer.
    """
    found: dict[str, Mapping[str, str]] = {}
    folder = patches / FOLDER
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        rows = path.read_text(encoding="utf-8").splitlines()
        fields = dict(row.partition(": ")[::2] for row in rows)
        if not fields.get("Reason", "").strip():
            where = f"patches/{FOLDER}/{path.name}"
            raise Finding(
                "this is no answer to an alert",
                where=where,
                expected="Reason: ...",
                next=f"git checkout -- {where}, or remove it",
            )
        found[path.name] = fields
    return found


def answered(
    alerts: Iterable[Alert], known: Mapping[str, str]
) -> tuple[tuple[Alert, ...], list[str]]:
    """The alerts, each with its answer if there is one; and answers to none."""
    found = tuple(replace(a, answer=known.get(name(a), "")) for a in alerts)
    used = {name(a) for a in found}
    return found, sorted(known.keys() - used)


def save(patches: Path, alerts: Sequence[Alert], reason: str) -> list[Path]:
    """Write one answer down for each alert.

    Args:
        patches: The folder `patches/`.
        alerts: What is answered.
        reason: Why the port may go on, one line.
    """
    made = []
    for alert in alerts:
        which = (alert.kind.value, alert.patch[5:], alert.path, alert.symbol)
        rows = zip(_LABELS, (*which, alert.landed, alert.undone, reason), strict=True)
        at = patches / FOLDER / name(alert)
        text = "".join(f"{label}: {value}\n" for label, value in rows)
        write(at, text.encode("utf-8"))
        made.append(at)
    return made
