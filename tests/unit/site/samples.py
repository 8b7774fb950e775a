# SPDX-License-Identifier: Apache-2.0
"""Reports as their targets write them, and pages read as a browser reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import html5lib

from scripts.kernels import baseline
from scripts.kernels import report as kernels
from scripts.port.report import render
from scripts.port.report.states import FileResult, PatchResult
from scripts.port.report.states import State as Port
from scripts.port.report.summary import Check, Proof, Summary
from scripts.selection import main as selection
from scripts.selection import report as matrix
from scripts.series.alerts import Alert, Red
from tests.bench.carry import Cell

EVIL = "<script>alert('x')</script> & \"quoted\" {{ lock }}"
"""Text that has to come out as text."""


def _kernels() -> dict[str, Any]:
    base = baseline.load()
    some = dict(sorted(base.kernels.items())[::12])
    problem = kernels.Problem(kernels.Kind.SHARED, "sm_120a/x", EVIL)
    made = kernels.Report(some, (problem,), (), {"sm_120a": 149, "sm_121a": 149})
    return kernels.as_data(made, base.versions)


def _port() -> dict[str, Any]:
    files = (FileResult("vllm/a.py", Port.CONFLICT, EVIL),)
    patches = (
        PatchResult("0001-a.patch", "a subject", files),
        PatchResult("0002-b.patch", EVIL, (FileResult("b.py", Port.UNCHANGED),)),
    )
    checks = (Check("make test", Proof.NOT_RUN, "conflict"),)
    alert = Alert(Red.REVERTED, "0002-b.patch", "b.py", "f", "0.31.0", EVIL)
    summary = Summary("0.33.0", "0.34.0", patches, (alert,), checks=checks)
    return json.loads(render.as_json(summary))


def samples() -> dict[str, dict[str, Any]]:
    """One report of each name, made by its target's own code where that is there."""
    cells = [
        Cell("0.32.0", "make port", 3, (), 1.0, 1.0),
        Cell("0.32.0", "git am", 1, (f"0001 a.py: {EVIL}",), 1.0, 1.0),
        Cell("0.32.0", "quilt push", 0, (), 0.0, 0.0, ran=False),
    ]
    loaded = [
        {"format": form, "sigma": sigma, "promised": 0.17, "fork": [0.16, 0.15],
         "upstream": [0.008 / sigma, 0.001]}
        for form in ("modelopt", "compressed-tensors")
        for sigma in (0.05, 0.01, 0.004)
    ]  # fmt: skip
    planted = [{"mistake": "order_not_swapped", "found": [EVIL], "bound": 0.25}]
    model = {"model": "A model", "layers": 48, "tokens": 8192, "fork": 1 << 28}
    models = [
        model | {"upstream": 15 << 30, "raised": "", "verified": True},
        model | {"model": "B", "upstream": None, "raised": EVIL, "verified": False},
    ]
    table = {
        "title": "Agreement with BF16",
        "columns": ["sigma", "fork", "upstream"],
        "rows": [[0.05, 64, 63], [EVIL, 64, None]],
        "notes": [EVIL],
        "machine": {"device": EVIL, "CPUs": 2},
    }
    case = {"number": "0001", "name": "0001-a.patch", "test": ["tests/a.py::test_a"]}
    case |= {"dependents": [{"number": "0003", "why": "a.py"}]}
    case |= {"fails_without": True, "mutants": {"killed": 9, "total": 10}}
    other = {"number": "0002", "test": [EVIL], "fails_without": False}
    digest = "ab" * 32
    file = {"name": "vllm-1-py3-none-any.whl", "size": 336361138, "sha256": digest}
    machine = {"device": "RTX", "capability": "12.0", "hardware": True}
    owner = {"machine": machine, "ok": False, "tests": table}
    return {
        "test-sm12x": owner,
        "bench-sm12x": owner | {"tests": None} | benched(),
        "matrix": matrix.as_data(selection.recorded().table),
        "errors": {"loaded": loaded, "planted": planted},
        "memory": {"models": models},
        "footprint": table,
        "engine": table,
        "cuda": table | {"title": EVIL},
        "hopper": {"runs": [{"machine": machine, "notes": [EVIL], "tables": [table]}]},
        "kernels": _kernels(),
        "evidence": {"patches": [case | {"off_target": "none"}, other]},
        "port": _port(),
        "port-dry-run": _port(),
        "carry-matrix": {"cells": [asdict(cell) for cell in cells], "patches": 3},
        "reproduce": {
            "name": "a.whl",
            "same": False,
            "sha256": digest,
            "rebuilt": "cd" * 32,
            "differences": [EVIL],
        },
        "release": {"files": [file | {"kind": "wheel"}, file | {"name": EVIL}]},
    }


def benched() -> dict[str, Any]:
    """Tables as `make bench-sm12x` writes them, of made-up figures."""
    ours = {"MoE": "flashinfer_cutedsl_sm12x", "linear": "auto"}
    sweep = [
        [layer, name, m, *(round(f * (20 + 2 * i + m / 9), 2) for f in (1, 0.9, 1.2))]
        for layer, own in ours.items()
        for m in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 8192)
        for i, name in enumerate((own, "flashinfer_cutlass", "marlin", "b12x", EVIL))
    ]
    serve = [
        [name, many, figure, 100.5 + i, 90 + i, 120 + i, 3]
        for figure in ("tokens/s", "ms a token")
        for many in (1, 8)
        for i, name in enumerate((ours["MoE"], "marlin", EVIL))
    ]
    columns = ["layer", "backend", "tokens", "us", "us, 10 %", "us, 90 %"]
    most = ["backend", "concurrent", "figure", "median", "least", "most", "rounds"]
    return {
        "sweep": {"title": "Microseconds of one layer", "columns": columns}
        | {"rows": sweep, "notes": [EVIL]},
        "serve": {"title": "Served", "columns": most, "rows": serve, "notes": []},
    }


@lru_cache(maxsize=32)
def _parsed(text: str) -> Element:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    # A space after each cell, so that `words` keeps them apart.
    found: Element = parser.parse(re.sub(r"(</t[dh]>)", r" \1", text))
    return found


class Page:
    """One page, parsed as HTML5 with every parse error an exception."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8") if text is None else text

    @cached_property
    def root(self) -> Element:
        return _parsed(self.text)

    def all(self, tag: str) -> Iterator[Element]:
        return self.root.iter(tag)

    @property
    def ids(self) -> list[str]:
        return [found for e in self.root.iter() if (found := e.get("id"))]

    def words(self, id: str) -> str:
        """What a reader sees of the element, white space folded."""
        (found,) = (e for e in self.root.iter() if e.get("id") == id)
        return re.sub(r"\s+", " ", "".join(found.itertext())).strip()

    def faults(self) -> Iterator[str]:
        """What is wrong with ids, links, headings, tables and pictures."""
        ids = self.ids
        yield from (f"id twice: {each}" for each in sorted({i for i in ids
                    if ids.count(i) > 1}))  # fmt: skip
        yield from self._links()
        yield from self._names(set(ids))
        levels = [int(e.tag[1]) for e in self.root.iter() if str(e.tag) in HEADINGS]
        if levels.count(1) != 1 or levels[0] != 1:
            yield f"headings start with {levels[:3]}"
        for before, after in pairwise(levels):
            if after > before + 1:
                yield f"from h{before} to h{after}"
        for cell in self.all("th"):
            if cell.get("scope") not in ("col", "row"):
                yield f"th without a scope: {''.join(cell.itertext())}"
        for table in self.all("table"):
            if table.find("caption") is None:
                yield "a table without a caption"
            rows = list(table.iter("tr"))
            if len({sum(int(c.get("colspan", "1")) for c in row) for row in rows}) > 1:
                yield "a table with rows of different lengths"

    def _links(self) -> Iterator[str]:
        for tag, attribute in (("a", "href"), ("link", "href"), ("script", "src")):
            for element in self.all(tag):
                target = element.get(attribute, "")
                parts = urlsplit(target)
                if parts.scheme == "data":
                    continue
                if parts.scheme or parts.netloc:
                    if not (parts.scheme == "https" and re.fullmatch(
                        r"[a-z0-9.-]+\.[a-z]+", parts.netloc)):  # fmt: skip
                        yield f"not well-formed: {target}"
                    continue
                other = self.path.parent / parts.path if parts.path else self.path
                if not target or not other.is_file():
                    yield f"leads nowhere: {target!r}"
                elif parts.fragment and parts.fragment not in self._places(other):
                    yield f"no such place: {target}"

    def _places(self, other: Path) -> list[str]:
        """Ids of the page at `other`, which is not looked at any further."""
        text = self.text if other == self.path else other.read_text(encoding="utf-8")
        return re.findall(r'\sid="([^"]+)"', text)

    def _names(self, ids: set[str]) -> Iterator[str]:
        for element in self.root.iter():
            for each in element.get("aria-labelledby", "").split():
                if each not in ids:
                    yield f"labelled by {each}, which is not there"
        for svg in self.all("{http://www.w3.org/2000/svg}svg"):
            tags = [str(child.tag).rpartition("}")[2] for child in svg]
            if svg.get("aria-hidden") != "true" and tags[:2] != ["title", "desc"]:
                yield "a picture without title and description"


HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
