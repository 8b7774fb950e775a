# SPDX-License-Identifier: Apache-2.0
"""The record of a real CUDA device says what the README says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import reports
from scripts.base.chips import CAPABILITIES
from scripts.base.errors import Finding, Unusable
from scripts.checkout import Checkout
from scripts.cli import hopper as verb
from scripts.doctor.facts import Gpu
from scripts.hardware import cuda, gpu
from scripts.series.identity import Identity
from scripts.site import recorded
from scripts.upstream import lock as lockfile

FOUND = cuda.recorded()
ROWS = {row[0]: row[1:] for row in FOUND["rows"]}


def rows(start: str) -> dict[str, list[float]]:
    found = {name: row[:2] for name, row in ROWS.items() if name.startswith(start)}
    assert found, start
    return found


def test_it_names_device_driver_and_day() -> None:
    machine = FOUND["machine"]
    assert machine["capability"] not in CAPABILITIES
    assert {"device", "driver", "torch", "date"} <= {k for k, v in machine.items() if v}
    assert any("never ran" in note for note in FOUND["notes"])
    assert not cuda.failures(FOUND)


def test_a_record_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "cuda.json"
    monkeypatch.setattr(cuda, "RECORDED", other)
    for wrong, where in (({"notes": "none"}, "notes"), ({"tree": 1}, "tree")):
        other.write_text(json.dumps({**FOUND, **wrong}), encoding="utf-8")
        with pytest.raises(Finding, match="no recorded table") as caught:
            cuda.recorded()
        assert str(caught.value.where) == f"{other}, {where}"


def test_nothing_of_the_fork_is_selected_there() -> None:
    for fork, upstream in rows("selected at ").values():
        assert fork == upstream


def test_a_captured_graph_sees_the_new_checkpoint() -> None:
    for step in ("graph replayed", "replayed after a reload", "after the way back"):
        for fork, upstream in rows(step).values():
            assert fork < 0.2 <= upstream


def test_one_workspace_for_all_layers() -> None:
    ((fork, upstream),) = rows("MoE workspace allocated, 48 layers").values()
    assert upstream / fork > 40


def test_nothing_is_done_around_the_kernel() -> None:
    for name, (fork, upstream) in rows("device operations a layer").items():
        assert (fork, upstream) == ((0, 1) if "int32" in name else (1, 2))
    for name, (fork, upstream) in rows("in a CUDA graph").items():
        assert fork < upstream
        assert abs(fork) < 0.05 or "int64" in name
    for fork, upstream in rows("on the host, eager").values():
        assert fork < upstream


def test_a_table_of_another_series_says_so() -> None:
    trees = FOUND["tree"], "0" * 40
    own, other = (cuda.as_text(FOUND, Identity(tree)) for tree in trees)
    assert own.startswith("this series: patched tree")
    assert other.startswith("another series than this one")


def test_what_is_recorded_is_no_report_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = Checkout(tmp_path)
    at.lock.write_bytes(lockfile.PATH.read_bytes())
    at.patches.symlink_to(Checkout().patches)
    monkeypatch.setattr(verb, "Checkout", lambda: at)
    verb.hopper_verb(verb.Step.device, recorded=True)
    assert FOUND["machine"]["date"] in capsys.readouterr().out
    assert reports.read(at, "cuda") is None
    assert recorded.of_cuda().day == FOUND["machine"]["date"]


def test_a_failed_part_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "RECORDED", tmp_path / "recorded.json")
    with pytest.raises(Finding, match="failed: memory"):
        cuda.update({**FOUND, "notes": ["failed: memory"]})
    cuda.update(FOUND)
    text = (tmp_path / "recorded.json").read_text(encoding="utf-8")
    assert json.loads(text) == FOUND


@pytest.mark.parametrize("capability", ["8.9", "9.0", "10.0", "11.0"])
def test_another_gpu_runs_nothing(capability: str) -> None:
    with pytest.raises(Unusable, match="no SM12x") as refused:
        gpu.sm12x(Gpu("some GPU", capability, "580", "80 GB"))
    assert refused.value.exit_code == 2
    for own in CAPABILITIES:
        assert gpu.sm12x(Gpu("some GPU", own, "580", "80 GB")).capability == own
