# SPDX-License-Identifier: Apache-2.0
"""Leave one out, on the hand-made upstream, with real git and real pytest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import coverage
import pytest

from scripts.base.errors import Finding
from scripts.base.object_ids import Entry
from scripts.evidence import ground, off_target, session, warm
from scripts.evidence.ablation import LeftOut, leave_each_out
from scripts.evidence.affected_tests import able_to_tell, change
from scripts.evidence.ground import cover_map, ground_of
from scripts.evidence.leave_out import Conflict, Without, leave_out, merge
from scripts.evidence.stand import Stand
from scripts.series import folder
from tests.unit.small import Small, git, message
from tests.unit.small_files import SPDX

KERNEL = "vllm/config/kernel.py"
AUTO = '    moe_backend: MoEBackend = "auto"\n'


def patch(number: str, does: str, test: str) -> tuple[str, dict[str, str]]:
    """A message and files: a module of its own, and its test."""
    path = f"tests/config/test_{number}.py"
    files = {f"vllm/utils/{number}.py": SPDX + does, path: SPDX + test}
    return message(f"utils: add {number}", test=f"{path}::test_{number}"), files


FIRST = patch(
    "first",
    "def twice(x):\n    return 2 * x\n",
    "from vllm.utils.first import twice\n\n\n"
    "def test_first():\n    assert twice(2) == 4\n    assert twice(3) == 6\n",
)
SECOND = patch(
    "second",
    "from vllm.utils.first import twice\n\n\n"
    "def four(x):\n    return twice(twice(x))\n",
    "from vllm.utils.second import four\n\n\n"
    "def test_second():\n    assert four(1) == 4\n",
)
APART = patch(
    "apart",
    "def half(x):\n    return x / 2\n",
    "from vllm.utils.apart import half\n\n\n"
    "def test_apart():\n    assert half(2) == 1\n",
)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the packages, compiled once and not by each test."""
    return str(tmp_path_factory.mktemp("bytecode"))


@pytest.fixture
def stand(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytecode: str
) -> Callable[..., Stand]:
    """Makes a series of commits, and the place where its trees are made."""
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", bytecode)
    # Of this environment; sessions start faster without them.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    packages = Path(coverage.__file__).parent.parent
    for module in (session, ground):
        monkeypatch.setattr(module, "cpu_python", lambda: Path(sys.executable))
    monkeypatch.setattr(ground, "package_folder", lambda _: packages)

    def make(*commits: tuple[str, Mapping[str, str]]) -> Stand:
        git(small.repo, "reset", "-q", "--hard", "base")
        git(small.repo, "update-ref", "refs/sm12x/base", "base")
        for text, files in commits:
            small.commit(text, files)
        small.export()
        patches = tuple(folder.load(small.patches))
        return Stand(patches, small.repo, tmp_path / "evidence")

    return make


def left(stand: Stand, number: str) -> Without:
    return leave_out(number, stand.base, stand.steps, stand.names)


def leaves(stand: Stand) -> dict[str, LeftOut]:
    cover = cover_map(ground_of(stand))
    return {each.number: each for each in leave_each_out(stand, cover, 1)}


def kernel(small: Small, old: str, new: str) -> dict[str, str]:
    text = (small.repo / KERNEL).read_text(encoding="utf-8")
    assert old in text
    return {KERNEL: text.replace(old, new)}


# What depends on what


def test_a_patch_that_uses_a_name_depends_on_it(stand: Callable[..., Stand]) -> None:
    found = left(stand(FIRST, SECOND, APART), "0001")
    assert [(d.number, d.why) for d in found.dependents] == [
        ("0002", "vllm/utils/second.py uses first")
    ]
    assert found.files["vllm/utils/second.py"] is None
    assert found.files["vllm/utils/apart.py"] is not None


def test_a_patch_that_does_not_merge_depends_on_it(
    stand: Callable[..., Stand], small: Small
) -> None:
    one = kernel(small, AUTO, AUTO.replace("auto", "marlin"))
    two = {KERNEL: one[KERNEL].replace('= "marlin"', '= "cutlass"')}
    made = stand((message("a: b"), one), (message("a: c"), two), APART)
    found = left(made, "0001")
    assert [(d.number, d.why) for d in found.dependents] == [
        ("0002", f"{KERNEL} does not merge")
    ]
    assert not left(made, "0002").dependents
    assert left(made, "0002").files[KERNEL] == made.state(1)[KERNEL]


def test_that_tests_do_not_merge_makes_no_dependent() -> None:
    base, ours, theirs = (Entry(0o100644, b"%d\n" % n) for n in (1, 2, 3))
    assert isinstance(merge("vllm/a.py", ours, base, theirs), Conflict)
    both = merge("tests/a.txt", ours, base, theirs)
    assert isinstance(both, Entry)
    assert set(both.data.split()) == {b"2", b"3"}
    assert merge("tests/a.txt", None, base, theirs) is None


def test_tests_merge_by_syntax() -> None:
    """By line the tests of the patch that went would come back, without its import."""
    tests = [b"\n\ndef test_%s():\n    assert %s\n" % (n, n) for n in (b"abc", b"os")]
    ours = b"import abc\n" + tests[0]
    base = b"import abc\nimport os\n" + b"".join(tests)
    theirs = base.replace(b"import os\n", b"import os\nimport sys\n")
    theirs += b"\n\ndef test_sys():\n    assert sys\n"
    sides = (Entry(0o100644, data) for data in (ours, base, theirs))
    both = merge("tests/test_a.py", *sides)
    assert isinstance(both, Entry)
    assert both.data == (
        b"import abc\nimport sys\n"
        + tests[0]
        + b"\n\ndef test_sys():\n    assert sys\n"
    )


def test_a_patch_whose_tests_use_a_name_depends_on_it(
    stand: Callable[..., Stand],
) -> None:
    helper = "tests/config/test_apart.py"
    _, files = APART
    more = {helper: files[helper] + "\n\ndef test_more():\n    import first\n"}
    made = stand(FIRST, APART, (message("a: d"), more))
    dependents = left(made, "0001").dependents
    assert [(d.number, d.why) for d in dependents] == [("0003", f"{helper} uses first")]


def test_the_bench_is_only_read(stand: Callable[..., Stand], small: Small) -> None:
    made = stand(FIRST, APART)
    before = git(small.repo, "count-objects", "-v")
    tree = made.tree(left(made, "0001").files)
    assert git(small.repo, "count-objects", "-v") == before
    assert "vllm/utils/first.py" not in made.git.text("ls-tree", "-r", tree)
    assert made.tree({}) == git(small.repo, "rev-parse", "base^{tree}")


# What the tests say


def test_each_patch_is_needed(
    stand: Callable[..., Stand], capsys: pytest.CaptureFixture[str]
) -> None:
    made = stand(FIRST, SECOND, APART)
    found = leaves(made)
    assert [each.problems for each in found.values()] == [[], [], []]
    assert [each.without.gone for each in found.values()] == [
        {"0001", "0002"},
        {"0002"},
        {"0003"},
    ]
    assert "9 of 9 sessions" in capsys.readouterr().err
    # Unchanged, nothing is run again; with another last patch, what it changes.
    assert leaves(made) == found
    assert "sessions" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "test",
    [
        "def test_apart():\n    assert 1 + 1 == 2\n",
        "import pytest\n\n\ndef test_apart():\n    pytest.skip('no GPU')\n",
    ],
    ids=["passes anyway", "is skipped"],
)
def test_a_useless_patch_is_caught(stand: Callable[..., Stand], test: str) -> None:
    text, files = APART
    useless = {name: "# A remark.\n" for name in files if name.startswith("vllm")}
    useless |= {name: SPDX + test for name in files if name.startswith("tests")}
    found = leaves(stand(FIRST, (text, useless)))
    assert not found["0001"].problems
    assert "no test notices that 0002 is not there" in found["0002"].problems


def test_a_test_that_needs_another_patch_is_caught(
    stand: Callable[..., Stand], small: Small
) -> None:
    """It fails without 0001, though its own patch depends on nothing there."""
    path = "tests/config/test_marlin.py"
    test = (
        "from vllm.config.kernel import KernelConfig\n\n\n"
        "def test_marlin():\n    assert not KernelConfig().is_auto()\n"
    )
    files = kernel(small, AUTO, AUTO.replace("auto", "marlin"))
    marlin = (
        message("a: b", test=f"{path}::test_marlin"),
        files | {path: SPDX + test},
    )
    text, own = APART
    own = dict(own)
    own["tests/config/test_apart.py"] += (
        "\n\ndef test_stranger():\n"
        "    from vllm.config.kernel import KernelConfig\n\n"
        "    assert not KernelConfig().is_auto()\n"
    )
    found = leaves(stand(marlin, (text, own)))
    assert found["0001"].strangers == ("tests/config/test_apart.py::test_stranger",)
    assert not found["0001"].ok
    assert found["0002"].ok


def test_a_session_that_dies_is_no_result(stand: Callable[..., Stand]) -> None:
    made = stand(FIRST)
    tree = made.tree(made.state(1))
    path = "tests/config/test_first.py"
    job = session.Job("planted", tree, ((path, None),), ("--no-such-option",))
    with pytest.raises(Finding, match="with pytest's code 4"):
        session.run([job], made.git, made.home)
    assert not list((Path(made.home).parent / "cache").rglob("sessions/*"))


def test_a_session_that_hangs_is_a_result_only_where_it_may(
    stand: Callable[..., Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mutant that never ends is one that tests notice."""
    hangs = "import time\n\n\ndef test_first():\n    time.sleep(600)\n"
    made = stand(patch("first", "ONE = 1\n", hangs))
    files = (("tests/config/test_first.py", None),)
    job = session.Job("planted", made.tree(made.state(1)), files)
    monkeypatch.setattr(warm, "LIMIT", 1)
    with pytest.raises(Finding, match="was stopped after 1 s"):
        session.run([job], made.git, made.home)
    (told,) = session.run([replace(job, limit=1)], made.git, made.home)
    assert told.hung() and not told.tests


# Reach


def test_a_test_is_asked_if_it_runs_what_differs() -> None:
    before = "A = 1\n\n\ndef f():\n    return A\n\n\ndef g():\n    return 2\n"
    cover = {
        "lines": {"m.py": {"5": ["t.py::test_f[1]"], "9": ["t.py::test_g"]}},
        "tests": {"t.py::test_f[1]": [], "t.py::test_g": []},
    }

    def told(after: str, source: str = "") -> set[str]:
        differs = {"m.py": change(before, after)}
        return able_to_tell(cover, differs, {"t.py": source})

    assert told(before.replace("return 2", "return 3")) == {"t.py::test_g"}
    assert told(before.replace("return A", "return 3")) == {"t.py::test_f"}
    assert told(before.replace("A = 1", "A = 2")) == {"t.py::test_f", "t.py::test_g"}
    more = before + "\n\ndef h(): ...\n"
    assert told(more) == set()
    assert told(more, "h()") == {"t.py::test_f", "t.py::test_g"}  # its file names it
    assert told("") == {"t.py::test_f", "t.py::test_g"}
    assert told(before) == set()


# Harmless


def test_upstreams_tests_that_end_otherwise_are_found(
    stand: Callable[..., Stand], small: Small, tmp_path: Path
) -> None:
    files = kernel(small, AUTO, AUTO.replace("auto", "marlin"))
    made = stand(APART, (message("a: b"), files))
    path = tmp_path / "upstream.toml"
    path.write_text(
        'run = ["tests/config/test_kernel.py"]\nleft_out = []\n', encoding="utf-8"
    )
    found = off_target.upstream_tests(made, 1, path)
    test = "tests/config/test_kernel.py::test_default_is_auto"
    assert found.changed == {test: ("passed", "failed")}
    assert found.counts == {"passed": 2}
    assert found.not_run == ()
    path.write_text('run = ["tests/gone.py"]\nleft_out = []\n', encoding="utf-8")
    with pytest.raises(Finding, match="cannot be compared"):
        off_target.upstream_tests(made, 1, path)


def test_a_test_of_upstreams_that_is_not_run_is_counted(
    stand: Callable[..., Stand], small: Small
) -> None:
    path = "tests/config/test_flashinfer.py"
    text = SPDX + "import vllm.utils.flashinfer\n"
    git(small.repo, "reset", "-q", "--hard", "base")
    small.commit("upstream: a test", {path: text})
    git(small.repo, "tag", "-f", "base")
    flashinfer = "vllm/utils/flashinfer.py"
    before = (small.repo / flashinfer).read_text(encoding="utf-8")
    made = stand((message("a: b"), {flashinfer: before + "\nMORE = 1\n"}))
    folder_ = made.home / "tree"
    warm.place(made.git, folder_, made.tree({}))
    assert off_target.candidates(folder_, made) == [path]
