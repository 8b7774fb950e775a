# SPDX-License-Identifier: Apache-2.0
"""Whatever a report holds, it is drawn or refused; nothing raises, nothing escapes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.series import folder
from scripts.series.table import lanes_on
from scripts.site import page, plot
from scripts.site.found import Found, State
from scripts.site.main import SECTIONS
from scripts.site.series import views
from tests.unit.site.samples import Page, samples
from tests.unit.small import Small

SAMPLES = samples()
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value, from the top."""
    yield path
    keys = data if isinstance(data, dict) else range(min(len(data), 3)) if (
        isinstance(data, list)) else ()  # fmt: skip
    for key in keys:
        yield from places(data[key], (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


@st.composite
def reports(draw: st.DrawFn) -> tuple[str, Any]:
    """A report's name, and its sample with one value in place of another."""
    name = draw(st.sampled_from(sorted(SAMPLES)))
    path = draw(st.sampled_from(list(places(SAMPLES[name]))))
    was = SAMPLES[name]
    for key in path:
        was = was[key]
    # Mostly something that may pass for what stood there.
    value = draw(like(was) | like(was) | like(was) | VALUES)
    return name, changed(SAMPLES[name], path, value)


def like(was: Any) -> st.SearchStrategy[Any]:
    """Values of the same kind."""
    match was:
        case bool():
            return st.booleans()
        case int():
            return st.integers(-3, 3) | st.integers()
        case float():
            return st.floats()
        case str():
            return st.text(max_size=20)
        case list():
            return st.lists(st.sampled_from(was), max_size=4) if was else st.just([])
        case dict() if was:
            keys = st.sets(st.sampled_from(sorted(was)))
            return keys.map(lambda kept: {k: was[k] for k in sorted(kept)})
    return VALUES


@pytest.fixture(scope="module")
def drawn(small_template: Small) -> Any:
    patches = folder.load(small_template.patches)
    series = views(patches, lanes_on(patches, small_template.read))

    def draw(found: dict[str, Found[Any]]) -> str:
        files = page.render(small_template.lock, series, found, {"12.0": "A device"})
        return files["index.html"].decode()

    return draw


@settings(max_examples=150, deadline=None, derandomize=True)
@given(report=reports())
def test_any_report_is_drawn_or_refused(
    report: tuple[str, Any], drawn: Any, small_template: Small
) -> None:
    name, data = report
    found = {n: Found(n, m, State.MISSING) for n, (m, _) in SECTIONS.items()}
    try:
        read = msgspec.convert(data, SECTIONS[name][1])
    except ValueError:
        return
    found[name] = Found(name, "make x", State.FRESH, "5" * 40, "1", "2026", read)
    text = drawn(found)
    assert "nan" not in text.partition("<svg")[2].partition("</svg")[0]
    assert list(Page(small_template.root, text).all("script")) == []


@settings(max_examples=200, deadline=None, derandomize=True)
@given(top=st.floats(1e-9, 1e12), about=st.integers(2, 8))
def test_ticks_hold_the_figure_and_are_few(top: float, about: int) -> None:
    marks = plot.ticks(top, about)
    assert marks[0] == 0 and marks[-1] >= top * 0.999
    assert len(marks) < 2.6 * about + 2
    steps = {round((b - a) / marks[1], 6) for a, b in itertools.pairwise(marks)}
    assert steps == {1.0}
