# SPDX-License-Identifier: Apache-2.0
"""A release that is not there: the ones beside it are offered."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.base.errors import Finding, ForkError, Unusable
from scripts.port import released, target
from scripts.upstream import cache
from scripts.upstream.index import Offer
from scripts.upstream.lock import Artifact
from tests.unit.small import Small


class OnePage:
    """An index with these files of vLLM."""

    url = "https://index.invalid/simple/"

    def __init__(self, *names: str) -> None:
        self.names = names

    def offers(self, project: str) -> list[Offer]:
        return [Offer(name, self.url + name, None, None, False) for name in self.names]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    for name in ("UPSTREAM_DIR", "SM12X_OFFLINE", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)


def asked(small: Small, version: str, kind: type[ForkError]) -> str:
    with pytest.raises(kind) as e:
        target.find(small.lock, version)
    return str(e.value.next)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("1.3.5", "make port TO=1.3.1 or TO=1.4.0, the nearest that are there"),
        ("2.0.0", "make port TO=1.4.0, the nearest that is there"),
        ("0.1", "make port TO=1.3.0, the nearest that is there"),
    ],
)
def test_the_index_is_asked_for_those_beside_it(
    version: str, says: str, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Final releases with a source archive; wheels and candidates are none."""
    page = OnePage(
        *(f"vllm-{v}.tar.gz" for v in ("1.4.0", "1.3.0", "1.3.1", "1.3.6rc1")),
        "vllm-1.3.4-cp38-abi3-manylinux_2_28_x86_64.whl",
    )
    monkeypatch.setattr(released.index, "open_index", lambda: page)
    assert asked(small, version, Finding) == says


def test_without_the_network_those_at_hand_are_offered(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    says = asked(small, "1.3.5", Unusable)
    assert says.startswith("name another release, none is at hand; else unset SM12X")
    at_hand = Artifact("vllm-1.3.0.tar.gz", 1, "ab" * 32)
    row = cache.cache_dir() / "releases/1.3.0.json"
    row.parent.mkdir(parents=True)
    place = cache.object_path(at_hand)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"1")
    row.write_text(json.dumps({**asdict(at_hand), "size": "1"}), encoding="utf-8")
    assert asked(small, "1.3.5", Unusable) == says
    row.write_text(json.dumps(asdict(at_hand)), encoding="utf-8")
    assert asked(small, "1.3.5", Unusable).startswith("make port TO=1.3.0, the nearest")


def test_a_release_that_is_there_is_taken(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Artifact("vllm-1.3.0.tar.gz", 1, "ab" * 32)
    monkeypatch.setattr(released.index, "open_index", lambda: OnePage(found.filename))
    monkeypatch.setattr(released, "announced", lambda source, offer: found)
    assert target.find(small.lock, "1.3.0").version == Version("1.3.0")
