# SPDX-License-Identifier: Apache-2.0
"""docs/gpu-owners.md has every refusal of the series, no other, and lines it logs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.git import Git

PAGE = (ROOT / "docs/gpu-owners.md").read_text(encoding="utf-8")
# What stands before a reason, or is put together of reasons alone.
FRAMES = {
    "kernel does not support ...",
    "kernel does not run here: ...",
    "FlashInfer b12x does not run here: ...",
    # Of an assertion that no user can reach.
    "Only nvfp4 is supported.",
}


def rows(section: str) -> set[str]:
    """The first cells of a section's table, without their marks."""
    _, _, text = PAGE.partition(f"\n## {section}\n")
    text = text.partition("\n## ")[0]
    found = re.findall(r"^\| (`+ ?.*?`+) \|", text, re.M)
    assert found
    return {cell.replace("`", "").strip() for cell in found}


def said(node: ast.expr | None) -> str:
    """A text with `...` for whatever is put into it; empty if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub("%[sd]", "...", node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [said(v) if isinstance(v, ast.Constant) else "..." for v in node.values]
        return re.sub(r"\.{6}", "...", "".join(parts))
    return ""


def refused(function: ast.FunctionDef) -> Iterator[ast.expr | None]:
    """What a function returns, lists, raises or asserts as a reason."""
    gives = re.search("reason|problem", function.name)
    for node in ast.walk(function):
        match node:
            case ast.Return(value=ast.Tuple(elts=[ast.Constant(value=False), why])):
                yield why
            case ast.Return(value=why) if gives:
                yield why
            case ast.Raise(exc=ast.Call(args=[why, *_])) | ast.Assert(msg=why):
                yield why
            case ast.Assign(targets=[ast.Name(id="why_not" | "reason" | "switch")]):
                yield node.value


def logged(function: ast.FunctionDef) -> Iterator[ast.expr | None]:
    """What a function logs, or returns as a warning."""
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="logger")), args=[x, *_]
            ):
                yield x
            case ast.Return(value=x) if "warning" in function.name:
                yield x


@pytest.fixture(scope="module")
def texts(patched_tree: Path) -> dict[str, set[str]]:
    """Refusals and lines on what the series added to vLLM's own modules."""
    diff = Git(patched_tree).text(
        "diff", "--unified=0", "refs/sm12x/base", "HEAD", "--", "vllm"
    )
    found: dict[str, set[str]] = {"refused": set(), "logged": set()}
    for part in re.split(r"^diff --git .*$", diff, flags=re.M)[1:]:
        at = re.search(r"^\+\+\+ b/(.*\.py)$", part, re.M)
        if at is None:
            continue
        hunks = re.findall(r"^@@ \S+ \+(\d+)(?:,(\d+))?", part, re.M)
        added = {int(n) + i for n, many in hunks for i in range(int(many or 1))}
        tree = ast.parse((patched_tree / at[1]).read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for name, of in (("refused", refused), ("logged", logged)):
                    found[name] |= {
                        said(why)
                        for why in of(function)
                        if (why and added & {*range(why.lineno, why.end_lineno or 0)})
                        or (why and why.lineno in added)
                    }
    return found


def test_the_page_has_every_refusal_and_no_other(texts: dict[str, set[str]]) -> None:
    reasons = {text.replace("`", "") for text in texts["refused"]}
    reasons = {text for text in reasons if re.search("[A-Za-z]", text)} - FRAMES
    assert rows("Every refusal") == reasons


def test_the_page_quotes_lines_that_are_logged(texts: dict[str, set[str]]) -> None:
    assert rows("What the log says") <= texts["logged"]
