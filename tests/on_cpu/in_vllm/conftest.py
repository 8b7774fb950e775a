# SPDX-License-Identifier: Apache-2.0
"""The CPU process of a test module: a platform double first, then vLLM."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ready  # isort: skip  # before torch is there
import loading
import platform_double
import pytest
import torch
from contract.b12x_double import B12xMoEWrapperDouble
from ready import DOUBLE
from standin import forget_lazy_imports, real_wrapper

if not torch.cuda.is_available():
    # FlashInfer asks before it makes what has to outlive a graph.
    torch.cuda.is_current_stream_capturing = lambda: False

Become = Callable[[tuple[int, int]], None]


class Doubles(list[B12xMoEWrapperDouble]):
    """The wrappers that vLLM has made, oldest first, and their class."""

    wrapper: type[B12xMoEWrapperDouble]

    def __repr__(self) -> str:  # hypothesis prints its arguments
        return f"<{len(self)} doubles>"


@pytest.fixture(scope="session")
def worker() -> None:
    """vLLM's process-wide state, once, as on an SM120 device."""
    ready.load()
    platform_double.become(DOUBLE, (12, 0))
    loading.start()
    torch.set_num_threads(1)


@pytest.fixture
def become(worker: None) -> Iterator[Become]:
    """Change the device's capability until the test ends."""
    yield lambda capability: platform_double.become(DOUBLE, capability)
    platform_double.become(DOUBLE, (12, 0))


@pytest.fixture
def doubles(worker: None, monkeypatch: pytest.MonkeyPatch) -> Doubles:
    """Put the double in the place of B12xMoEWrapper; the list has those made."""
    made = Doubles()

    class Double(B12xMoEWrapperDouble):
        def __init__(self, *args: Any, device: str = "cuda", **kwargs: Any) -> None:
            super().__init__(*args, device="cpu", **kwargs)
            made.append(self)

    Double.__signature__ = inspect.signature(B12xMoEWrapperDouble)
    made.wrapper = Double
    replace_wrapper(monkeypatch, Double)
    return made


def replace_wrapper(monkeypatch: pytest.MonkeyPatch, wrapper: type) -> None:
    """Let every way by which vLLM reaches B12xMoEWrapper lead to ``wrapper``."""
    real_wrapper()
    monkeypatch.setattr("flashinfer.fused_moe.B12xMoEWrapper", wrapper)
    forget_lazy_imports()


@pytest.fixture
def table(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Hand a table to the outer session, which prints it at its end."""
    return lambda text: record_property("table", text)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Hand a row of figures to the report of that name, below that part of it."""

    def record(report: str, part: str, **row: Any) -> None:
        told = {"report": report, "part": part, "row": row}
        record_property("figures", json.dumps(told))

    return record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "model"
