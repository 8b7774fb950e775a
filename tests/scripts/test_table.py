# SPDX-License-Identifier: Apache-2.0
"""The generated `patches/README.md`."""

from __future__ import annotations

import pytest

from scripts.series import folder
from scripts.series.table import first_sentence, lanes_on, render
from tests.scripts.small import Small, message


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
    found = lanes_on(patches, lambda: small.sdist)
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
