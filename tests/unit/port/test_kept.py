# SPDX-License-Identifier: Apache-2.0
"""What a dry run keeps: the next one is as one without it, and faster."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from scripts.base.object_ids import Entry
from scripts.port import carry, kept
from scripts.port.report.states import PatchResult
from scripts.series import resolutions
from scripts.series.mailbox import Patch
from scripts.series.replay import Step
from scripts.series.resolutions import Records
from tests.unit.port.judge import carried, carried_by, mailed, parsed
from tests.unit.port.model import Series
from tests.unit.port.releases import BESIDE, go, release
from tests.unit.port.test_ahead import stack
from tests.unit.small import Small

COUNT = 4
CASE = stack(COUNT)
CHANGED = Series(
    CASE.name,
    CASE.base,
    tuple({p: t.replace("103", "999") for p, t in s.items()} for s in CASE.steps),
    CASE.upstream,
    (),
)
"""The same but for its last patch."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[list[Patch]]:
    made = []
    for case in (CASE, CHANGED):
        home = tmp_path_factory.mktemp("mails")
        made.append(parsed(mailed(case.changes, home)))
    return made


@pytest.fixture
def patches(
    both: list[list[Patch]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Patch]:
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SM12X_PARANOID", raising=False)
    return both[0]


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the patches that were merged, not taken."""
    names: list[str] = []
    real = carry._patch

    def noted(step: Step, *more: object) -> PatchResult:
        names.append(step.patch.name)
        return real(step, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(carry, "_patch", noted)
    return names


def again(patches: list[Patch], records: Records | None = None) -> object:
    return carried_by(patches, CASE.base, CASE.upstream, records or Records())


def file(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "cache/ports").glob("*.kept")
    return found


def test_second_run_is_the_first_and_merges_nothing(
    patches: list[Patch], merged: list[str]
) -> None:
    right = carried(patches, CASE.base, CASE.upstream)
    assert again(patches) == right
    merged.clear()
    assert again(patches) == right
    assert not merged


@pytest.mark.parametrize("same", range(COUNT))
def test_what_comes_before_a_changed_patch_is_taken(
    same: int, patches: list[Patch], merged: list[str]
) -> None:
    again(patches[:same])
    right = carried(patches, CASE.base, CASE.upstream)
    merged.clear()
    assert again(patches) == right

    assert set(merged) == {p.name for p in patches[same:]}


def test_a_patch_of_the_same_name_and_another_content_is_merged(
    patches: list[Patch], both: list[list[Patch]], merged: list[str]
) -> None:
    again(patches)
    changed = both[1]
    assert [p.name for p in changed] == [p.name for p in patches]
    right = carried(changed, CASE.base, CASE.upstream)
    merged.clear()
    assert again(changed) == right
    assert merged == [changed[-1].name]


@pytest.mark.parametrize("how", ["cut", "changed"])
def test_a_cut_or_damaged_file_is_not_believed(
    how: str, patches: list[Patch], tmp_path: Path, merged: list[str]
) -> None:
    again(patches)
    path = file(tmp_path)
    right, root = path.read_bytes(), kept_root(path)
    assert kept._load(path, root)
    for at in (0, 30, 64, 65, 70, 400, len(right) - 1):
        data = bytearray(right)
        if how == "cut":
            del data[at:]
        else:
            data[at] ^= 1
        path.write_bytes(data)
        assert not kept._load(path, root), at
    merged.clear()
    assert again(patches) == carried(patches, CASE.base, CASE.upstream)
    assert kept._load(path, root)


def kept_root(path: Path) -> str:
    body = path.read_bytes().partition(b"\n")[2]
    return msgspec.msgpack.decode(body, type=kept._File).root


def test_another_version_of_the_tool_finds_anew(
    patches: list[Patch], monkeypatch: pytest.MonkeyPatch, merged: list[str]
) -> None:
    again(patches)
    merged.clear()
    monkeypatch.setattr(kept, "_tool", lambda: ("another",))
    again(patches)
    assert set(merged) == {p.name for p in patches}


def test_every_line_of_the_tool_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = [tmp_path / "scripts" / room / "deep/x.py" for room in kept.ROOMS]
    for path in code:
        path.parent.mkdir(parents=True)
        path.write_text("a = 1\n", encoding="utf-8")
    module = tmp_path / "scripts/port/kept.py"
    monkeypatch.setattr(kept, "__file__", str(module))
    seen = {tuple(kept._versions())}
    for number, path in enumerate(code):
        path.write_text(f"a = 2{number}\n", encoding="utf-8")
        seen.add(tuple(kept._versions()))
    assert len(seen) == len(code) + 1


def test_a_new_decision_of_a_person_finds_anew(
    patches: list[Patch], tmp_path: Path, merged: list[str]
) -> None:
    again(patches)
    base, upstream, patched = (Entry(0o100644, f"{x}\n".encode()) for x in "abc")
    resolutions.save(
        tmp_path, (base, upstream, patched), b"d\n", "vllm/x.py", "x", "so"
    )
    merged.clear()
    again(patches, resolutions.load(tmp_path))
    assert set(merged) == {p.name for p in patches}


def test_one_who_believes_nothing_keeps_nothing(
    patches: list[Patch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM12X_PARANOID", "1")
    again(patches)
    assert not (tmp_path / "cache/ports").exists()


@pytest.mark.usefixtures("machine")
def test_only_dry_runs_take_it(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    release(small, BESIDE)
    taken: list[bool] = []
    real = kept.Kept.take

    def noted(known: kept.Kept, *step: object) -> object:
        found = real(known, *step)  # type: ignore[arg-type]
        taken.append(found is not None)
        return found

    monkeypatch.setattr(kept.Kept, "take", noted)
    first = go(small, dry_run=True)
    assert not any(taken)
    taken.clear()
    assert go(small, dry_run=True) == first
    assert all(taken) and len(taken) == len(first.patches)
    taken.clear()
    go(small)
    assert not taken


ONE_OF_TWO = """
import sys
from pathlib import Path

from scripts.series.resolutions import Records
from tests.unit.port import test_kept
from tests.unit.port.judge import carried, carried_by, mailed, parsed

real = Path.replace


def paused(path, target):
    if Path(target).suffix == ".kept":
        print("written", flush=True)
        sys.stdin.readline()
    return real(path, target)


Path.replace = paused
case, home = getattr(test_kept, sys.argv[1]), Path(sys.argv[2])
home.mkdir()
patches = parsed(mailed(case.changes, home))
made = carried_by(patches, case.base, case.upstream, Records())
print(made == carried(patches, case.base, case.upstream), flush=True)
"""
"""Stops before its file comes into its place; says whether it was right."""


@pytest.mark.parametrize("known", [0, 1])
def test_two_runs_at_once_are_right_and_leave_one_whole_file(
    known: int, patches: list[Patch], both: list[list[Patch]], tmp_path: Path
) -> None:
    """Both have written all of theirs before either puts it into its place."""
    again(patches[:known])
    ports = tmp_path / "cache/ports"
    before = [path.read_bytes() for path in ports.glob("*.kept")]
    assert len(before) == known
    with ExitStack() as stack_:
        runs = [
            stack_.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ONE_OF_TWO, case, str(tmp_path / case)],
                    cwd=Path(__file__).parents[3],
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for case in ("CASE", "CHANGED")
        ]
        said = [run.stdout.readline() for run in runs]  # type: ignore[union-attr]
        between = [path.read_bytes() for path in ports.glob("*.kept")]
        ends = [run.communicate("\n")[0] for run in runs]
    assert said == ["written\n"] * 2
    assert between == before
    assert ends == ["True\n"] * 2
    (left,) = ports.iterdir()  # no half of one beside it
    assert len(kept._load(left, kept_root(left))) == COUNT
    for series_ in both:
        assert again(series_) == carried(series_, CASE.base, CASE.upstream)
