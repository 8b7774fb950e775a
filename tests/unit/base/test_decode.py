# SPDX-License-Identifier: Apache-2.0
"""What tools have written is read back as its types, and a wrong key is named."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ci.plan import Proposal
from scripts import reports
from scripts.base import decode
from scripts.base.errors import Finding, Unusable
from scripts.checkout import Checkout
from scripts.evidence import record
from scripts.kernels import baseline
from scripts.wheel.installed.manifest import Change, Manifest, State, load
from tests.unit.small import Small


@pytest.mark.parametrize(
    ("value", "kind", "path", "expected", "found"),
    [
        ({"a": [1, "2"]}, dict[str, list[int]], "a[1]", "int", "'2'"),
        ({"x": {"y": {"z": 1}}}, dict[str, dict[str, dict[str, str]]], "x.y.z",
         "str", "1"),
        ({"f": {"n": 1}, "g": {"n": None}}, dict[str, dict[str, int]], "g.n",
         "int", "None"),
        ([1], dict[str, int], "", "object", "[1]"),
        ({"sha256": "a", "size": True, "mode": 0}, State, "size", "int", "True"),
        ({"sha256": "a", "size": 1}, State, "mode", "a value", "none"),
        ({"key": "k", "version": 1, "title": "", "body": ""}, Proposal, "version",
         "str", "1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(
    value: Any, kind: type, path: str, expected: str, found: str
) -> None:
    with pytest.raises(decode.Unfit) as caught:
        decode.convert(value, kind)
    told = caught.value
    assert (told.path, told.expected, told.found) == (path, expected, found)


STATE = State("0" * 64, 5, 0o644)
CHANGE = Change("vllm/a.py", None, STATE, "0")
WHOLE = Manifest(
    *("0.33.0", "0.33.0+sm12x.1", "1" * 64, (("0001-a.patch", "2" * 64, "a"),)),
    *((CHANGE,), Change("RECORD", STATE, STATE, "1"), (), ("vllm/new",)),
)


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(WHOLE.dump())
    assert load(path) == WHOLE


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("changes", [asdict(CHANGE) | {"after": {"sha256": "0", "size": "5"}}],
         "changes[0].after"),
        ("record", None, "record"),
        ("patches", [["0001-a.patch", 2, "a"]], "patches[0][1]"),
        ("vllm", ["0.33.0"], "vllm"),
    ],
)  # fmt: skip
def test_a_manifest_of_other_types_is_none(
    tmp_path: Path, key: str, value: Any, place: str
) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(asdict(WHOLE) | {key: value}), encoding="utf-8")
    with pytest.raises(Finding, match="record of the patched files") as caught:
        load(path)
    assert str(caught.value.where).startswith(f"{path}, {place}")


def test_a_report_of_other_types_is_none(small: Small) -> None:
    at = Checkout(small.root)
    reports.write(at, "port", {"a": 1})
    path = at.build / "reports" / "port.json"
    told = json.loads(path.read_bytes())
    assert reports.read(at, "port") == reports.Report(
        **{k: v for k, v in told.items() if k != "schema"}
    )
    for key, value in (("tree", 1), ("data", []), ("made", None)):
        path.write_text(json.dumps(told | {key: value}), encoding="utf-8")
        with pytest.raises(Unusable, match="not written by these tools") as caught:
            reports.read(at, "port")
        assert caught.value.where == f"{path}, {key}"
    path.write_bytes(b'{"schema": 1')
    with pytest.raises(Unusable, match="not written by these tools"):
        reports.read(at, "port")


def test_a_record_of_other_types_is_none(tmp_path: Path) -> None:
    found = record.load()
    assert found and all(isinstance(each.survivors, tuple) for each in found.values())
    path = tmp_path / "mutants.json"
    told = json.loads(record.RECORD.read_bytes())
    number = next(iter(told["patches"]))
    told["patches"][number]["killed"] = "7"
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(Unusable, match="mutants") as caught:
        record.load(path)
    assert caught.value.where == f"{path}, patches.{number}.killed"


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("schema", 2, ", schema"),
        ("versions", {"torch": 2}, ", versions.torch"),
        ("columns", ["size"], ", kernels."),
        ("kernels", {"a": 5}, ", kernels.a"),
    ],
)
def test_a_baseline_of_other_types_is_none(
    tmp_path: Path, key: str, value: Any, place: str
) -> None:
    told = json.loads(baseline.PATH.read_bytes())
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    assert baseline.load(path) == baseline.load()
    path.write_text(json.dumps(told | {key: value}), encoding="utf-8")
    with pytest.raises(Unusable, match="baseline cannot be read") as caught:
        baseline.load(path)
    assert str(caught.value.where).startswith(f"{path}{place}")


def test_a_figure_that_is_no_number_is_named(tmp_path: Path) -> None:
    told = json.loads(baseline.PATH.read_bytes())
    name = next(iter(told["kernels"]))
    told["kernels"][name][0] = "many"
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(Unusable, match="baseline cannot be read") as caught:
        baseline.load(path)
    assert caught.value.where == f"{path}, kernels.{name}"
    assert told["columns"][0] in str(caught.value.found)
