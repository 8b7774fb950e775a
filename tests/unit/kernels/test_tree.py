# SPDX-License-Identifier: Apache-2.0
"""Whose tree the kernels are of: the lock's, whatever stands in build/vllm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.checkout import Checkout
from scripts.cli import kernels as verbs
from scripts.kernels import sweep, versions
from scripts.series.apply import Wanted, apply
from scripts.upstream import environments
from tests.unit.small import Small

KERNEL = "vllm/config/kernel.py"


class Reached(Exception):
    """Thrown where a sweep would begin."""


def kernels() -> None:
    verbs.kernels_verb()


def kernel_cache() -> None:
    verbs.kernel_cache_verb("sm_120a", "/site", None, None, None, None)


@pytest.mark.parametrize("verb", [kernels, kernel_cache])
@pytest.mark.parametrize("bench", ["edited", "none"])
def test_it_is_the_series_that_is_compiled(
    verb: Callable[[], None],
    bench: str,
    small: Small,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    at = Checkout(small.root)
    if bench == "edited":
        apply(Wanted(at))
        (at.build / "vllm" / KERNEL).write_text("mine = 1\n", encoding="utf-8")
    trees: list[Path] = []

    def begin(_: Any, tree: Path, *args: Any, **more: Any) -> None:
        trees.append(tree)
        raise Reached

    monkeypatch.setattr(verbs, "Checkout", lambda: at)
    monkeypatch.setattr(environments, "flashinfer_python", lambda: Path("python"))
    monkeypatch.setattr(versions, "environment", lambda *_: None)
    monkeypatch.setattr(sweep, "Inputs", begin)
    with pytest.raises(Reached):
        verb()
    (tree,) = trees
    assert (tree / KERNEL).read_bytes() == (small.repo / KERNEL).read_bytes()
    if bench == "edited":
        mine = (at.build / "vllm" / KERNEL).read_text(encoding="utf-8")
        assert mine == "mine = 1\n"
