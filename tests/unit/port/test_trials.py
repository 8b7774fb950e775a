# SPDX-License-Identifier: Apache-2.0
"""A git ref is proved in an archive made of it; a release's companions are named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import Unusable
from scripts.base.object_ids import Entry
from scripts.checkout import Checkout
from scripts.port import beside, companions, prove, run
from scripts.port.report import render
from scripts.port.report.summary import Check, Outcome
from scripts.port.run import Wanted, port
from scripts.selection import main, table
from scripts.series.apply import Wanted as Asked
from scripts.series.apply import apply
from scripts.upstream import lock as lockfile
from scripts.upstream.index import Offer
from scripts.upstream.lock import Own
from scripts.upstream.sdist_contents import Source
from tests.unit.port.releases import BESIDE, KERNEL, go, release
from tests.unit.small import Small, git
from tests.unit.small_files import VERSION, upstream

pytestmark = pytest.mark.usefixtures("machine")

PINS = "requirements/cuda.txt"
CUDA = "flashinfer-python==0.7.0\nnvidia-cutlass-dsl[cu13]==4.8.0\ntorch==2.13.0\n"


@pytest.fixture
def clone(small: Small, tmp_path: Path) -> Path:
    """Upstream's history: the pin with its tag, and a commit more on `main`."""
    repo = tmp_path / "clone"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    files = upstream() | {PINS: CUDA.encode()}
    files.pop("vllm/_version.py")
    for path, data in files.items():
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_bytes(data)
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "the release")
    git(repo, "tag", f"v{VERSION}")
    old, new = BESIDE[KERNEL]
    text = (repo / KERNEL).read_text(encoding="utf-8")
    (repo / KERNEL).write_text(text.replace(old, new), encoding="utf-8")
    git(repo, "commit", "-qam", "a member more")
    git(small.root, "init", "-q")
    git(small.root, "add", "upstream.lock", "patches")
    git(small.root, "commit", "-qm", "the checkout")
    return repo


def test_a_git_ref_is_proved_on_its_source(
    small: Small, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}
    real = prove.prove

    def proved(new: Checkout, **more: Any) -> list[Check]:
        seen["lock"] = lockfile.load(new.lock)
        seen["tree"] = apply(Asked(new)).path
        return real(new, lambda *_: (0, "fine\n"), **more)

    monkeypatch.setattr(run.prove, "prove", proved)
    before = small.lock_path.read_bytes()
    done = port(Checkout(small.root), Wanted("main", clone, prove_ref=True))
    assert done.outcome is Outcome.PROVED
    assert seen["lock"].version == f"{VERSION}.post1"
    assert seen["lock"].companions["flashinfer-python"] == "0.7.0"
    assert '"humming"' in (seen["tree"] / KERNEL).read_text(encoding="utf-8")
    # Nothing is pinned by it, and that is said.
    assert small.lock_path.read_bytes() == before
    assert run.NO_PIN in render.as_text(done)
    # Without being asked for, it is not proved, and the report says how.
    plain = port(Checkout(small.root), Wanted("main", clone))
    assert plain.outcome is Outcome.CARRIED
    assert f"make port TO=main GIT={clone} PROOF=1" in render.as_text(plain)


def test_a_ref_without_a_release_before_it_says_so(small: Small, clone: Path) -> None:
    git(clone, "tag", "-d", f"v{VERSION}")
    with pytest.raises(Unusable, match="no release's tag"):
        port(Checkout(small.root), Wanted("main", clone, prove_ref=True))


def test_the_steps_for_a_ref_leave_out_what_needs_a_wheel() -> None:
    (tests,) = [argv for name, argv in prove.REF_STEPS if name == "tests"]
    (whole,) = [argv for name, argv in prove.STEPS if name == "tests"]
    left_out = [a.partition("=")[2] for a in tests if a not in whole]
    assert len(left_out) == 3
    for name in left_out:
        path, _, test = name.partition("::")
        assert test in Path(path).read_text(encoding="utf-8")


def test_other_companions_are_said_before_anything_else(small: Small) -> None:
    release(small, BESIDE, more={PINS: CUDA})
    done = go(small, dry_run=True)
    rows = render.as_text(done).splitlines()
    assert rows[2].startswith("other companions: vllm-1.3.0 pins torch 2.13.0")
    pinned = small.lock.companions["torch"]
    assert pinned in rows[2]
    assert f"**{rows[2]}**" in render.as_markdown(done)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ("2.14.0", "too old: the series requires 2.15.0 (0004-x.patch). It is wrong."),
        ("2.15.0", "so does the series, and 0004-x.patch has nothing left to do"),
        ("2.16.0", "newer than 2.15.0, which the series requires (0004-x.patch)"),
    ],
)
def test_a_companion_of_the_series_own_is_said_with_what_follows(
    small: Small, theirs: str, said: str
) -> None:
    own = {"torch": Own("2.15.0", "0004-x.patch", "It is wrong.")}
    lock = replace(small.lock, own=own, companions={"torch": "2.15.0"})
    data = CUDA.replace("torch==2.13.0", f"torch=={theirs}").encode()
    tree = Source({}, {PINS: Entry(0o100644, data)})
    (row,) = companions.told(lock, tree, "vllm-1.3.0")
    assert row.startswith(f"other companions: vllm-1.3.0 pins torch {theirs}; ")
    assert said in row


ASKED = "# why\nflashinfer-python==0.6.9\nnvidia-cutlass-dsl==4.7.0\n"
ASKED += "nvidia-cutlass-dsl-libs-base==4.7.0\ntriton==3.9.0\n"


class Shelf:
    """An index that has what it is given."""

    url = "http://index.invalid"

    def __init__(self, *names: str) -> None:
        self.names = names

    def offers(self, project: str) -> list[Offer]:
        found = [n for n in self.names if n.startswith(project.replace("-", "_") + "-")]
        if not found:
            raise Unusable("no such project")
        return [Offer(name, "", None, None, False) for name in found]


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        pytest.param(
            (
                "flashinfer_python-0.7.0-py3-none-any.whl",
                "nvidia_cutlass_dsl-4.8.0-cp311-cp311-manylinux_2_28_x86_64.whl",
                "nvidia_cutlass_dsl_libs_base-4.8.0-py3-none-any.whl",
            ),
            {"flashinfer-python": "0.7.0", "nvidia-cutlass-dsl": "4.8.0"}
            | {"nvidia-cutlass-dsl-libs-base": "4.8.0"},
            id="there",
        ),
        pytest.param(("flashinfer_python-0.7.1.tar.gz",), {}, id="others are there"),
        pytest.param((), {}, id="not there"),
    ],
)
def test_a_proof_is_with_what_the_new_wheel_requires(
    small: Small,
    clone: Path,
    offered: tuple[str, ...],
    asked: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = small.root / beside.ASKED_WITH
    place.parent.mkdir(parents=True)
    place.write_text(ASKED, encoding="utf-8")
    git(small.root, "add", "-A")
    git(small.root, "commit", "-qm", "what is asked with")
    monkeypatch.setattr(beside.index, "open_index", lambda: Shelf(*offered))
    monkeypatch.setattr(beside, "is_offline", lambda: False)
    trial = []
    monkeypatch.setattr(run.prove, "prove", lambda new, **_: trial.append(new) or [])
    done = port(Checkout(small.root), Wanted("main", clone, prove_ref=True))
    text = (trial[0].root / beside.ASKED_WITH).read_text(encoding="utf-8")
    right = ASKED.replace("# why\n", "")
    for name, version in asked.items():
        right = re.sub(rf"(?m)^{name}==.*", f"{name}=={version}", right)
    assert text == "# why\n" + right
    left = {one.name for one in done.beside}
    pinned = {"flashinfer-python", "nvidia-cutlass-dsl"}
    assert left == pinned - asked.keys()
    # Asked for offline, nobody knows: it stays, and is said.
    monkeypatch.setattr(beside, "is_offline", lambda: True)
    done = port(Checkout(small.root), Wanted("main", clone, prove_ref=True))
    assert {one.name for one in done.beside} == pinned


def test_the_record_names_what_was_asked_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = main.recorded()
    assert main.recorded_with() == main.asked_with()["flashinfer-python"]
    monkeypatch.setattr(main, "asked_with", lambda: {"flashinfer-python": "0.0.1"})
    text = main.whole(kept)
    pinned = lockfile.load().companions["flashinfer-python"]
    fork = lockfile.load().local_version
    assert f"FlashInfer present is 0.0.1. {fork} requires {pinned}" in text
    place = tmp_path / "recorded.tsv"
    place.write_text(text, encoding="utf-8")
    monkeypatch.setattr(table, "RECORDED", place)
    assert main.recorded_with() == "0.0.1"
    assert main.recorded() == kept
    from scripts.doctor import selection

    facts = selection.Facts("3.11", "python", "x86_64")
    (found,) = selection.select(facts, "12.0")
    assert "asked with FlashInfer 0.0.1" in found.source
