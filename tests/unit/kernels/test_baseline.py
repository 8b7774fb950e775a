# SPDX-License-Identifier: Apache-2.0
"""The committed figures: what may move how far, and how a change reads."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.base.chips import ARCHITECTURES
from scripts.base.errors import Unusable
from scripts.cli.kernels import held
from scripts.kernels import baseline, releases, shapes, table
from scripts.kernels.problems import Kind
from scripts.kernels.report import SHARED_LIMIT, Kernel, Report, limits
from scripts.upstream import lock

KERNEL = Kernel(
    registers=168, stack=464, local_stores=512, local_loads=924, static_shared=0,
    dynamic_shared=101376, threads=288, mma=896, size=349144, sha256="a" * 64,
    code="b" * 64,
)  # fmt: skip
NAME = "sm_120a/model TP1 dynamic 128x128"


def test_the_same_figures_are_no_change() -> None:
    other = replace(KERNEL, sha256="c" * 64, code="d" * 64)
    assert baseline.compare({NAME: KERNEL}, {NAME: other}) == []


@pytest.mark.parametrize(
    ("figure", "new", "within"),
    [
        ("registers", 176, True),
        ("registers", 177, False),
        ("stack", 528, True),
        ("stack", 529, False),
        ("local_stores", 448, True),
        ("local_stores", 447, False),
        ("local_loads", 1016, True),
        ("local_loads", 1017, False),
        ("dynamic_shared", 101375, False),
        ("static_shared", 1, False),
        ("threads", 320, False),
        ("mma", 895, False),
        ("size", 384058, True),
        ("size", 384059, False),
    ],
)
def test_a_figure_moves_within_its_bound_or_beyond(
    figure: str, new: int, within: bool
) -> None:
    (change,) = baseline.compare(
        {NAME: KERNEL}, {NAME: replace(KERNEL, **{figure: new})}
    )
    assert (change.figure, change.within) == (figure, within)
    old = getattr(KERNEL, figure)
    assert f"{NAME}: {figure} {old:,} -> {new:,}" in str(change)
    assert ("(bound " in str(change)) is not within


def test_a_kernel_that_came_or_went_is_beyond_every_bound() -> None:
    came, went = baseline.compare({NAME: KERNEL}, {"sm_120a/other": KERNEL})
    assert str(came) == "sm_120a/other: is new" and not came.within
    assert str(went) == f"{NAME}: is no longer reached" and not went.within


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    report = Report({NAME: KERNEL, "sm_121a/x": KERNEL}, (), (), {})
    baseline.save(report, {"triton": "3.9.0"}, path)
    assert baseline.load(path) == baseline.Baseline({"triton": "3.9.0"}, report.kernels)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 9}', '{"schema": 1}'])
def test_no_baseline_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unusable, match="cannot be read"):
        baseline.load(path)


def test_the_committed_one_is_of_the_pinned_versions() -> None:
    committed = baseline.load()
    for name in ("flashinfer-python", "nvidia-cutlass-dsl"):
        assert committed.versions[name] == lock.load().companions[name]


def test_the_committed_one_has_every_kind_for_both_architectures() -> None:
    committed = baseline.load().kernels
    assert {name.split("/")[0] for name in committed} == set(ARCHITECTURES)
    for arch in ARCHITECTURES:
        names = [name for name in committed if name.startswith(arch)]
        for kind in (
            " micro ",
            " direct micro ",
            " static ",
            " dynamic ",
            "linear dense",
            " w4a16 block ",
        ):
            assert any(kind in name for name in names), (arch, kind)
        assert any("triton helper" in name for name in names)


@pytest.mark.parametrize("kind", ["micro", "static", "dynamic"])
def test_the_committed_ones_stand_for_all(kind: str) -> None:
    """As scripts/in_vllm/kernel_cover.py says."""
    models = [m for m in shapes.load().models if m.name != "gpt-oss"]  # it is refused
    activation = {m.name: m.activation for m in models}
    place = re.compile(rf"(\w+)/(\S+) (TP\d) {kind} ")
    found = [m.groups() for name in baseline.load().kernels if (m := place.match(name))]
    both = set(ARCHITECTURES)
    for one in activation.values():
        archs = {arch for arch, model, _ in found if activation[model] == one}
        assert archs == both, one
    assert {model for _, model, _ in found} == set(activation)
    assert {ranks for _, _, ranks in found} == {"TP1", "TP2", "TP4"}


def test_the_committed_ones_keep_the_limit_and_use_fp4() -> None:
    for name, kernel in baseline.load().kernels.items():
        assert kernel.static_shared + kernel.dynamic_shared <= SHARED_LIMIT, name
        plain = any(word in name for word in ("direct micro", "triton", "w4a16"))
        assert (kernel.mma == 0) is plain, name


def test_the_table_says_what_is_not_proved() -> None:
    lines = (f"sm_120a/{NAME}: X", f"sm_121a/{NAME}: X")
    made = Report({NAME: KERNEL}, (), lines, {"sm_120a": 149}, {"sm_120a": 80})
    text = table.render(made, {})
    assert "sm_120a: 149 kernels reached, 80 but for tokens, 1 compiled" in text
    assert "168    464" in text and "512/924" in text and "0+101376" in text
    assert f"sm_120a sm_121a: {NAME}: X" in text
    assert text.endswith(table.NOT_PROVED)


@pytest.mark.parametrize(
    ("change", "arch", "kinds"),
    [
        ({}, "sm_120a", []),
        ({}, "sm_121a", [Kind.ARCHITECTURE]),
        ({"static_shared": 1}, "sm_120a", [Kind.SHARED]),
        ({"threads": 384, "registers": 168}, "sm_120a", []),
        ({"threads": 384, "registers": 169}, "sm_120a", [Kind.REGISTERS]),
    ],
)
def test_what_the_device_has_not_is_a_problem(
    change: dict[str, int], arch: str, kinds: list[Kind]
) -> None:
    found = limits(NAME, "sm_120a", arch, replace(KERNEL, **change))
    assert [problem.kind for problem in found] == kinds


def test_drift_fails_with_old_and_new(capsys: pytest.CaptureFixture[str]) -> None:
    committed = baseline.load()
    name, kernel = next(iter(committed.kernels.items()))
    same = Report(committed.kernels, (), (), {})
    assert held(same, committed.versions, update=False)
    worse = replace(kernel, registers=kernel.registers + 9)
    moved = replace(same, kernels={**committed.kernels, name: worse})
    assert not held(moved, committed.versions, update=False)
    old, new = kernel.registers, worse.registers
    assert f"{name}: registers {old} -> {new} (bound 8)" in capsys.readouterr().err


def test_another_release_of_flashinfer_is_told_in_one_line() -> None:
    old = Report({NAME: KERNEL, "sm_120a/went": KERNEL}, (), (), {})
    new = Report({NAME: replace(KERNEL, registers=255), "x/came": KERNEL}, (), (), {})
    changes = baseline.compare(old.kernels, new.kernels)
    text = str(releases.Moved(old, new, tuple(changes)))
    assert text == (
        "1 kernels of both, 1 new, 1 no longer reached; "
        "1 figures moved, 1 beyond the bounds"
    )
