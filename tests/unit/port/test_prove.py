# SPDX-License-Identifier: Apache-2.0
"""The proof of a ported series, and what is written once it holds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.checkout import Checkout
from scripts.port import prove
from scripts.port.report import render
from scripts.port.report.summary import Beside, Check, Outcome, Proof, Summary
from tests.unit.small import Small


def test_proof_stops_at_what_fails(small: Small) -> None:
    ran = []
    said = "FAILED tests/a.py::test_x[1] - AssertionError: y\n1 error\n"

    def runner(argv: object, where: Path) -> tuple[int, str]:
        ran.append(argv)
        return (0, "fine\n") if len(ran) == 1 else (1, said)

    record = small.root / prove.RECORDED
    record.parent.mkdir(parents=True)
    record.touch()
    found = prove.prove(Checkout(small.root), runner)
    again = f"cd {small.root} && PYTHONPATH=. {sys.executable} -m pytest "
    again += "'tests/a.py::test_x[1]'"
    failed = ("tests/a.py::test_x[1]",)
    assert found == [
        Check("apply", Proof.PASSED, "fine"),
        Check("check", Proof.FAILED, "1 error", failed, again),
        Check("selection", Proof.NOT_RUN),
        Check("tests", Proof.NOT_RUN),
    ]
    done = Summary("a", "b", (), checks=tuple(found))
    assert done.outcome is Outcome.REFUTED
    text = render.as_text(done)
    assert "failed: tests/a.py::test_x[1]" in text
    assert text.endswith(f"next: {again}")
    passed = tuple(Check(c.what, Proof.PASSED) for c in found)
    assert Summary("a", "b", (), checks=passed).outcome is Outcome.PROVED


def test_without_a_record_there_is_none_to_renew(small: Small) -> None:
    found = prove.prove(Checkout(small.root), lambda *_: (0, "fine\n"))
    assert [check.what for check in found] == ["apply", "check", "tests"]


def test_accept_writes_patches_and_lock(small: Small, tmp_path: Path) -> None:
    new = Small(tmp_path / "trial")
    new.root.mkdir()
    (new.root / "patches").mkdir()
    name = small.names[0]
    (new.patches / name).write_bytes((small.patches / name).read_bytes())
    (new.patches / "series").write_text(f"{name}\n", encoding="utf-8")
    (new.patches / "README.md").write_text("table\n", encoding="utf-8")
    text = small.lock_path.read_text(encoding="utf-8")
    text = text.replace('tag = "v1.2.3"', 'tag = "v1.2.4"')
    new.lock_path.write_text(f"{text}# new\n", encoding="utf-8")
    image = small.root / "Containerfile"
    image.write_text("ARG BASE=vllm/vllm-openai:v1.2.3\nFROM x:v1.2.3\n", "utf-8")
    about = small.root / "README.md"
    about.write_text(f"[0009](patches/{name})\n", "utf-8")
    left = prove.accept(Checkout(small.root), Checkout(new.root), {name: name})
    assert left == prove.AFTER
    assert about.read_text(encoding="utf-8") == f"[0001](patches/{name})\n"
    base = "ARG BASE=vllm/vllm-openai:v1.2.4\nFROM x:v1.2.3\n"
    assert image.read_text(encoding="utf-8") == base
    assert small.names == [name]
    assert not list(small.patches.glob("0002*"))
    assert small.lock_path.read_bytes().endswith(b"# new\n")
    assert (small.patches / "README.md").read_text(encoding="utf-8") == "table\n"


def test_other_companions_than_the_tests_had_are_named(small: Small) -> None:
    folder = small.root / "requirements"
    folder.mkdir(parents=True)
    name, version = next(iter(small.lock.companions.items()))
    rows = f"# why\nother==1\n{name}==0.0.1\n"
    # One that a test takes for its age is not what the answers were asked with.
    (folder / "flashinfer-old.txt").write_text(rows, encoding="utf-8")
    assert prove.unlike(Checkout(small.root)) == []
    (folder / "flashinfer.txt").write_text(rows, encoding="utf-8")
    found = prove.unlike(Checkout(small.root))
    assert found == [Beside(name, "0.0.1", version)]
    # A proof with it is not called one: the first line of each form says which.
    passed = (Check("tests", Proof.PASSED),)
    done = Summary("a", "b", (), checks=passed, beside=tuple(found))
    assert done.outcome is Outcome.PROVED
    head = f"a to b: proved, beside {name} 0.0.1 and not what it is to have"
    said = f"asked and tested with {name} 0.0.1; it is to have {version}, "
    said += "with which nothing was run"
    assert render.as_text(done).splitlines()[:3] == [head, "", said]
    assert render.as_markdown(done).startswith(f"## {head}\n\n**{said}**\n")
    assert render.as_data(done)["beside"] == [
        {"name": name, "asked": "0.0.1", "wanted": version}
    ]
    (folder / "flashinfer.txt").write_text(f"{name}=={version}\n", "utf-8")
    assert prove.unlike(Checkout(small.root)) == []


def test_step_says_what_it_does_while_it_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, said = prove.run(["-c", "print('one'); print('two'); exit(3)"], tmp_path)
    assert (code, said) == (3, "one\ntwo\n")
    assert capfd.readouterr().err == said
