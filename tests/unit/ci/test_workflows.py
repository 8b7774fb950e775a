# SPDX-License-Identifier: Apache-2.0
"""The workflows: what actionlint and zizmor (`make lint`) leave open, and planted
faults that those two have to find."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
CHECK = (FOLDER / "check.yml").read_text(encoding="utf-8")
WRITES = {
    ("bot.yml", "propose"): {"contents", "pull-requests", "issues", "actions"},
    ("release.yml", "attest"): {"id-token", "attestations"},
    ("release.yml", "publish"): {"contents"},
    ("release.yml", "pages"): {"pages", "id-token"},
}
"""What a job may write; every other job writes nothing."""


def load(path: Path) -> dict[Any, Any]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def jobs(path: Path) -> dict[str, Any]:
    found = load(path)["jobs"]
    assert isinstance(found, dict)
    return found


def test_they_are_there() -> None:
    assert [p.name for p in FILES] == [
        "bot.yml",
        "check.yml",
        "kernels.yml",
        "release.yml",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_make_targets_exist(path: Path) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {
        t for line in re.findall(r"^\.PHONY: (.+)$", text, re.M) for t in line.split()
    }
    runs = [s["run"] for job in jobs(path).values() for s in job["steps"] if "run" in s]
    called = [
        word
        for run in runs
        for line in re.findall(r"\bmake ((?:[\w-]+ ?)+)(?![\w=])", run)
        for word in line.split()
        if f"{word}=" not in run
    ]
    assert called or any(".ci/run" in run for run in runs)
    assert set(called) <= targets, set(called) - targets
    if any(".ci/run" in run for run in runs):
        assert (ROOT / ".ci/run").stat().st_mode & 0o111


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_least_permissions(path: Path) -> None:
    assert load(path)["permissions"] == {}
    for name, job in jobs(path).items():
        writes = {k for k, v in job["permissions"].items() if v == "write"}
        assert writes == WRITES.get((path.name, name), set()), name
        assert set(job["permissions"].values()) <= {"read", "write"}
        assert job["timeout-minutes"] <= 240
        assert "secrets" not in str(job)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_token_where_code_of_others_runs(path: Path) -> None:
    """A pull request's jobs have none at all; where upstream's code runs, no job
    may write; and one that may write runs no more of ours than it must."""
    triggers = load(path)[True]  # YAML 1.1 reads the key `on` so
    assert "pull_request_target" not in triggers
    for name, job in jobs(path).items():
        if "pull_request" in triggers:
            assert "token" not in str(job)
        if (path.name, name) in WRITES:
            runs = [s["run"] for s in job["steps"] if "run" in s]
            made = [run for run in runs if "make" in run]
            assert made in ([], ["make .venv/.maintainer", "make bot APPLY=1 MADE=1"])


def test_one_digest_an_action() -> None:
    found = {
        (m[1], m[2], m[3])
        for path in FILES
        for m in re.finditer(
            r"uses: (\S+)@([0-9a-f]{40}) # (v\S+)\n", path.read_text(encoding="utf-8")
        )
    }
    uses = sum(path.read_text(encoding="utf-8").count("uses: ") for path in FILES)
    assert uses >= len(found) > 5
    assert len({name for name, _, _ in found}) == len(found)
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert text.count("uses: ") == len(
            re.findall(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n", text)
        )


def test_no_checkout_leaves_credentials() -> None:
    """zizmor speaks of it only where an artifact is uploaded besides."""
    steps = [s for p in FILES for job in jobs(p).values() for s in job["steps"]]
    checkouts = [s for s in steps if s.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) >= len(FILES)
    assert all(s["with"]["persist-credentials"] is False for s in checkouts)


def test_no_cache_in_a_release() -> None:
    assert "actions/cache" not in (FOLDER / "release.yml").read_text(encoding="utf-8")


FAULTS = {
    "actionlint: an unknown key": ("timeout-minutes: 20", "timeout: 20"),
    "actionlint: a bad expression": ("github.ref }}", "github.reff }}"),
    "actionlint: shellcheck": ("run: make check", "run: make $UNQUOTED_ARGS"),
    "zizmor: a tag for a digest": (
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "actions/checkout@v7",
    ),
    "zizmor: a script injection": (
        "run: make check",
        'run: make "${{ github.event.pull_request.title }}"',
    ),
    "zizmor: too much permission": ("permissions: {}", "permissions: write-all"),
}


def lint(tool: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool as `make lint` does: with the words of .pre-commit-config.yaml."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hook = next(h for h in config["repos"][0]["hooks"] if h["id"] == tool)
    words = [w.strip('"') for w in hook["entry"].split()]
    files = sorted(folder.glob("*.yml"))
    return subprocess.run(
        [*words, *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault: str, tmp_path: Path) -> None:
    old, new = FAULTS[fault]
    assert old in CHECK
    (tmp_path / "check.yml").write_text(CHECK.replace(old, new, 1), encoding="utf-8")
    done = lint(fault.partition(":")[0], tmp_path)
    assert done.returncode != 0, done.stdout + done.stderr
    assert "check.yml" in done.stdout
