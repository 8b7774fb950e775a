# SPDX-License-Identifier: Apache-2.0
"""Transfers that go wrong are resumed, or refused and not kept."""

from __future__ import annotations

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.upstream import index, transfer
from scripts.upstream.cache import cache_dir, object_path
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Artifact
from tests.unit.package_index import Fault, Site
from tests.unit.upstream.fetched import DATA, NAME, kept_files

pytestmark = pytest.mark.usefixtures("machine")


def test_cut_goes_on_where_it_stopped(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.CUT, Fault.CUT]
    assert obtain(artifact).read_bytes() == DATA
    assert [r.range for r in site.fetched(NAME)] == [
        None,
        "bytes=150000-",
        "bytes=225000-",
    ]


@pytest.mark.parametrize(
    "fault", [Fault.NO_RANGE, Fault.NOT_SATISFIABLE, Fault.WRONG_RANGE]
)
def test_server_without_ranges(site: Site, artifact: Artifact, fault: Fault) -> None:
    site.faults = [Fault.CUT, fault]
    assert obtain(artifact).read_bytes() == DATA
    assert site.fetched(NAME)[1].range == "bytes=150000-"


def test_busy_server(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.BUSY, Fault.BUSY]
    assert obtain(artifact).read_bytes() == DATA
    assert len(site.fetched(NAME)) == 3


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.CUT])
def test_tries_are_bounded(site: Site, artifact: Artifact, fault: Fault) -> None:
    site.faults = [fault] * 100
    with pytest.raises(Unusable, match="cannot download") as caught:
        obtain(artifact)
    assert NAME in caught.value.what
    assert artifact.sha256 in str(caught.value.expected)
    assert len(site.fetched(NAME)) <= 2 * index.TRIES
    # What came is kept for the next run, but never as a whole file.
    assert not object_path(artifact).exists()
    site.faults = []
    assert obtain(artifact).read_bytes() == DATA
    if fault is Fault.CUT:
        assert site.fetched(NAME)[-1].range is not None


def test_progress_gives_tries_back(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "GAIN", 1000)
    site.faults = [Fault.CUT] * (index.TRIES + 2)
    assert obtain(artifact).read_bytes() == DATA


def test_wrong_digest_keeps_nothing(site: Site, artifact: Artifact) -> None:
    site.announced[NAME] = artifact.sha256
    site.files[NAME] = DATA[:-1] + b"x"
    with pytest.raises(Finding, match=f"{NAME} is not the file") as caught:
        obtain(artifact)
    assert artifact.sha256 in str(caught.value.expected)
    assert "sha256" in str(caught.value.found)
    assert "/files/" in str(caught.value.where)
    assert kept_files() == []


def test_other_digest_announced(site: Site, artifact: Artifact) -> None:
    site.announced[NAME] = "0" * 64
    with pytest.raises(Finding, match="is not the file") as caught:
        obtain(artifact)
    assert caught.value.found == f"sha256 {'0' * 64}"
    assert not site.fetched(NAME), "said before anything is transferred"


@pytest.mark.parametrize("change", [-1, 1])
def test_other_length(site: Site, artifact: Artifact, change: int) -> None:
    site.announced[NAME] = artifact.sha256
    site.files[NAME] = (DATA + b"x")[: len(DATA) + change]
    with pytest.raises(Finding, match=r"another .* than the one that is pinned"):
        obtain(artifact)
    assert kept_files() == []


def test_endless_answer_is_stopped(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.ENDLESS]
    with pytest.raises(Finding, match=r"another .* than the one that is pinned"):
        obtain(artifact)
    assert kept_files() == []


@pytest.mark.parametrize("left", [DATA[:1000], b"x" * 1000, b"x" * len(DATA), DATA * 2])
def test_part_of_an_earlier_run(site: Site, artifact: Artifact, left: bytes) -> None:
    part = cache_dir() / "parts" / artifact.sha256
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    assert obtain(artifact).read_bytes() == DATA
    assert kept_files() == [NAME]
