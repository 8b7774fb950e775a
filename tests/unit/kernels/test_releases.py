# SPDX-License-Identifier: Apache-2.0
"""Another release of FlashInfer: only one that is there, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.base.errors import Unusable
from scripts.cli import app
from scripts.kernels import releases
from scripts.upstream import environments, lock
from scripts.upstream.index import Offer


class Shown:
    """An index with these releases of FlashInfer; it counts how often it is asked."""

    url = "https://index.invalid/simple"

    def __init__(self, *releases: str) -> None:
        self.releases, self.asked = releases, 0

    def offers(self, project: str) -> list[Offer]:
        self.asked += 1
        name = project.replace("-", "_")
        names = [f"{name}-{version}-py3-none-any.whl" for version in self.releases]
        return [
            Offer(name, "", None, None, False)
            for name in (f"{name}-9.0.tar.gz", *names)
        ]


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shown:
    index = Shown("0.7.10", "0.6.0", "0.7.1", "0.7.2.post1")
    monkeypatch.setattr("scripts.upstream.index.open_index", lambda: index)
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    for name in ("SM12X_OFFLINE", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    return index


NEAR = "0.7.1, 0.7.2.post1, 0.7.10"
VERBS = ("kernels", "hopper --step packages")


@pytest.mark.parametrize(
    ("given", "near", "best", "verb"),
    [
        *(("0.7.9", f"0.6.0, {NEAR}", "0.7.2.post1", verb) for verb in VERBS),
        # Of one before the first that the series runs on, hopper asks no index.
        ("0.5", "0.6.0, 0.7.1, 0.7.2.post1", "0.6.0", "kernels"),
        *((it, NEAR, "0.7.10", v) for it in ("abc", "../x", "0.7.1-0") for v in VERBS),
    ],
)
def test_a_release_that_is_not_there_is_refused_before_anything_is_made(
    given: str, near: str, best: str, verb: str, shown: Shown, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, [*verb.split(), "--flashinfer", given])
    error = done.exception
    assert isinstance(error, Unusable) and shown.asked == 1
    assert error.what == "there is no such release of FlashInfer"
    assert str(error.expected).endswith(f", as {near}")
    assert error.found == given and f"FLASHINFER={best}" in str(error.next)
    assert not (tmp_path / "cache").exists()


def test_a_release_that_was_used_here_needs_no_index(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = releases.requirements("0.7.1")
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    assert releases.requirements("0.7.1") == made and shown.asked == 1
    with pytest.raises(Unusable, match="the network may not be used"):
        releases.requirements("0.6.0")


def test_only_flashinfer_is_another(shown: Shown) -> None:
    pinned = environments.FLASHINFER.read_text(encoding="utf-8").splitlines()
    other = releases.requirements("0.7.1").read_text(encoding="utf-8").splitlines()
    moved = [(a, b) for a, b in zip(pinned, other, strict=True) if a != b]
    pin = f"flashinfer-python=={lock.load().companions['flashinfer-python']}"
    assert moved == [(pin, "flashinfer-python==0.7.1")]
