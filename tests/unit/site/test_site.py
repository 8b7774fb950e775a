# SPDX-License-Identifier: Apache-2.0
"""The page says what the reports say, and what is missing, stale or unreadable."""

from __future__ import annotations

import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from scripts import reports
from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.cli import app
from scripts.cli import port as port_verb
from scripts.cli import site as verb
from scripts.port.report.states import FileResult, PatchResult
from scripts.port.report.states import State as PortState
from scripts.port.report.summary import Summary
from scripts.series import folder
from scripts.series.identity import here as here_in
from scripts.site.found import Record, State
from scripts.site.main import RECORDS, SECTIONS, build
from scripts.site.series import views
from scripts.upstream import lock as lockfile
from tests.unit.site.samples import EVIL, Page, samples
from tests.unit.small import Small, message

SAMPLES = samples()
READ_ONCE = {name: cache(read) for name, read in RECORDS.items()}


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, read in READ_ONCE.items():
        monkeypatch.setitem(RECORDS, name, read)


@pytest.fixture
def no_records(read_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is parsed in a second, or in a tenth where the records are not on it."""
    for name in READ_ONCE:
        monkeypatch.delitem(RECORDS, name)


@pytest.fixture
def at(small: Small) -> Checkout:
    return Checkout(small.root)


def page(at: Checkout) -> Page:
    build(at)
    return Page(at.build / "site/index.html")


def all_reports(at: Checkout) -> None:
    for name, data in SAMPLES.items():
        reports.write(at, name, data)


def test_every_report_has_a_sample() -> None:
    assert set(SAMPLES) == set(SECTIONS)


def test_every_record_of_the_repository_is_shown() -> None:
    """What RECORDED=1 prints; of a verb that counts or measures, a report is drawn."""
    commands = typer.main.get_command(app)
    given = {
        name: {o for p in commands.get_command(None, name).params for o in p.opts}
        for name in commands.list_commands(None)
    }
    keeping = {name for name, options in given.items() if "--recorded" in options}
    # The record `cuda` is of a step of make hopper.
    assert {"matrix", "footprint"} < keeping == {*RECORDS} - {"cuda"}


def test_without_a_report_the_page_says_what_makes_it(at: Checkout) -> None:
    made = build(at)
    states = {found.name: found.state for found in made.reports}
    assert {n for n, s in states.items() if s is not State.MISSING} == {*RECORDS}
    index = Page(made.index)
    for name in {*SECTIONS} - {*RECORDS}:
        make, _ = SECTIONS[name]
        assert f"Not measured here: {make} writes this part." in index.words(name)
    # Nothing may be claimed that was not found.
    assert "In short" not in index.text
    assert "<svg" not in index.text


@pytest.mark.usefixtures("no_records")
@pytest.mark.parametrize("name", READ_ONCE)
def test_a_record_is_shown_as_one_with_its_day(
    name: str, at: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the target was run here; and of another tree it says that too."""
    make, _ = SECTIONS[name]
    here = lockfile.load(at.lock).patched_tree
    for tree, state in (
        (here, State.RECORDED),
        ("6" * 40, State.RECORDED_STALE),
        ("", State.RECORDED_STALE),
    ):
        kept = Record(SAMPLES[name], tree, "2026-11-25")
        monkeypatch.setitem(RECORDS, name, lambda kept=kept: kept)
        made = build(at)
        (found,) = (f for f in made.reports if f.name == name)
        assert found.state is state
        words = Page(made.index).words(name)
        said = f"As recorded on 2026-11-25: the repository has it; {make} was not run"
        assert said in words and f"From {make}, 2026-11-25" in words
        assert "UTC" not in words and "Not measured" not in words
        assert ("Stale" in words) == (tree != here)
        row = re.search(rf"{name} {state.value} .*? 2026-11-25", words_of(made.index))
        assert row, state
    ran = here_in(at).ran
    for told, state in ((ran, State.RECORDED), ("7" * 40, State.RECORDED_STALE)):
        kept = Record(SAMPLES[name], "6" * 40, "2026-11-25", told)
        monkeypatch.setitem(RECORDS, name, lambda kept=kept: kept)
        (found,) = (f for f in build(at).reports if f.name == name)
        assert found.state is state
    reports.write(at, name, SAMPLES[name])
    assert "As recorded" not in page(at).words(name)


def words_of(index: Path) -> str:
    return Page(index).words("reports")


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_cannot_be_read_is_said(
    name: str, at: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> Record:
        raise Finding("there is no recorded table", found="nothing")

    for read in (lost, lambda: Record({"no": "table"}, "", "")):
        monkeypatch.setitem(RECORDS, name, read)
        made = build(at)
        assert [found.name for found in made.broken] == [name]


def test_the_repository_s_records_have_a_day_and_a_tree() -> None:
    for name, read in RECORDS.items():
        record = read()
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", record.day), name
        assert re.fullmatch(r"[0-9a-f]{40}", record.tree), name


def test_a_dry_run_is_not_the_last_port(
    at: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_verb, "Checkout", lambda: at)
    files = (FileResult("vllm/a.py", PortState.UNCHANGED),)
    results = (PatchResult("0001-a.patch", "a subject", files),)
    for target, dry_run in (("1.4.0", False), ("1.5.0", True)):
        summary = Summary("1.2.3", target, results, dry_run=dry_run)
        with pytest.raises(typer.Exit):
            port_verb._report(summary, port_verb.Format.TEXT)
    index = page(at)
    done, tried = index.words("port"), index.words("port-dry-run")
    assert done.startswith("The last port From 1.2.3 to 1.4.0")
    assert tried.startswith("The last dry run of a port From 1.2.3 to 1.5.0")


def test_reports_of_this_tree_are_shown(at: Checkout) -> None:
    all_reports(at)
    made = build(at)
    assert {found.state for found in made.reports} == {State.FRESH}
    index = Page(made.index)
    for name, (make, _) in SECTIONS.items():
        words = index.words(name)
        assert "Stale" not in words and "Not measured" not in words, name
        assert f"From {make}, 20" in words, name


def test_reports_of_another_tree_are_marked_with_both_ids(at: Checkout) -> None:
    all_reports(at)
    old, new = lockfile.load(at.lock).patched_tree, "5" * 40
    lockfile.update(at.lock, {"series.patched-tree": new})
    made = build(at)
    assert {found.state for found in made.reports} == {State.STALE}
    index = Page(made.index)
    for name in SECTIONS:
        words = index.words(name)
        assert f"Stale: found on tree {old}" in words, name
        assert f"the lock names {new}" in words, name
    assert "In short" not in index.text


@pytest.mark.parametrize(
    "text",
    [
        "not JSON", "[]", "{}", '{"schema": 2}', '{"schema": 1, "name": "x"}',
        "DATA null", "DATA []", "DATA 1", "DATA {}",
        'DATA {"rows": 3}', 'DATA {"patches": 3, "models": 1, "loaded": 1, "files": 2}',
    ],
)  # fmt: skip
def test_what_is_no_report_is_said_and_exits_1(
    text: str, at: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECTIONS:
        reports.write(at, name, {})
        path = at.build / "reports" / f"{name}.json"
        if text.startswith("DATA "):
            head = json.loads(path.read_text())
            data = json.loads(text.removeprefix("DATA "))
            path.write_text(json.dumps(head | {"data": data}))
        else:
            path.write_text(text)
    monkeypatch.setattr(verb, "Checkout", lambda: at)
    with pytest.raises(Finding) as found:
        verb.site_verb()
    assert found.value.exit_code == 1
    index = Page(at.build / "site/index.html")
    for name in SECTIONS:
        assert f"build/reports/{name}.json" in str(found.value)
        assert "The report cannot be read:" in index.words(name), name


def broken(name: str, **changed: Any) -> tuple[str, dict[str, Any]]:
    return name, SAMPLES[name] | changed


@pytest.mark.usefixtures("no_records")
@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        (*broken("engine", rows=[[1]]), "row 1 has 1 cells for 3 columns"),
        (*broken("matrix", kinds=["MoE W4A4"]), "4 choices for 1 kinds"),
        (*broken("carry-matrix", patches=2), "more carried than the 2"),
        (*broken("release", files=[{"name": "a", "size": 1, "sha256": "0"}]), "sha256"),
        (*broken("errors", loaded=[{}]), "$.loaded[0]"),
        (*broken("memory", models=[{"model": 1}]), "$.models[0].model"),
        ("release", {"files": [SAMPLES["release"]["files"][0] | {
            "url": "javascript:alert(1)"}]}, "not https"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(
    name: str, data: dict[str, Any], says: str, at: Checkout
) -> None:
    reports.write(at, name, data)
    made = build(at)
    assert [found.name for found in made.broken] == [name]
    assert says in Page(made.index).words(name)


def test_fields_that_are_not_known_are_passed_over(at: Checkout) -> None:
    for name, data in SAMPLES.items():
        reports.write(at, name, data | {"more": [1]})
    assert not build(at).broken


@pytest.fixture(scope="module")
def whole(small_template: Small, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page with every report, to be read only."""
    root = tmp_path_factory.mktemp("whole") / "checkout"
    shutil.copytree(small_template.root, root, symlinks=True)
    at = Checkout(root)
    all_reports(at)
    return Page(build(at).index)


def test_pages_are_well_formed(whole: Page) -> None:
    pages = sorted(whole.path.parent.rglob("*.html"))
    assert len(pages) == 4
    for path in pages:
        assert list(Page(path).faults()) == [], path


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('id="series"', 'id="content"', "id twice: content"),
        ('href="#series"', 'href="#serie"', "no such place: #serie"),
        ("patches/0001.html", "patches/0009.html", "leads nowhere"),
        ("<h2 ", "<h4 ", "from h1 to h4"),
        (' scope="col"', "", "th without a scope"),
        ("<desc ", "<text ", "a picture without title"),
        ("https://github.com", "https://git hub", "not well-formed"),
        ("series-title", "series title", "labelled by title"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str, whole: Page) -> None:
    assert old in whole.text
    text = whole.text.replace(old, new, 1)
    for tag in ("h2", "desc"):
        if old == f"<{tag} ":
            text = text.replace(f"</{tag}>", f"</{new.strip('< ')}>", 1)
    found = list(Page(whole.path, text).faults())
    assert any(each.startswith(fault) for each in found), found


def test_text_stays_text(small: Small, at: Checkout) -> None:
    """Of reports and of patches alike; and no script is on any page."""
    small.commit(message(f"config: {EVIL}", f"{EVIL}\n\n  kept {EVIL}"), {
        "vllm/evil.py": f"x = '''{EVIL}'''\n"})  # fmt: skip
    small.export()
    all_reports(at)
    build(at)
    index, patch = (
        Page(at.build / "site" / n) for n in ("index.html", "patches/0004.html")
    )
    shown = re.sub(r"\s+", " ", EVIL)
    for name in ("errors", "memory", "engine", "cuda", "hopper", "kernels", "evidence",
                 "port", "port-dry-run", "carry-matrix", "release", "reproduce",
                 "series"):  # fmt: skip
        assert shown in index.words(name), name
    assert patch.words("content").count(shown) >= 3
    for one in (index, patch):
        assert list(one.all("script")) == []
        assert list(one.faults()) == []


def test_the_same_reports_give_the_same_bytes(at: Checkout) -> None:
    all_reports(at)

    def pages() -> dict[str, bytes]:
        build(at)
        out = at.build / "site"
        return {
            p.relative_to(out).as_posix(): p.read_bytes()
            for p in out.rglob("*")
            if p.is_file()
        }

    first = pages()
    assert len(first) == 2 + 2 * len(folder.names(at.patches))
    assert pages() == first


def test_a_dropped_patch_leaves_no_page(small: Small, at: Checkout) -> None:
    build(at)
    out = at.build / "site/patches"
    assert (out / "0003.html").exists()
    small.drop()
    small.export()
    build(at)
    names = {p.name for p in out.iterdir()}
    assert names == {"0001.html", "0002.html", *folder.names(at.patches)}


def test_the_figures_are_the_reports(whole: Page) -> None:
    index = whole
    short = index.words("headlines-title"), index.words("content")
    assert short[0] == "In short"
    # The largest error at the smallest sigma, and the model that is verified.
    assert "0.16 upstream 2.00 output error at weight sigma 0.004" in short[1]
    assert "0.25 GiB upstream 15.00 GiB MoE workspace, A model, 48 layers" in short[1]
    tally = SAMPLES["matrix"]["tallies"]["off"]
    assert f"{tally['alike']:,} of {tally['asked']:,} selections off" in short[1]
    assert "0.160, 0.150 2.000, 0.001 12.5" in index.words("errors")
    assert "A model 48 0.25 GiB 15.00 GiB 60" in index.words("memory")
    assert "flashinfer_cutedsl_sm12x".upper() in index.words("matrix")
    assert "make port 3 git am 1 1 wrong quilt push not installed" in index.words(
        "carry-matrix"
    )
    assert "0001 tests/a.py::test_awith 0003 yes 9 of 10 none not run" in index.words(
        "evidence"
    )
    assert "vllm-1-py3-none-any.whl wheel 320.8 MiB abab" in index.words("release")
    assert "1 of 2 patches carried. Outcome: a person has to decide." in index.words(
        "port"
    )


@pytest.mark.usefixtures("no_records")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ok": True}, "Run on SM12x hardware: RTX."),
        ({}, "Run on SM12x hardware: RTX, not all well."),
        ({"machine": {"device": "double", "hardware": False}},
         "Not run on SM12x hardware. Selection"),
        (None, "Not run on SM12x hardware. Selection"),
    ],
)  # fmt: skip
def test_the_head_says_whether_it_ran_on_the_hardware(
    given: dict[str, Any] | None, said: str, at: Checkout
) -> None:
    if given is not None:
        reports.write(at, "test-sm12x", SAMPLES["test-sm12x"] | given)
    text = re.sub(r"<[^>]+>", "", page(at).text.partition("<main")[0])
    assert said in re.sub(r"\s+", " ", text)


def test_drift_is_against_the_committed_figures(at: Checkout) -> None:
    data = json.loads(json.dumps(SAMPLES["kernels"]))
    name = next(iter(data["kernels"]))
    data["kernels"][name]["registers"] += 9
    reports.write(at, "kernels", data)
    words = page(at).words("kernels")
    assert re.search(rf"{name}: registers \d+ -> \d+ \(bound 8\)", words)
    # The sample leaves kernels out, which is drift as well.
    assert "is no longer reached" in words


def test_a_reference_in_a_trailer_is_a_link(small: Small) -> None:
    patches = folder.load(small.patches)
    first = views(patches, {p.name: "overlay" for p in patches})[0]
    origin = first.value("Origin")
    assert [(p.text, p.href) for p in origin] == [
        ("vllm-project/vllm#40082", "https://github.com/vllm-project/vllm/pull/40082"),
        (", rewritten", ""),
    ]
    assert first.value("No-Such-Key") == ()
