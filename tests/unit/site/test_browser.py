# SPDX-License-Identifier: Apache-2.0
"""The pages in Chromium: accessible in both themes, at any width, without scripts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from scripts import ROOT, reports
from scripts.checkout import Checkout
from scripts.site.main import build
from tests.unit.site.samples import samples

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium here: apt-get install chromium"
    ),
]
THEMES = ("light", "dark")
LONGEST = "patches/0005.html"
"""The page with the longest diff."""
SPACED = "* { letter-spacing: .12em !important; word-spacing: .16em !important }"
"""What WCAG 2.2, criterion 1.4.12, lets a reader set."""
WIDE = "* { font-family: 'DejaVu Sans Mono', monospace !important }"
"""Fonts differ from machine to machine; few are wider than this one."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real series with every kind of report, and one that is stale, one missing."""
    root = tmp_path_factory.mktemp("site")
    (root / "patches").symlink_to(ROOT / "patches")
    shutil.copy(ROOT / "upstream.lock", root)
    at = Checkout(root)
    for name, data in samples().items():
        if name != "release":
            reports.write(at, name, data)
    path = root / "build/reports/errors.json"
    text = (
        path.read_text().replace('"tree": "', '"tree": "0').replace('0", "v', '", "v')
    )
    path.write_text(text)
    (root / "build/reports/engine.json").write_text("no JSON")
    return build(at).index.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


def opened(
    browser: Browser, at: Path, *, width: int = 1280, theme: str = "light"
) -> Page:
    """A page of the site; what it logs or fails to load is an error."""
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("requestfailed", lambda request: said.append(request.url))
    page.goto(at.as_uri())
    assert said == []
    return page


# Contrast does not depend on the width, nor layout on the theme.
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_axe_finds_nothing(
    width: int, theme: str, browser: Browser, site: Path
) -> None:
    for name in ("index.html", "patches/0001.html"):
        page = opened(browser, site / name, width=width, theme=theme)
        page.evaluate(
            "document.querySelectorAll('details').forEach(d => d.open = true)"
        )
        found = Axe().run(page)
        assert len(found.response["passes"]) > 20
        assert found.violations_count == 0, found.generate_report()
        page.close()


COLOURS = """() => {
  const opaque = e => e && getComputedStyle(e).backgroundColor;
  const clear = colour => colour === 'rgba(0, 0, 0, 0)';
  const seen = {};
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || e.closest('title, desc')) continue;
    let behind = e;
    while (behind && clear(opaque(behind))) behind = behind.parentElement;
    const style = getComputedStyle(e);
    const ink = e.closest('svg') ? style.fill : style.color;
    seen[[ink, opaque(behind)].join('|')] = e.outerHTML.slice(0, 80);
  }
  return seen;
}"""
"""Colours of text and of what is behind it, each with an element that has them."""


@pytest.mark.parametrize("theme", THEMES)
def test_all_words_are_legible(theme: str, browser: Browser, site: Path) -> None:
    """Axe leaves SVG and gradients out; 4.5 is AA of WCAG 2.2, criterion 1.4.3."""
    for name, least in (("index.html", 10), ("patches/0001.html", 5)):
        page = opened(browser, site / name, theme=theme)
        seen = page.evaluate(COLOURS)
        assert len(seen) >= least
        for colours, element in seen.items():
            assert contrast(*colours.split("|")) >= 4.5, (theme, colours, element)
        page.close()


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two `rgb(r, g, b)`.

    >>> contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    21.0
    """

    def luminance(colour: str) -> float:
        parts = [int(n) / 255 for n in re.findall(r"\d+", colour)]
        r, g, b = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_what_is_wrong_is_seen(browser: Browser, site: Path) -> None:
    page = opened(browser, site / "index.html")
    page.add_style_tag(content=".source { color: #bbb !important }")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    rules = ["color-contrast", "html-has-lang"]
    found = Axe().run(page, options={"runOnly": rules})
    assert sorted(each["id"] for each in found.response["violations"]) == rules
    seen = page.evaluate(COLOURS)
    assert min(contrast(*colours.split("|")) for colours in seen) < 4.5
    page.close()


@pytest.mark.parametrize("name", ["index.html", LONGEST])
def test_nothing_is_wider_than_the_window(
    name: str, browser: Browser, site: Path
) -> None:
    page = opened(browser, site / name)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for style in ("* {}", SPACED, WIDE):
        page.add_style_tag(content=style)
        for width in (320, 768, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            seen = page.evaluate("document.documentElement.scrollWidth")
            assert seen <= width, style
    page.close()


def test_the_navigation_is_whole(browser: Browser, site: Path) -> None:
    """Wider windows show every section; a narrow one scrolls the bar, not the page."""
    page = opened(browser, site / "index.html")
    hidden = """() => {
      const bar = document.querySelector('.sections').getBoundingClientRect();
      return [...document.querySelectorAll('.sections a')]
        .filter(a => { const at = a.getBoundingClientRect();
          return at.left < bar.left || at.right > bar.right || at.bottom > bar.bottom })
        .map(a => a.textContent);
    }"""
    for style in ("* {}", SPACED, WIDE):
        page.add_style_tag(content=style)
        for width in (1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(hidden) == [], (style, width)
    page.set_viewport_size({"width": 500, "height": 900})
    assert page.evaluate(hidden) != []
    page.close()


def test_the_themes_differ(browser: Browser, site: Path) -> None:
    seen = {}
    for theme in THEMES:
        page = opened(browser, site / "index.html", theme=theme)
        colours = "[getComputedStyle(document.body).backgroundColor, " + (
            "getComputedStyle(document.querySelector('.line.fork circle')).fill]"
        )
        seen[theme] = page.evaluate(colours), page.screenshot()
        page.close()
    light, dark = seen.values()
    assert all(a != b for a, b in zip(light[0], dark[0], strict=True))
    assert light[1] != dark[1]
    if folder := os.environ.get("SM12X_SHOTS"):  # for a person to look at
        for theme, (_, png) in seen.items():
            Path(folder, f"index-{theme}.png").write_bytes(png)


def test_the_keyboard_shows_where_it_is(browser: Browser, site: Path) -> None:
    page = opened(browser, site / "index.html")
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    page.wait_for_function(
        "document.querySelector('.skip').getBoundingClientRect().top >= 0"
    )
    assert skip.evaluate("e => e === document.activeElement")
    page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{outline}.outlineStyle") == "solid"
    assert page.evaluate(f"parseFloat({outline}.outlineWidth)") >= 2
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")
    page.close()


def test_a_section_that_is_led_to_is_not_behind_the_bar(
    browser: Browser, site: Path
) -> None:
    top, bar = (
        f"document.querySelector('{place}').getBoundingClientRect().{edge}"
        for place, edge in (("#memory h2", "top"), (".sections", "bottom"))
    )
    for width in (360, 1280):
        page = opened(browser, site / "index.html", width=width)
        page.goto(f"{(site / 'index.html').as_uri()}#memory")
        assert page.evaluate(bar) <= page.evaluate(top) < 900, width
        page.close()


def test_without_scripts_it_is_all_there(browser: Browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    closed = page.locator("#kernels table")
    assert not closed.is_visible()
    page.locator("#kernels summary").click()
    assert closed.is_visible()
    page.locator("ol.series a").first.click()
    assert page.url.endswith("patches/0001.html")
    assert page.locator(".diff").first.is_visible()
    context.close()


def test_printed_it_hides_the_bars_and_opens_what_is_folded(
    browser: Browser, site: Path
) -> None:
    page = opened(browser, site / "index.html", theme="dark")
    page.emulate_media(media="print", color_scheme="light")
    assert not page.locator(".sections").is_visible()
    height = "document.querySelector('#kernels table').getBoundingClientRect().height"
    assert page.evaluate(height) > 100
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF-") and len(pdf) > 20_000
    page.close()
