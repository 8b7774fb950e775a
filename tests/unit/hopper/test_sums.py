# SPDX-License-Identifier: Apache-2.0
"""A record that somebody changed by hand is no measurement: SHA256SUMS beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.cli import app
from scripts.hopper import record
from tests.unit.hopper.runs import RELEASE, SERIES, result


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    for release in ("9.9.9", "9.9.10"):
        found = result()
        found["machine"]["flashinfer-python"] = release
        record.save(found, SERIES, release, None, tmp_path)
    return tmp_path


def test_the_records_here_are_as_they_were_written() -> None:
    assert record.altered() == []
    assert (record.FOLDER / record.SUMS).read_text(encoding="utf-8").count("\n") == len(
        record.recorded()
    )


def test_what_was_written_is_not_altered(kept: Path) -> None:
    assert record.altered(kept) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.0016,", "0.0017,"),
        (', "128x128", ', ', "64x128", '),
        ('"date": "2026', '"date": "2025'),
    ],
)
def test_any_change_within_the_bounds_is_seen(kept: Path, old: str, new: str) -> None:
    path = kept / f"flashinfer-{RELEASE}.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    [line] = record.altered(kept)
    assert line.startswith(f"{path.name}: not as STEP=record wrote it")


def test_a_record_that_is_gone_or_that_nobody_wrote_is_seen(kept: Path) -> None:
    path = kept / f"flashinfer-{RELEASE}.json"
    path.rename(kept / "flashinfer-1.0.json")
    assert [line.partition(",")[0] for line in record.altered(kept)] == [
        f"{path.name}: {record.SUMS} names it",
        f"flashinfer-1.0.json: it is not in {record.SUMS}",
    ]


def test_who_asks_for_the_records_is_told(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "altered", lambda: ["flashinfer-1.json: other"])
    done = CliRunner().invoke(app, ["hopper", "--recorded"])
    assert done.exit_code == 1
    assert "contradicted: flashinfer-1.json: other" in done.stderr


def test_a_line_that_is_no_sum_is_said(kept: Path) -> None:
    path = kept / record.SUMS
    path.write_text(path.read_text(encoding="utf-8") + "words\n", encoding="utf-8")
    assert record.altered(kept) == [f"words: {record.SUMS} names it, and it is gone"]
