# SPDX-License-Identifier: Apache-2.0
"""The generated `patches/README.md`, and the README's table of patches."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.apply import Wanted, apply
from scripts.series.check import Rule
from scripts.series.export import export
from scripts.series.table import first_sentence, lanes_on, render
from tests.unit.series.check.planted import found
from tests.unit.small import Small, git, message


def rows(text: str) -> list[list[str]]:
    """The table's cells, head and rule apart."""
    table = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in table[1:]]


def test_one_row_a_patch(small: Small) -> None:
    patches = folder.load(small.patches)
    found = rows(render(patches))
    assert [row[0] for row in found] == [
        f"[{name[:4]}]({name})" for name in small.names
    ]
    assert found[1][1:] == [
        "utils: probe for the sm12x kernels",
        "The probe looks at what is called, so that a missing kernel "
        "is known before the model loads.",
        "vllm-project/vllm#40082, rewritten",
        "Upstream selects this backend itself.",
        "`tests/utils/__init__.py`<br>`tests/utils/test_probe.py`<br>"
        "`vllm/utils/flashinfer.py`",
        "overlay",
    ]


def test_markup_in_a_subject_stays_text(small: Small) -> None:
    small.edit(message("a | b <c>"), "docs/backends.md", "- cutlass\n", "- cut\n")
    small.export()
    last = render(folder.load(small.patches)).splitlines()[-1]
    assert "| a \\| b &lt;c> |" in last
    assert last.endswith("| no wheel |")


@pytest.mark.parametrize(
    ("old", "new", "lane"),
    [
        ('select = ["E", ', 'select = ["E", "W", ', "no wheel"),
        ('"setuptools>=77.0.3"', '"setuptools>=78"', "source"),
    ],
)
def test_lane_of_pyproject_depends_on_its_tables(
    small: Small, old: str, new: str, lane: str
) -> None:
    small.edit(message("build: change pyproject"), "pyproject.toml", old, new)
    small.export()
    patches = folder.load(small.patches)
    found = lanes_on(patches, small.read)
    assert list(found.values()) == ["overlay", "overlay", "overlay", lane]


def test_lane_of_compiled_files(small: Small) -> None:
    small.edit(message("csrc: four times"), "csrc/x.cu", "*x *= 2", "*x *= 4")
    small.export()
    assert rows(render(folder.load(small.patches)))[-1][-1] == "source"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", "One."),
        ("Uses v0.33.0 as it is. Then.", "Uses v0.33.0 as it is."),
        ("No stop\nat all\n\nNext.", "No stop at all"),
        ("Is it? `x` is.", "Is it?"),
    ],
)
def test_first_sentence(text: str, expected: str) -> None:
    assert first_sentence(text) == expected


# The README's own table, whose words a person writes


def readme(small: Small, words: dict[str, str] | None = None) -> Path:
    """A README with one row a patch, in the order of the series now."""
    rows = [
        f"| [{name[:4]}](patches/{name}) | {(words or {}).get(name, f'of {name}')} |\n"
        for name in small.names
    ]
    path = small.root / "README.md"
    text = f"# Fork\n\n| patch | what |\n|---|---|\n{''.join(rows)}\nMore.\n"
    path.write_text(text, encoding="utf-8")
    return path


def test_check_holds_the_readme_to_the_series(small: Small) -> None:
    path = readme(small)
    assert found(small) == []
    path.write_text(path.read_text().replace("0002-", "0002-x"), encoding="utf-8")
    assert found(small) == [("README.md", 6, Rule.TABLE)]
    readme(small)
    small.drop()
    small.export()
    assert found(small) == [("README.md", 7, Rule.TABLE)]
    small.edit(message("docs: a new one"), "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == [("README.md", 7, Rule.TABLE)]


@pytest.mark.parametrize("what", ["drop", "add", "reorder", "reword"])
def test_export_mends_the_readme(
    small: Small, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    at = Checkout(small.root)
    path = readme(small)
    before = {name[5:]: f"of {name}" for name in small.names}
    apply(Wanted(at))
    bench = at.build / "vllm"
    if what == "add":
        (bench / "README.md").write_text("# Mine\n", encoding="utf-8")
        git(
            bench,
            "commit",
            "-qaF-",
            stdin=message("docs: mine", "It says so. Yes.").encode(),
        )
    elif what == "reword":
        new = message("config: other words")
        git(bench, "commit", "-q", "--amend", "-F-", stdin=new.encode())
    else:
        todo = {"drop": "2d", "reorder": "1{h;d};2{G}"}[what]
        settings = (
            "-c",
            f"sequence.editor=sed -i -e '{todo}'",
            "-c",
            "core.editor=true",
        )
        git(bench, *settings, "rebase", "-qi", "refs/sm12x/base")
    done = export(at, table=render)
    rows = re.findall(
        r"^\| \[(\d{4})\]\(patches/(.*)\) \| (.*) \|$", path.read_text(), re.M
    )
    names = [patch.name for patch in done.patches]
    assert [(number, name) for number, name, _ in rows] == [(n[:4], n) for n in names]
    for _, name, words in rows:
        new = {"docs-mine": "It says so.", "config-other": "of 0003-"}
        want = next((w for k, w in new.items() if k in name), before.get(name[5:], "?"))
        assert words.startswith(want), (name, words)
    assert "README.md" in done.others
    assert path.read_text().startswith("# Fork\n\n| patch")
    assert path.read_text().endswith("|\n\nMore.\n")
    assert [p for p in found(small, refresh=False) if p[0] == "README.md"] == []
