# SPDX-License-Identifier: Apache-2.0
"""The command line and the Makefile, as a newcomer meets them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.cli import app, release
from tests.unit.small import Small, git
from tests.warm import warm

SHAPES = "scripts/kernels/shapes.toml"
VERBS = [c.name for c in app.registered_commands if c.name]


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    """This one, with the command line's library imported, of ours nothing."""
    code = "import packaging.requirements, pydantic, requests, typer.main"
    with warm(sys.executable, code, {}) as program:
        yield program


def verb(
    python: str | Path, *args: str, root: Path = ROOT, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "scripts", *args],
        cwd=root,
        env=os.environ | env,
        capture_output=True,
        text=True,
    )


HELP = """
import io, os, sys
import typer
import scripts.__main__ as program

for verb in sys.argv[1:]:
    if os.fork() == 0:
        before = set(sys.modules)
        sys.argv = ["x", verb, "--help"]
        sys.stdout, real = io.StringIO(), sys.stdout
        code = program.main()
        names = {name.partition(".")[0] for name in {*sys.modules} - before}
        print(verb, code, *names - sys.stdlib_module_names, file=real, flush=True)
        os._exit(0)
    os.wait()
"""


def test_help_loads_no_more_than_its_verb() -> None:
    """What a library takes to import is most of what --help takes."""
    done = subprocess.run(
        [sys.executable, "-c", HELP, *VERBS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [row.split() for row in done.stdout.splitlines()]
    assert [row[0] for row in rows] == VERBS
    for verb, code, *names in rows:
        assert code == "0"
        assert {*names} <= {"scripts", "typer"}, verb
        assert "scripts" in names, verb


def test_every_verb_helps_with_an_example() -> None:
    assert len(VERBS) >= 10
    commands = typer.main.get_command(app)
    for name in VERBS:
        command = commands.get_command(None, name)  # type: ignore[attr-defined]
        assert f"Example: python -m scripts {name}" in command.epilog, name
        assert command.help, name


def test_help_runs() -> None:
    done = verb(sys.executable, "apply", "--help")
    assert done.returncode == 0
    assert "Example: python -m scripts apply --until 0001" in done.stdout


@pytest.mark.parametrize(
    "args",
    [
        ["no-such-verb"],
        ["apply", "--no-such-option"],
        ["apply", "--source", "svn"],
        ["apply", "--until", "0099"],
        ["wheel", "--arch", "riscv64"],
        ["verify-wheel", "nowhere.whl"],
        ["reproduce", "nowhere.whl"],
        ["reproduce", "upstream.lock"],
        ["patch-installed", "--python", "/nonexistent/python"],
        ["bot", "--apply", "--no-proof"],
        # Before trees and environments of gigabytes are made for it.
        ["kernel-cache", "--arch", "sm_90", "--site", "/x"],
        ["kernel-cache", "--arch", "sm_120a", "--site", "relative"],
        ["kernel-cache", "--arch", "sm_120a", "--site", "/x", "--model", "nope"],
        ["kernel-cache", "--arch", "sm_120a", "--site", "/x", "--out", "README.md"],
        ["merge-series", "README.md"],
    ],
    ids=" ".join,
)
def test_usage_and_environment_exit_2(
    args: list[str], python: Path, tmp_path: Path
) -> None:
    done = verb(python, *args, SM12X_OFFLINE="1", SM12X_CACHE=str(tmp_path))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "mkdir -p README.md" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir()), "made ready for nothing"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["kernels", "--shapes", "nowhere.toml"], "nowhere.toml"),
        # What would be left out in silence, or done in spite of the other.
        (["matrix", "--recorded", "--update"], "RECORDED=1 UPDATE"),
        (["footprint", "--recorded", "--update"], "RECORDED=1 UPDATE"),
        (["hopper", "--step", "device", "--recorded", "--update"], "RECORDED=1 UPDATE"),
        (
            ["hopper", "--step", "device", "--recorded", "--python", "p"],
            "RECORDED=1 PYTHON",
        ),
        (["hopper", "--step", "prepare", "--update"], "STEP=prepare UPDATE"),
        (["hopper", "--recorded", "--step", "run"], "RECORDED=1 STEP"),
        (["kernels", "--flashinfer", "0.7.1", "--update"], "FLASHINFER= UPDATE"),
        (["kernels", "--flashinfer", "0.7.1", "--json"], "FLASHINFER= JSON"),
        (["kernels", "--update", "--all"], "UPDATE=1 ALL"),
        (["kernels", "--update", "--shapes", SHAPES], "UPDATE=1 SHAPES"),
        (["export-rpm", "--maintainer", "Ada <a@b>"], "export-rpm MAINTAINER"),
        (["release", "--next", "--dry-run"], "NEXT=1 DRY_RUN"),
        (["port", "0.32.0", "--proof", "--no-proof"], "NO_PROOF=1 PROOF"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_cannot_be_done_together_is_refused_at_once(
    given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    lock = (ROOT / "upstream.lock").read_bytes()
    (tmp_path / "upstream.lock").write_bytes(lock)
    monkeypatch.setattr(release, "Checkout", lambda: Checkout(tmp_path))
    done = CliRunner().invoke(app, given)
    error = done.exception
    assert isinstance(error, Unusable) and done.stdout == ""
    assert said in f"{error.where} {error.found}"
    assert (tmp_path / "upstream.lock").read_bytes() == lock
    assert not (tmp_path / "cache").exists(), "made ready for nothing"


@pytest.mark.parametrize(
    ("given", "next_"),
    [
        (["patch-installed"], "make patch-installed PYTHON=..."),
        (["reproduce"], "make reproduce WHEEL=..."),
        (["reproduce", ""], "make reproduce WHEEL=..."),
        (["merge-series"], "make merge-series DIR=..."),
        (["unmerge-series"], "make unmerge-series DIR=..."),
        (["verify-wheel", "nowhere.whl"], "make verify-wheel WHEEL=..."),
        (
            ["kernel-cache", "--arch", "", "--site", ""],
            "make kernel-cache ARCH=... SITE=...",
        ),
        (["port", ""], "make port TO=..."),
        (["pin"], "make pin VERSION=..."),
        (["pin", ""], "make pin VERSION=..."),
        (["port-continue", "--reason", ""], "make port-continue REASON=..."),
        (["apply", "--source", "svn"], "make apply SOURCE=..."),
        (["install", "--nope"], "make install"),
        (["no-such-verb"], "make, which lists every target"),
        (["bot", "--to"], "make, which lists every target"),
        (["bot", "--to", "xyz"], "make bot, which looks for the newest"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_bad_call_has_the_five_fields_and_the_make_form(
    given: list[str], next_: str, python: Path
) -> None:
    done = verb(python, *given)
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    labels = [line.strip().partition(":")[0] for line in rest if line[2] != " "]
    assert set(labels) <= {"where", "expected", "found", "next"}
    told = next(line for line in rest if line.startswith("  next:"))
    assert told.removeprefix("  next:").strip().startswith(next_)
    assert "Usage:" not in done.stderr


def test_finding_exits_1_and_says_what_to_do(
    small: Small, python: Path, tmp_path: Path
) -> None:
    # ROOT is the package's place, so the package is copied, not linked.
    root = tmp_path / "a clone"
    root.mkdir()
    subprocess.run(["cp", "-r", ROOT / "scripts", root / "scripts"], check=True)
    for name in ("upstream.lock", "patches"):
        subprocess.run(["cp", "-r", small.root / name, root / name], check=True)
    env = {"UPSTREAM_DIR": str(small.upstream_dir)}
    done = verb(sys.executable, "apply", root=root, **env)
    assert done.returncode == 0, done.stderr
    assert small.lock.patched_tree in done.stdout
    again = verb(python, "apply", root=root, **env)
    assert again.stdout.startswith("nothing to do: build/vllm holds 3 patches")
    (root / "build/vllm/README.md").write_text("mine\n", encoding="utf-8")
    stopped = verb(python, "apply", root=root, **env)
    assert stopped.returncode == 1
    lines = stopped.stderr.splitlines()
    assert lines[0] == "error: this work stands nowhere else and would be lost"
    labels = [line.split(":")[0].strip() for line in lines[1:]]
    assert labels == ["where", "found", "next"]
    git(root / "build/vllm", "commit", "-q", "-a", "-m", "mine")
    exported = verb(python, "export", root=root, **env)
    assert exported.returncode == 0, exported.stderr
    assert "added    patches/0004-mine.patch" in exported.stdout
    assert verb(python, "check", root=root, **env).returncode == 1  # it has no trailers


def make(*args: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *args], cwd=root, capture_output=True, text=True)


def test_make_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = {
        t for line in re.findall(r"^\.PHONY: (.+)$", text, re.M) for t in line.split()
    }
    listed = set(re.findall(r"^  make ([a-z0-9-]+)", make("help").stdout, re.M))
    assert listed == phony
    assert set(VERBS) <= phony
    assert make().stdout == make("help").stdout


@pytest.mark.parametrize(
    ("given", "run"),
    [
        (["apply"], "apply"),
        (["apply", "UNTIL=0003", "FORCE=1"], 'apply --until "0003" --force'),
        (["apply", "FORCE=0"], "apply"),
        (["apply", "SOURCE=git", "UPSTREAM_URL=/a b"],
         'apply --source "git" --url "/a b"'),
        (["export", "FORCE=1"], "export --force"),
        (["wheel", "ARCH=aarch64"], 'wheel --arch "aarch64"'),
        (["verify-wheel", "WHEEL=dist/x.whl"], 'verify-wheel "dist/x.whl"'),
        (["verify-wheel", "WHEEL=a b.whl"], 'verify-wheel "a b.whl"'),
        (["reproduce", "WHEEL=a b.whl"], 'reproduce "a b.whl"'),
        (["release", "DRY_RUN=1", "TAG=1"], "release --dry-run --tag"),
        (["release", "NEXT=1"], "release --next"),
        (["release", "FILES_URL=https://x/"], 'release --files-url "https://x/"'),
        (["patch-installed", "PYTHON=/a b/python", "REVERT=1"],
         'patch-installed --python "/a b/python" --revert'),
        (["export-debian", "AFTER=/a b", "MAINTAINER=Ada <a@b>"],
         'export-debian --after "/a b" --maintainer "Ada <a@b>"'),
        (["export-conda", "BEFORE=x", "OUT=y", "FORCE=1"],
         'export-conda --before "x" --out "y" --force'),
        (["merge-series", "DIR=/a b", "BEHIND=x.patch"],
         'merge-series "/a b" --behind "x.patch"'),
        (["hopper", "STEP=record", "RESULTS=a;b.json d'e.json"],
         """hopper --step record --results 'a;b.json' --results "d'e.json\""""),
        (["port-continue", "REASON=`a` d'e \"f\""],
         """port-continue --reason '`a` d'\\''e "f"'"""),
        (["kernel-cache", "ARCH=a`b`", 'SITE=c"d'],
         """kernel-cache --arch 'a`b`' --site 'c"d'"""),
        (["wheel-source", "DRY_RUN=1"], "wheel-source --dry-run"),
        (["bot", "TO=0.34.0", "APPLY=1"], 'bot --to "0.34.0" --apply'),
    ],
)  # fmt: skip
def test_make_passes_what_it_is_given(given: list[str], run: str) -> None:
    told = passed(*given)
    assert told == shlex.split(f".venv/bin/python -m scripts {run}")


def passed(*given: str) -> list[str]:
    """What make would run, by its words."""
    done = make("--dry-run", *given)
    told = shlex.split(done.stdout.splitlines()[-1])
    held = ["exec", "env", "--block-signal=INT"]
    return told[3:] if told[:3] == held else told


def test_make_passes_every_option_that_has_a_variable() -> None:
    """A variable that one target knows would be left out of another in silence."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    call = r"\$\(call (?:opts?|flag),(\w+),(--[\w-]+)\)"
    usual = {option: name for name, option in re.findall(call, text)}
    assert {"--shapes", "--out", "--before", "--json"} <= usual.keys()
    commands = typer.main.get_command(app)
    for name in VERBS:
        command = commands.get_command(None, name)  # type: ignore[attr-defined]
        options = {o for param in command.params for o in param.opts} & usual.keys()
        told = passed(name, *(f"{usual[option]}=1" for option in options))
        assert options <= {*told}, name
