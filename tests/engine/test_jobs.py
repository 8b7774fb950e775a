# SPDX-License-Identifier: Apache-2.0
"""How the engine's processes are started, kept and judged, without an engine."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.selection.matrix import Tree, Trees
from tests.engine import __main__ as main
from tests.engine import jobs, place, table
from tests.engine.jobs import Job
from tests.engine.place import Place

SIDES = {
    "fork": ["FlashInferCuteDSLSM12xExperts", "FlashInferB12xNvFp4LinearKernel"],
    "upstream": ["FlashInferB12xExperts", "FlashInferCutlassNvFp4LinearKernel"],
}


def measured(side: str, error: float, **other: Any) -> dict[str, Any]:
    usual = {"sigma": 0.01, "form": "modelopt", "linear": False, "side": side}
    usual |= {"kernels": SIDES[side][:1], "divergence": 0.1, "agree": 9, "of": 10}
    return usual | {"error": error} | other


@pytest.mark.parametrize(
    ("fork", "upstream", "verdict"),
    [
        (measured("fork", 0.17), measured("upstream", 0.33), table.HOLDS),
        (measured("fork", 0.34), measured("upstream", 0.33), table.FAILS),
        (measured("fork", 0.21), measured("upstream", 0.33), table.FAILS),
        (measured("fork", float("nan")), measured("upstream", 0.33), table.FAILS),
        (
            measured("fork", 0.17, kernels=SIDES["upstream"][:1]),
            measured("upstream", 0.33),
            table.FAILS,
        ),
        (
            measured("fork", 0.25, linear=True, kernels=SIDES["fork"]),
            measured("upstream", 0.33, linear=True, kernels=SIDES["upstream"]),
            table.HOLDS,
        ),
    ],
    ids=["holds", "worse", "too far", "nan", "another kernel", "linear"],
)
def test_sides_are_judged(
    fork: dict[str, Any], upstream: dict[str, Any], verdict: str
) -> None:
    ((_, _, found, said),) = table.compared([fork], [upstream])
    assert said == verdict
    assert "9 of 10 agree" in found


def test_sides_of_other_checkpoints_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different checkpoints"):
        table.compared([measured("fork", 0.1)], [measured("upstream", 0.1, sigma=0.05)])


def test_what_was_not_run_is_noted_and_what_fails_is_shown() -> None:
    rows = [
        ("load", "a", "b", table.FAILS),
        ("sleep", "", "not run: vllm/x.py:3: no", table.NOT_RUN),
        ("batch", "c", "c", table.HOLDS),
    ]
    parts = {"steps": rows, "ranks": [("TP 2", "d", "d", table.HOLDS)]}
    assert table.failed(parts) == rows[:1]
    data = table.as_data(parts)
    assert "sleep: not run: vllm/x.py:3: no" in data["notes"]
    assert data["rows"][0] == ["load", "a", "b", "fails", command("steps")]
    assert {len(row) for row in data["rows"]} == {len(data["columns"])}
    text = table.render(parts, ["data"])
    assert f"\nnot run  {command('data')}" in text
    assert "expected: a" in text and "expected: c" in text
    assert text.index(command("steps")) < text.index("batch") < text.index("only ranks")


def test_a_part_that_ends_badly_is_a_row_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(job: Job, tree: Path, below: Path) -> jobs.Found:
        raise Finding("planted", where="a log", next="read it")

    monkeypatch.setattr(jobs, "run", ends)
    tree = Tree(tmp_path, "0" * 40)
    rows = main._tried(main.Part.RANKS, Trees(tree, tree), tmp_path)
    assert table.failed({"ranks": rows}) == rows
    assert len(rows) == len(main._ASKED[main.Part.RANKS]) == 2  # the next is run
    assert "planted" in rows[0][2]
    assert "read it" in capsys.readouterr().err


def command(part: str) -> str:
    return f'make engine ARGS="--only {part}"'


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A script in the place of an engine's, in this interpreter."""
    inside = tmp_path / "inside"
    inside.mkdir()
    here = Place(Path(sys.executable), tmp_path, ())
    monkeypatch.setattr(jobs, "place", lambda tree, below, more: here)
    monkeypatch.setattr(jobs, "INSIDE", inside)
    return inside / "one.py"


def test_what_a_process_found_is_kept(process: Path, tmp_path: Path) -> None:
    process.write_text(
        "import json, os, pathlib, sys\n"
        "said = [{'arguments': sys.argv[3:], 'as': os.environ['VLLM_TARGET_DEVICE'],\n"
        "         'lines': os.environ['RAY_DEDUP_LOGS']}]\n"
        "pathlib.Path(sys.argv[2]).write_text(json.dumps(said))\n"
    )
    job = Job("one.py", "fork", ("x",), variables=jobs.ON_RAY.variables)
    found = jobs.run(job, tmp_path, tmp_path / "below")
    assert found == [{"arguments": ["x"], "as": "cpu", "lines": "0"}]
    process.write_text("raise SystemExit(1)")
    assert jobs.run(job, tmp_path, tmp_path / "below") == found


@pytest.mark.parametrize("verdict", [table.HOLDS, table.FAILS])
def test_a_part_with_a_row_that_fails_is_asked_again(
    process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    def asked(part: main.Part, said: str) -> list[str]:
        claim = {"step": "TP 2", "expected": "a", "found": "b", "verdict": said}
        error = 0.1 if said == table.HOLDS else 9.0
        found = {side: [measured(side, error) | claim] for side in SIDES}
        process.write_text(
            "import json, pathlib, sys\n"
            f"text = json.dumps({found!r}[sys.argv[3]])\n"
            "pathlib.Path(sys.argv[2]).write_text(text)\n"
        )
        rows = main._tried(part, Trees(tree, tree), tmp_path / "below")
        return [row[3] for row in rows]

    tree = Tree(tmp_path, "0" * 40)
    for name in ("STEPS", "FORK", "UPSTREAM"):
        side = getattr(jobs, name).side
        monkeypatch.setattr(jobs, name, Job("one.py", side, (side,)))
    alone = partial(main._alone, jobs.STEPS)
    parts = {main.Part.STEPS: (alone,), main.Part.LOGITS: (main._compared,)}
    monkeypatch.setattr(main, "_ASKED", parts)
    for part in parts:
        assert asked(part, verdict) == [verdict]
        assert asked(part, table.HOLDS) == [table.HOLDS]
        assert asked(part, table.FAILS) == [table.HOLDS]  # it is kept
        for job in (jobs.FORK, jobs.UPSTREAM):
            jobs.forget(job, tmp_path / "below")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('planted')", "planted"),
        ("print('nothing written')", "nothing written"),
        ("import time; time.sleep(60)", "ended with 124"),
    ],
    ids=["raises", "writes nothing", "hangs"],
)
def test_a_process_that_ends_badly_says_why(
    process: Path, tmp_path: Path, text: str, said: str
) -> None:
    process.write_text(text)
    with pytest.raises(Finding) as raised:
        jobs.run(Job("one.py", limit=2), tmp_path, tmp_path / "below")
    assert said in str(raised.value)
    assert not (tmp_path / "below" / "one-fork.json").exists()


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Package folders without packages."""
    folder = tmp_path / "only"
    (folder / "vllm").mkdir(parents=True)
    monkeypatch.setattr(place, "package_folder", lambda requirements: folder)
    monkeypatch.setattr(place, "flashinfer_python", lambda: Path(sys.executable))
    return folder


def test_a_tree_is_laid_over_compiled_files(packages: Path, tmp_path: Path) -> None:
    (packages / "vllm" / "_C.abi3.so").write_bytes(b"compiled")
    (packages / "vllm" / "envs.py").write_text("of another release")
    tree = tmp_path / "tree" / "vllm"
    (tree / "config").mkdir(parents=True)
    (tree / "config" / "__init__.py").write_text("of the pin")
    (tree / "envs.py").write_text("of the pin")
    made = place.place(tmp_path / "tree", tmp_path / "below")
    assert (made.vllm / "vllm" / "envs.py").read_text() == "of the pin"
    assert (made.vllm / "vllm" / "_C.abi3.so").read_bytes() == b"compiled"
    (told,) = made.vllm.glob("vllm-*+cpu.dist-info")
    assert "sm12x_double:install" in (told / "entry_points.txt").read_text()
    path = made.environ()["PYTHONPATH"].split(":")
    assert path[0] == str(made.vllm)
    config = made.vllm / "vllm" / "config"
    assert config.is_dir() and not config.is_symlink()  # who walks it looks inside
    assert (config / "__init__.py").read_text() == "of the pin"


def test_a_tree_is_laid_once_and_whole(packages: Path, tmp_path: Path) -> None:
    """What an interrupted run has left is made anew; compiled Python stays."""
    (packages / "vllm" / "_C.abi3.so").write_bytes(b"compiled")
    (tmp_path / "tree" / "vllm").mkdir(parents=True)
    (tmp_path / "below" / "tree.part" / "vllm").mkdir(parents=True)
    made = place.place(tmp_path / "tree", tmp_path / "below").vllm
    (made / "vllm" / "__pycache__").mkdir()
    assert place.place(tmp_path / "tree", tmp_path / "below").vllm == made
    assert (made / "vllm" / "__pycache__").is_dir()
    assert not (tmp_path / "below" / "tree.part").exists()


def test_a_job_can_have_packages_of_its_own(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree" / "vllm").mkdir(parents=True)
    monkeypatch.setattr(place, "package_folder", lambda r: packages / r.name)
    (packages / place.COMPILED.name / "vllm").mkdir(parents=True)
    (packages / place.COMPILED.name / "vllm" / "_C.abi3.so").write_bytes(b"compiled")
    made = {
        more: place.place(tmp_path / "tree", tmp_path / "below", more).beside
        for more in ((), (place.RAY,))
    }
    assert packages / place.RAY.name not in made[()]
    assert made[(place.RAY,)] == (*made[()], packages / place.RAY.name)
    assert jobs.ON_RAY.packages == jobs.TYPED.packages == (place.RAY,)


def test_without_compiled_files_it_says_so(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "tree" / "vllm").mkdir(parents=True)
    with pytest.raises(Unusable, match="no files compiled for a CPU"):
        place.place(tmp_path / "tree", tmp_path / "below")


def test_digest_follows_the_trees() -> None:
    one = jobs.digest(["a", "b"])
    assert one == jobs.digest(["a", "b"]) != jobs.digest(["a", "c"])
