# SPDX-License-Identifier: Apache-2.0
"""`make hopper`'s steps: what they need, what they leave, what they refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from scripts.base.errors import Finding, ForkError, Unusable
from scripts.checkout import Checkout
from scripts.cli import app
from scripts.doctor.facts import Gpu
from scripts.hardware import gpu
from scripts.hopper import prepare, record, results, runner
from tests.unit.hopper.runs import RELEASE, SERIES, changed, result


@pytest.fixture
def hopper_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "found", lambda *_: Gpu("H200", "9.0", "580", "9"))


def bundle(folder: Path, script: str) -> Path:
    (folder / prepare.MANIFEST).write_text("{}", encoding="utf-8")
    (folder / "run.py").write_text(script, encoding="utf-8")
    return folder


def test_no_gpu_no_bundle_no_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "found", lambda *_: Gpu("H200", "9.0", "580", "9"))
    with pytest.raises(Unusable, match="no bundle"):
        runner.run(tmp_path, "python3")
    with pytest.raises(Unusable, match="no result"):
        runner.found(tmp_path)
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(gpu, "found", lambda *_: Gpu("RTX", "12.0", "580", "9"))
    with pytest.raises(Unusable, match="nothing was run"):
        runner.run(tmp_path, "python3")


def test_a_python_that_is_not_there_is_named_first(tmp_path: Path) -> None:
    """Without a bundle and without a GPU, too."""
    with pytest.raises(Unusable, match="the Python cannot be run") as refusal:
        runner.run(tmp_path, "/nosuch/python")
    text = str(refusal.value)
    assert "/nosuch/python" in text and "make hopper STEP=run PYTHON=" in text


WRITES = """
import json, sys
out = sys.argv[sys.argv.index("--out") + 1]
told = json.loads({told!r})
json.dump(told | {{"asked": [*told["parts"], *{more!r}]}}, open(out, "w"))
print("words of it", *sys.argv[3:])
sys.exit({status})
"""


def writes(status: int, *more: str) -> str:
    return WRITES.format(told=json.dumps(result()), more=more, status=status)


@pytest.mark.usefixtures("hopper_gpu")
def test_a_run_hands_on_what_was_asked_for(tmp_path: Path) -> None:
    out = runner.run(
        bundle(tmp_path, writes(1)), sys.executable, ("models", "seed"), ("M", "N")
    )
    assert results.load(out)["parts"].keys() == result()["parts"].keys()
    said = (tmp_path / runner.LOG).read_text(encoding="utf-8")
    assert said == "words of it --parts models,seed --models M,N\n"


@pytest.mark.usefixtures("hopper_gpu")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit(2)", "environment"),
        ("raise RuntimeError", "crashed"),
        ("import os; os.kill(os.getpid(), 11)", "crashed"),
        (writes(-11 & 0xFF), "crashed"),
        (writes(1, "graphs2", "linear2"), "graphs2, linear2 did not begin"),
    ],
)
def test_a_crash_leaves_no_result_of_before(
    tmp_path: Path, script: str, said: str
) -> None:
    old = tmp_path / "results.json"
    old.write_text(json.dumps(result()), encoding="utf-8")
    with pytest.raises(Finding, match="the step run") as refusal:
        runner.run(bundle(tmp_path, script), sys.executable)
    text = str(refusal.value)
    assert said in text and str(tmp_path / runner.LOG) in text and "STEP=run" in text
    assert not old.is_file() or "asked" in old.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recorded", "--step", "run"], "STEP"),
        (["--recorded", "--python", "p"], "PYTHON"),
        (["--recorded", "--models", "GLM-4.6"], "MODELS"),
        (["--recorded", "--results", "r"], "RESULTS"),
        (["--step", "prepare", "--python", "p"], "PYTHON"),
        (["--step", "prepare", "--json"], "JSON"),
        (["--step", "record", "--parts", "seed"], "PARTS"),
        (["--step", "run", "--results", "r"], "RESULTS"),
        (["--results", "r"], "RESULTS"),
        (["--step", "packages", "--models", "GLM-4.6"], "MODELS"),
        (["--models", "GLM-4.6,GPT-9"], "GPT-9"),
        (["--step", "prepare", "--parts", "seed,seeds"], "seeds"),
        (["--recorded", "--flashinfer", "0.0.1"], "0.7.2.post1, 0.7.4"),
    ],
)
def test_arguments_that_change_nothing_are_refused(
    arguments: list[str], said: str
) -> None:
    done = CliRunner().invoke(app, ["hopper", *arguments])
    assert isinstance(done.exception, Unusable) and said in str(done.exception)


@pytest.mark.parametrize("release", ["0.6.0", "0.7.0"])
def test_a_flashinfer_that_the_series_refuses_is_refused_first(
    release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the package index is asked, and an environment made."""

    def late(*_: object) -> NoReturn:
        raise AssertionError("too late")

    monkeypatch.setattr("scripts.kernels.releases.requirements", late)
    monkeypatch.setattr("scripts.selection.matrix.trees", late)
    with pytest.raises(Unusable, match=r"0\.7\.1 or newer") as e:
        runner.prepared(Checkout(), release, tmp_path / release)
    assert release in str(e.value)


def test_one_record_is_printed_where_one_is_asked_for() -> None:
    for release, other in (("0.7.4", "0.7.2.post1"), ("0.7.2.post1", "0.7.4")):
        said = CliRunner().invoke(
            app, ["hopper", "--recorded", "--flashinfer", release]
        )
        assert f"flashinfer-python {release}, " in said.stdout
        assert f"flashinfer-python {other}, " not in said.stdout


@pytest.mark.parametrize("good", [True, False])
def test_a_run_is_judged_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: bool
) -> None:
    from scripts import reports
    from scripts.series import identity
    from scripts.upstream import lock

    pinned = SimpleNamespace(companions={"flashinfer-python": RELEASE})
    written: list[Any] = []
    monkeypatch.setattr(lock, "load", lambda _: pinned)
    monkeypatch.setattr(identity, "here", lambda *_: SERIES)
    monkeypatch.setattr(reports, "write", lambda *a: written.append(a))
    monkeypatch.setattr(record.save, "__defaults__", (None, tmp_path))
    kept = tmp_path / f"flashinfer-{RELEASE}.json"
    kept.write_text("old", encoding="utf-8")
    file = tmp_path / "r.json"
    found = result() if good else changed("errors", 0, "fork", float("nan"))
    file.write_text(json.dumps(found), encoding="utf-8")
    asked = ["hopper", "--step", "record", "--results", str(file)]
    done = CliRunner().invoke(app, asked)
    if good:
        assert done.exit_code == 0 and len(written) == 1
        assert results.load(kept)["parts"]
        return
    assert done.exit_code == 1 and not isinstance(done.exception, ForkError)
    assert "not recorded: errors: the fork's error" in done.stderr
    assert written == [] and kept.read_text(encoding="utf-8") == "old"


def test_upstreams_tests_come_when_nobody_else_needs_the_process_groups() -> None:
    for parts in (prepare.wanted(), prepare.wanted(("engine", "seed", "w4a16"))):
        assert parts["sm_120a"][-1] == "seed" and "engine" in parts["sm_120a"]


def test_releases_have_locks_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    held: list[Path] = []

    def one_run(path: Path, *_: Any, **__: Any) -> nullcontext[None]:
        held.append(path)
        return nullcontext()

    monkeypatch.setattr(runner, "one_run", one_run)
    monkeypatch.setattr(prepare, "prepare", lambda _: tmp_path)
    monkeypatch.setattr(
        "scripts.selection.matrix.trees",
        lambda _: SimpleNamespace(fork=SimpleNamespace(path=tmp_path)),
    )
    monkeypatch.setattr(
        "scripts.upstream.environments.flashinfer_python", lambda *_: tmp_path
    )
    monkeypatch.setattr(runner, "packages_of", lambda *_: tmp_path)
    monkeypatch.setattr("scripts.kernels.versions.environment", lambda *_: None)
    at = Checkout()
    for release in ("0.7.4", "0.7.5", "0.7.2.post1"):
        runner.prepared(at, release, tmp_path / release)
    assert [path.name for path in held] == [
        "0.7.4.lock", "0.7.5.lock", "0.7.2.post1.lock",
    ]  # fmt: skip
