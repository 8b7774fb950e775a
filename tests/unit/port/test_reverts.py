# SPDX-License-Identifier: Apache-2.0
"""What upstream took of ours and took back: by releases, and by a clone's history."""

from __future__ import annotations

import pytest

from scripts.checkout import Checkout
from scripts.port.report import render
from scripts.port.report.summary import Outcome, Summary
from scripts.port.run import Wanted, port
from scripts.series.alerts import Red
from tests.unit.package_index import serve
from tests.unit.port.releases import PROBE, release
from tests.unit.small import Small, git
from tests.unit.small_files import VERSION, upstream

pytestmark = pytest.mark.usefixtures("machine")


def history(small: Small, *probes: str) -> Summary:
    """A port to the last of releases 1.3.0, 1.4.0, ... that differ in one file."""
    plain = upstream()[PROBE].decode()
    for minor, text in enumerate(probes, 3):
        release(small, {PROBE: (plain, text)}, f"1.{minor}.0")
    last = f"1.{len(probes) + 2}.0"
    return port(Checkout(small.root), Wanted(last, dry_run=True))


def sides(small: Small) -> tuple[str, str]:
    """The file before our second patch, and after it."""
    plain = upstream()[PROBE].decode()
    return plain, (small.repo / PROBE).read_text(encoding="utf-8")


def test_release_between_took_it_and_the_next_reverted_it(small: Small) -> None:
    """The last release alone looks as if upstream had never touched the file."""
    plain, landed = sides(small)
    done = history(small, plain, landed, plain, plain)
    (alert,) = [a for a in done.alerts if a.symbol == "has_sm12x_moe"]
    assert {a.kind for a in done.alerts} == {Red.REVERTED}
    assert (alert.landed, alert.undone) == ("vllm-1.4.0", "vllm-1.5.0")
    assert alert.patch.startswith("0002") and alert.path == PROBE
    assert all(p.carried for p in done.patches)
    assert done.outcome is Outcome.OPEN
    text = render.as_text(done)
    assert "RED" in text and "vllm-1.4.0" in text and "vllm-1.5.0" in text
    assert done.history[:3] == ("vllm-1.3.0", "vllm-1.4.0", "vllm-1.5.0")
    # What is not at hand was not looked at, and that is said.
    assert "network" in done.history[3]


def test_release_between_took_it_and_the_last_fixed_it_again(small: Small) -> None:
    plain, landed = sides(small)
    again = landed.replace("    return has_flashinfer()", "    return False")
    assert again != landed
    done = history(small, plain, landed, again)
    (alert,) = [a for a in done.alerts if a.symbol == "has_sm12x_moe"]
    assert alert.kind is Red.FIXED_AGAIN
    assert (alert.landed, alert.undone) == ("vllm-1.4.0", "vllm-1.5.0")
    assert done.outcome is Outcome.OPEN


def test_taken_back_and_taken_again_is_no_alert(small: Small) -> None:
    plain, landed = sides(small)
    assert history(small, landed, plain, landed).alerts == ()
    assert history(small, plain, plain).alerts == ()


def test_index_says_which_releases_there_are(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, landed = sides(small)
    history(small, landed, plain)
    with serve() as site:
        for path in small.upstream_dir.glob("vllm-1.*.tar.gz"):
            site.add(path.name, path.read_bytes())
        site.add("vllm-1.3.1rc1.tar.gz", b"a candidate is not looked at")
        for name in ("SM12X_OFFLINE", "PIP_NO_INDEX", "UPSTREAM_DIR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("UPSTREAM_INDEX_URL", site.url)
        done = port(Checkout(small.root), Wanted("1.4.0", dry_run=True))
    assert done.history == ("vllm-1.3.0",)
    assert {a.kind for a in done.alerts} == {Red.REVERTED}


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
