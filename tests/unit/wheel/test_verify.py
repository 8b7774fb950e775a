# SPDX-License-Identifier: Apache-2.0
"""Tampered wheels are told from the built one: members, names, inputs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.base.errors import Finding
from scripts.wheel.report import What
from tests.unit.small_wheel import BUILT, LOCAL, SO, rewrite
from tests.unit.wheel.tampered import Case, found, kinds


def test_the_built_wheel_is_ok(case: Case) -> None:
    report = case.look(case.wheel)
    assert report.ok, str(report)
    assert (report.compiled, report.patched, report.removed) == (2, 2, 0)
    assert report.members == report.untouched + report.patched + 5
    assert str(report).startswith(f"ok: {BUILT}: {report.members} members, ")


def test_rewriting_without_a_change_is_ok(case: Case) -> None:
    """The tool that the other tests tamper with is not what is found."""
    assert case.look(rewrite(case.wheel, {}, case.copy)).ok


def test_compiled_file_altered(case: Case) -> None:
    data = bytearray(case.files()[SO])
    data[-1] ^= 1
    report = case.alter({SO: bytes(data)})
    assert kinds(report) == {What.COMPILED}
    assert found(report, What.COMPILED, SO)
    assert f"compiled: {SO}: expected upstream's bytes (CRC " in str(report)


def test_compiled_file_without_a_suffix(case: Case) -> None:
    report = case.alter({"vllm/vllm-rs": b"#!/bin/sh\n"})
    assert found(report, What.COMPILED, "vllm/vllm-rs")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("vllm/config/kernel.py", What.PATCHED),
        ("vllm/__init__.py", What.UPSTREAM),
        (f"{LOCAL}/WHEEL", What.UPSTREAM),
        (f"{LOCAL}/licenses/LICENSE", What.UPSTREAM),
    ],
)
def test_python_or_data_altered(case: Case, name: str, what: What) -> None:
    report = case.alter({name: case.files()[name] + b"\n"})
    assert kinds(report) == {what}
    assert found(report, what, name)


def test_extra_and_missing(case: Case) -> None:
    report = case.alter(
        {"vllm/evil.py": b"", "vllm/configs/E=1,N=2,device_name=X.json": None}
    )
    assert kinds(report) == {What.EXTRA, What.MISSING}
    assert found(report, What.EXTRA, "vllm/evil.py")
    assert found(report, What.MISSING, "device_name=X.json")


@pytest.mark.parametrize("name", ["licenses/NOTICE.sm12x", "sboms/vllm-sm12x.cdx.json"])
def test_our_own_files_missing(case: Case, name: str) -> None:
    report = case.alter({f"{LOCAL}/{name}": None})
    assert kinds(report) == {What.MISSING}


def test_test_file_of_the_series_inside(case: Case) -> None:
    assert kinds(case.alter({"tests/utils/test_probe.py": b""})) == {What.EXTRA}


def test_wrong_release_number(case: Case) -> None:
    report = case.look(case.wheel, replace(case.small.lock, release=2))
    assert {What.NAME, What.MISSING, What.EXTRA} <= kinds(report)


def test_wrong_file_name(case: Case) -> None:
    other = case.copy.with_name(BUILT.replace("sm12x.1", "sm12x.9"))
    other.write_bytes(case.wheel.read_bytes())
    report = case.look(other)
    assert kinds(report) == {What.NAME}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("vllm-1.2.3+sm12x.1-py3-none-any.whl", "no pinned platform"),
        ("README.md", "this is no wheel"),
    ],
)
def test_wrong_platform(case: Case, name: str, found: str) -> None:
    other = case.copy.with_name(name)
    other.write_bytes(case.wheel.read_bytes())
    with pytest.raises(Finding, match=found):
        case.look(other)


def test_trees_of_the_lock(case: Case) -> None:
    lock = replace(case.small.lock, patched_tree="0" * 40)
    report = case.look(case.wheel, lock)
    assert found(report, What.TREE, "after the series")
    lock = replace(case.small.lock, tree="0" * 40)
    assert found(case.look(case.wheel, lock), What.TREE, "tree of the sdist")


@pytest.mark.parametrize("which", ["base", "sdist"])
def test_inputs_are_the_pinned_ones(case: Case, which: str) -> None:
    lock = case.small.lock
    if which == "sdist":
        lock = replace(lock, sdist=replace(lock.sdist, sha256="0" * 64))
    else:
        wheels = {a: replace(w, sha256="0" * 64) for a, w in lock.wheels.items()}
        lock = replace(lock, wheels=wheels)
    with pytest.raises(Finding, match="is not the pinned one"):
        case.look(case.wheel, lock)
