# SPDX-License-Identifier: Apache-2.0
"""`make port` and `make port-continue` on the hand-made upstream and its releases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.checkout import Checkout
from scripts.errors import Finding, Unusable
from scripts.port import prove, render, resolutions
from scripts.port.run import Wanted, port, resume
from scripts.port.states import Red, State
from scripts.port.summary import Check, Outcome, Proof, Summary
from tests.scripts.small import Small, git, message
from tests.scripts.small_files import VERSION, pack, upstream

KERNEL = "vllm/config/kernel.py"
PROBE = "vllm/utils/flashinfer.py"
NEW = "1.3.0"


@pytest.fixture(autouse=True)
def machine(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and a cache of its own."""
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))


def release(
    small: Small, edits: Mapping[str, tuple[str, str] | None], version: str = NEW
) -> None:
    """A release beside the pinned one; None deletes a file."""
    files = upstream()
    for path, edit in edits.items():
        if edit is None:
            del files[path]
            continue
        old, new = (part.encode() for part in edit)
        assert files[path].count(old) == 1, (path, old)
        files[path] = files[path].replace(old, new)
    made = small.root / "made.tar.gz"
    pack(files, made)
    made.rename(small.upstream_dir / f"vllm-{version}.tar.gz")


def state(root: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and "author" not in p.parts and p.name != ".apply.lock"
    }


def go(small: Small, **more: object) -> Summary:
    return port(Checkout(small.root), Wanted(NEW, proof=False, **more))  # type: ignore[arg-type]


BESIDE = {KERNEL: ('    "marlin",\n', '    "marlin",\n    "humming",\n')}
REWRITTEN = {
    KERNEL: (
        "    def is_auto(self) -> bool:\n"
        '        """Whether nobody chose a backend."""\n'
        '        return self.moe_backend == "auto"\n',
        "    def is_auto(self, strict: bool) -> bool:\n"
        '        return strict and self.moe_backend == "auto"\n',
    ),
    PROBE: (
        '    return importlib.util.find_spec("flashinfer") is not None\n',
        "    return False\n",
    ),
}


def add_probe_of_our_own(small: Small) -> None:
    """A fourth patch, on the line that `REWRITTEN` rewrites."""
    small.edit(
        message("utils: look for the fork's FlashInfer"),
        PROBE,
        'find_spec("flashinfer")',
        'find_spec("flashinfer_sm12x")',
    )
    small.export()


def test_identity_at_the_pin(small: Small) -> None:
    before = state(small.root)
    done = port(Checkout(small.root), Wanted(VERSION))
    assert done.outcome is Outcome.IDENTITY
    assert {p.state for p in done.patches} == {State.UNCHANGED}
    assert all(f.result == f.theirs for p in done.patches for f in p.files)
    assert state(small.root) == before


def test_dry_run_writes_nothing(small: Small) -> None:
    release(small, BESIDE)
    before = state(small.root)
    done = go(small, dry_run=True)
    assert [p.state for p in done.patches] == [
        State.SYNTAX,
        State.UNCHANGED,
        State.MOVED,
    ]
    assert done.outcome is Outcome.CARRIED
    assert state(small.root) == before


def test_carried_series_is_on_a_branch_and_not_written(small: Small) -> None:
    release(small, BESIDE)
    before = state(small.patches)
    done = go(small)
    assert done.outcome is Outcome.CARRIED
    tree = small.root / "build/port/vllm"
    assert git(tree, "symbolic-ref", "--short", "HEAD") == f"port/vllm-{NEW}"
    assert len(git(tree, "log", "--format=%s").splitlines()) == 4
    text = (tree / KERNEL).read_text(encoding="utf-8")
    assert '    "humming",\n' in text and '    "sm12x",\n' in text
    assert state(small.patches) == before
    assert json.loads((tree.parent / "report.json").read_text("utf-8"))["carried"] == 3


def test_a_person_decides_once(small: Small) -> None:
    """The conflict is written out, mended, recorded, and never asked for again."""
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    done = go(small)
    assert done.outcome is Outcome.OPEN
    assert [p.state.carried for p in done.patches] == [True, True, True, False]
    assert done.patches[3].state is State.CONFLICT
    at = Checkout(small.root)
    tree = small.root / "build/port/vllm"
    text = (tree / PROBE).read_text(encoding="utf-8")
    assert text.count("<<<<<<<") == text.count("|||||||") == text.count(">>>>>>>") == 1
    assert "in has_flashinfer" in text
    notes = (small.root / "build/port/CONFLICT.md").read_text(encoding="utf-8")
    assert "What the patch means" in notes and "flashinfer_sm12x" in notes
    assert "+    return False" in notes

    with pytest.raises(Finding, match="cannot go on") as caught:
        resume(at, "no", proof=False)
    assert "still marked" in (caught.value.found or "")

    (tree / PROBE).write_text("def broken(:\n", encoding="utf-8")
    with pytest.raises(Finding) as caught:
        resume(at, "no", proof=False)
    assert "does not parse" in (caught.value.found or "")

    lines = text.split("\n")
    first = next(i for i, x in enumerate(lines) if x.startswith("<<<<<<<"))
    middle = next(i for i, x in enumerate(lines) if x.startswith("|||||||"))
    last = next(i for i, x in enumerate(lines) if x.startswith(">>>>>>>"))
    ours = lines[first + 1 : middle]
    mended = [
        *lines[:first],
        *ours,
        *lines[last + 1 :],
    ]
    (tree / PROBE).write_text("\n".join(mended), encoding="utf-8")
    (tree / "README.md").write_text("stray\n", encoding="utf-8")
    with pytest.raises(Finding) as caught:
        resume(at, "no", proof=False)
    assert "README.md" in (caught.value.found or "")
    with pytest.raises(Finding, match="were edited since"):
        go(small)
    git(tree, "checkout", "README.md")

    after = resume(at, "upstream has no FlashInfer any more", proof=False)
    assert after.patches[3].state is State.RESOLVED
    assert after.patches[3].files[-1].why == "upstream has no FlashInfer any more"
    (record,) = (small.patches / "resolutions").iterdir()
    assert len(record.name.removesuffix(".resolution").split("-")) == 3

    again = go(small)
    assert again.patches[3].state is State.RESOLVED
    assert not again.unused
    # Another release does not ask for it, and says so.
    release(small, BESIDE, "1.4.0")
    other = port(at, Wanted("1.4.0", dry_run=True))
    assert other.unused == (record.name,)


def test_damaged_record_is_refused(small: Small) -> None:
    folder = small.patches / "resolutions"
    folder.mkdir()
    (folder / "a-b-c.resolution").write_text("Patch: x\n\n", encoding="utf-8")
    release(small, BESIDE)
    with pytest.raises(Finding, match="no resolution"):
        go(small)


def test_absorbed_patch_leaves_the_series(small: Small) -> None:
    release(small, {KERNEL: ('    "marlin",\n', '    "marlin",\n    "sm12x",\n')})
    done = go(small)
    assert done.patches[0].state is State.ABSORBED
    tree = small.root / "build/port/vllm"
    assert len(git(tree, "log", "--format=%s").splitlines()) == 3
    assert any("leaves the series" in note for note in done.notes)


def test_dependents_are_named(small: Small) -> None:
    release(small, {PROBE: None})
    small.edit(
        message("config: ask the probe"),
        KERNEL,
        'if self.moe_backend == "sm12x":',
        'if self.moe_backend == "sm12x" and not has_sm12x_moe():',
    )
    small.export()
    done = go(small)
    gone = done.patches[1]
    assert gone.state is State.GONE
    needed = {(d.patch[:4], d.path, d.symbol) for d in gone.dependents}
    assert ("0004", KERNEL, "has_sm12x_moe") in needed
    assert not done.patches[3].carried
    assert done.patches[3].blocked_by == (gone.name,)
    # All patches are reported, and those that can be are carried.
    assert done.patches[0].carried and done.patches[2].carried


def test_landed_and_reverted_is_red(small: Small) -> None:
    """Told by a clone's history: text alone sees an unchanged file."""
    clone = small.root / "clone"
    clone.mkdir()
    git(clone, "init", "-q", "-b", "main")
    probe = small.repo / PROBE
    landed = probe.read_text(encoding="utf-8")
    steps: list[tuple[str, dict[str, bytes]]] = [
        ("pin", upstream()),
        ("Take the probe (#7)", upstream() | {PROBE: landed.encode()}),
        ('Revert "Take the probe (#7)"', upstream()),
    ]
    for subject, files in steps:
        for name, data in files.items():
            path = clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        git(clone, "add", "-A", "-f")
        git(clone, "commit", "-q", "-m", subject)
        if subject == "pin":
            git(clone, "tag", f"v{VERSION}")
    done = port(Checkout(small.root), Wanted("main", clone, dry_run=True))
    assert {a.kind for a in done.alerts} == {Red.REVERTED}
    (alert,) = [a for a in done.alerts if a.symbol == "has_sm12x_moe"]
    assert alert.patch.startswith("0002") and "Take the probe" in alert.landed
    assert "Revert" in alert.undone
    assert done.outcome is Outcome.OPEN
    assert "RED" in render.as_text(done) and "RED" in render.as_markdown(done)


def test_unknown_target(small: Small) -> None:
    with pytest.raises(Unusable, match="not known here"):
        port(Checkout(small.root), Wanted("9.9.9"))
    with pytest.raises(Unusable, match="no release"):
        port(Checkout(small.root), Wanted("main"))
    with pytest.raises(Unusable, match="no port waits"):
        resume(Checkout(small.root), "why")


def test_renderings_say_the_same(small: Small) -> None:
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    done = go(small, dry_run=True)
    text, markdown = render.as_text(done), render.as_markdown(done)
    data = json.loads(render.as_json(done))
    assert data["outcome"] == "open" and data["schema"] == 1
    for patch, row in zip(done.patches, data["patches"], strict=True):
        assert row["state"] == patch.state.name.lower()
        assert patch.state.value in text and patch.state.value in markdown
        assert f"| {patch.name[:4]} " in markdown
    assert "|||" not in markdown


def test_proof_stops_at_what_fails(small: Small) -> None:
    ran = []

    def runner(argv: object, where: Path) -> tuple[int, str]:
        ran.append(argv)
        return (0, "fine\n") if len(ran) == 1 else (1, "1 error\n")

    found = prove.prove(Checkout(small.root), runner)
    assert found == [
        Check("apply", Proof.PASSED, "fine"),
        Check("check", Proof.FAILED, "1 error"),
        Check("tests", Proof.NOT_RUN),
    ]
    done = Summary("a", "b", (), checks=tuple(found))
    assert done.outcome is Outcome.REFUTED
    passed = tuple(Check(c.what, Proof.PASSED) for c in found)
    assert Summary("a", "b", (), checks=passed).outcome is Outcome.PROVED


def test_accept_writes_patches_and_lock(small: Small, tmp_path: Path) -> None:
    new = Small(tmp_path / "trial")
    new.root.mkdir()
    (new.root / "patches").mkdir()
    name = small.names[0]
    (new.patches / name).write_bytes((small.patches / name).read_bytes())
    (new.patches / "series").write_text(f"{name}\n", encoding="utf-8")
    (new.patches / "README.md").write_text("table\n", encoding="utf-8")
    new.lock_path.write_bytes(small.lock_path.read_bytes() + b"# new\n")
    prove.accept(Checkout(small.root), Checkout(new.root))
    assert small.names == [name]
    assert not list(small.patches.glob("0002*"))
    assert small.lock_path.read_bytes().endswith(b"# new\n")
    assert (small.patches / "README.md").read_text(encoding="utf-8") == "table\n"


def test_resolution_holds_for_its_blobs_alone(tmp_path: Path) -> None:
    from scripts.series.replay import Entry

    base, ours, theirs = (Entry(0o100755, f"{x}\n".encode()) for x in "abc")
    saved = resolutions.save(
        tmp_path, (base, ours, theirs), b"d\n", "vllm/x.py", "a patch", "so it is"
    )
    found = resolutions.load(tmp_path)
    known = found.find(base, ours, theirs)
    assert known is not None and known.result == b"d\n"
    assert found.find(base, theirs, theirs) is None
    text = saved.read_bytes().replace(b"+d", b"+e")
    saved.write_bytes(text)
    with pytest.raises(Finding, match="another blob"):
        resolutions.load(tmp_path).find(base, ours, theirs)
