# SPDX-License-Identifier: Apache-2.0
"""The real `gh` knows every flag and every field that the bot uses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.github import GitHub
from scripts.base.errors import Unusable
from tests.unit.small import git

GH = shutil.which("gh")
CALLS: dict[str, Callable[[GitHub], object]] = {
    "pr list": lambda f: f.pulls("x"),
    "issue list": lambda f: f.issues(),
    "label create": lambda f: f.open_pull("main", "x", "title", "body"),
    "pr edit": lambda f: f.edit_pull(1, "title", "body"),
    "issue edit": lambda f: f.edit_issue(1, "title", "body"),
    "issue reopen": lambda f: f.reopen_issue(1),
    "issue close": lambda f: f.close_issue(1, "why"),
    "workflow run": lambda f: f.start_checks("x"),
}


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logged in, by name; but every call ends at a port where nobody listens."""
    monkeypatch.setenv("GH_TOKEN", "none")
    monkeypatch.setenv("GH_REPO", "github.com/none/none")
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("GH_NO_UPDATE_NOTIFIER", "1")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.mark.skipif(GH is None, reason="there is no gh (Debian's package gh)")
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("command", CALLS)
def test_flags_and_fields(command: str, tmp_path: Path) -> None:
    """A flag or field that it does not know is refused before it connects."""
    assert GH is not None
    with pytest.raises(Unusable) as e:
        CALLS[command](GitHub(tmp_path, GH))
    assert e.value.what.startswith(f"{GH} {command} failed with exit code 1")
    assert "127.0.0.1:9" in str(e.value.found)


@pytest.mark.skipif(GH is None, reason="there is no gh (Debian's package gh)")
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("kind", ["pr", "issue"])
def test_flags_of_create(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GH is not None
    monkeypatch.setattr(GitHub, "_label", lambda self: None)
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", "https://github.com/none/none")
    forge = GitHub(tmp_path, GH)
    with pytest.raises(Unusable) as e:
        if kind == "pr":
            forge.open_pull("main", "x", "title", "body")
        else:
            forge.open_issue("title", "body")
    assert "127.0.0.1:9" in str(e.value.found)


@pytest.mark.skipif(GH is None, reason="there is no gh (Debian's package gh)")
def test_not_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_REPO", "github.com/none/none")
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path))
    assert GH is not None
    with pytest.raises(Unusable, match="exit code 4") as e:
        GitHub(tmp_path, GH).issues()
    assert e.value.next == "gh auth login, or set GH_TOKEN"


def test_no_gh(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot start"):
        GitHub(tmp_path, str(tmp_path / "gh")).issues()
