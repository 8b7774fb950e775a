# SPDX-License-Identifier: Apache-2.0
"""What `make hopper` reads in compute-sanitizer's output."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from scripts import IN_VLLM, ROOT

KERNEL = "kernel_cutlass_kernel_Some_object_at_0"
RAN = "kinds  3.3  micro  9\nkinds: 1 rows, 3 s\n"


@pytest.fixture(scope="module")
def sanitizer() -> ModuleType:
    path = ROOT / "tests" / "hardware" / "hopper" / "sanitizer.py"
    spec = importlib.util.spec_from_file_location("hopper_sanitizer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(IN_VLLM)
        spec.loader.exec_module(module)
    return module


def report(what: str, where: str) -> str:
    return (
        f"========= {what}\n=========     at {where}\n=========     by thread (0,0,0)\n"
    )


def test_reports_of_our_kernels_are_counted_by_place(sanitizer: ModuleType) -> None:
    said = (
        report("Stack overflow", f"{KERNEL}+0x98e0") * 2
        + report("Invalid __global__ read of size 4 bytes", f"{KERNEL}+0x10")
        + report("Uninitialized read", "at_native_kernel+0x20")
        + RAN
        + "========= ERROR SUMMARY: 4 errors\n"
    )
    *counts, told = sanitizer.read("memcheck", said)
    assert counts == [3, 0, 9]
    assert told.startswith(
        "2 x Stack overflow at +0x98e0 | 1 x Invalid __global__ read"
    )


def test_a_clean_run_is_clean(sanitizer: ModuleType) -> None:
    done = RAN + "========= ERROR SUMMARY: 0 errors\n"
    assert sanitizer.read("synccheck", done) == [0, 0, 9, ""]
    raced = (
        RAN + "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"
    )
    assert sanitizer.read("racecheck", raced) == [0, 0, 9, ""]


def test_hazards_are_errors_and_warnings(sanitizer: ModuleType) -> None:
    said = (
        f"========= Error: Race reported between Read access at {KERNEL}+0x1b\n"
        f"=========     and Write access at {KERNEL}+0x1a [64 hazards]\n"
        + RAN
        + "========= RACECHECK SUMMARY: 3 hazards displayed (2 errors, 1 warning)\n"
    )
    *counts, told = sanitizer.read("racecheck", said)
    assert counts == [2, 1, 9]
    assert (
        "Read access at +0x1b" in told and "Write access at +0x1a [64 hazards]" in told
    )


@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_what_did_not_end_is_no_pass(sanitizer: ModuleType, tool: str) -> None:
    assert sanitizer.read(tool, RAN)[:2] == [-1, -1 if tool == "racecheck" else 0]
    failed = report("Stack overflow", f"{KERNEL}+0x98e0") + "cudaErrorLaunchFailure"
    *counts, told = sanitizer.read(tool, failed)
    assert counts == ["", "", ""]
    assert told == "did not run: 1 x Stack overflow at +0x98e0"


def test_the_record_knows_where_a_report_is_cut(sanitizer: ModuleType) -> None:
    from scripts.hopper import known

    assert sanitizer.CUT == known.CUT


def test_kinds_may_be_run_apart(
    sanitizer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is slow has a process, and a GPU, of its own; shares make one record."""
    one = lambda bundle, capability, tool, kind: [tool, kind]  # noqa: E731
    monkeypatch.setattr(sanitizer, "_one", one)
    rows = list(sanitizer.rows(ROOT, "12.0", ["dynamic gated"]))
    assert sorted(rows) == [[tool, "dynamic gated"] for tool in sorted(sanitizer.TOOLS)]


def test_a_rank_says_what_it_launched(sanitizer: ModuleType) -> None:
    """No formula: what did not get so far has no number."""
    rows = "ranks  1.0  small  direct_micro  4\n" * 5
    ended = "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)\n"
    launched = f"{sanitizer.SAID}23 dense, 23 direct_micro, 23 static\n"
    told = "23 dense, 23 direct_micro, 23 static"
    assert sanitizer.read_rank(rows + launched + ended) == [told, 0, 0, 69, ""]
    assert sanitizer.read_rank(rows + launched)[:4] == [told, -1, -1, 69]
    *counts, why = sanitizer.read_rank(rows + ended)
    assert counts == [""] * 4 and why.startswith("did not run: ranks  1.0")
