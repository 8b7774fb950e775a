# SPDX-License-Identifier: Apache-2.0
"""The steps: real verbs, no token near them, the first failure ends it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from ci.steps import STEPS, Step, run
from scripts.cli import app
from scripts.port.report.summary import Proof


def test_verbs_and_options_are_there() -> None:
    commands = typer.main.get_command(app)
    verbs = [step.argv[2:] for step in STEPS if step.argv[:2] == ("-m", "scripts")]
    assert len(verbs) >= 6
    for verb, *args in verbs:
        command = commands.get_command(None, verb)  # type: ignore[attr-defined]
        command.make_context(verb, list(args))


def test_no_token_reaches_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "ACTIONS_RUNTIME_URL"):
        monkeypatch.setenv(name, "secret")
    look = "import os; print('secret' in str(os.environ), os.environ['PYTHONPATH'])"
    checks, _ = run([Step("look", ("-c", look))], tmp_path)
    assert checks[0].detail == "False ."


def test_first_failure_ends_it(tmp_path: Path) -> None:
    steps = [
        Step("one", ("-c", "print('fine')")),
        Step("two", ("-c", "raise SystemExit('not so')")),
        Step("three", ("-c", "open('ran', 'w')")),
    ]
    checks, quoted = run(steps, tmp_path)
    assert [c.proof for c in checks] == [Proof.PASSED, Proof.FAILED, Proof.NOT_RUN]
    assert quoted == ["not so"]
    assert not (tmp_path / "ran").exists()


def test_a_step_that_fails_without_a_word(tmp_path: Path) -> None:
    checks, quoted = run([Step("mute", ("-c", "raise SystemExit(3)"))], tmp_path)
    assert checks[0].proof is Proof.FAILED
    assert quoted == ["exit code 3"]


def test_long_steps_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    steps = [Step("long", ("-c", "raise SystemExit(1)"), long=True)]
    checks, quoted = run(steps, tmp_path, long=False)
    assert [c.proof for c in checks] == [Proof.NOT_RUN]
    assert quoted == []
