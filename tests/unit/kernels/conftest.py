# SPDX-License-Identifier: Apache-2.0
"""Small sweeps of the real patched vLLM, with and without a planted fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts import IN_VLLM
from scripts.kernels import cubin, report, shapes, sweep
from scripts.kernels.report import Report
from scripts.kernels.sweep import Event, Inputs
from scripts.kernels.versions import environment
from scripts.upstream import lock
from scripts.upstream.environments import flashinfer_python
from tests.on_cpu.conftest import checkout, patched_tree

__all__ = ["checkout", "patched_tree"]

# Each number of tokens up to 5 is a micro kernel, one tile of each other kind.
SMALL = shapes.Model(
    name="small", experts=16, top_k=8, hidden=256, intermediate=640,
    activation="silu", tensor_parallel=(1,), max_tokens=(136,), tiles=(),
    columns=(), rows=(), w4a16=False,
)  # fmt: skip
# One number of tokens, whose 41 rows are too many for a micro kernel.
STATIC = replace(SMALL, name="one", experts=64, top_k=41, max_tokens=(1,))
BOTH = {"sm_120a": 188, "sm_121a": 48}
ONE = {"sm_121a": 48}

_ENTRY = """
import sys
sys.path.insert(0, {inside!r})
import kernel_calls, kernel_fork, kernel_key, kernel_record, kernel_sweep

{before}

start = kernel_calls.start
def planted(*args):
    start(*args)
{after}
kernel_calls.start = planted
kernel_sweep.main()
"""


@dataclass(frozen=True)
class Swept:
    inputs: Inputs
    events: Mapping[str, list[Event]]
    report: Report

    def of(self, word: str, arch: str = "sm_121a") -> report.Kernel:
        """The only kernel whose label has the word."""
        (found,) = (
            kernel
            for name, kernel in self.report.kernels.items()
            if name.startswith(arch) and f" {word}" in name
        )
        return found


Sweeper = Callable[..., Swept]


@pytest.fixture(scope="session")
def sweeper(patched_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweeper:
    """Sweep a model into a store of its own.

    `after` is Python that runs when vLLM and FlashInfer are imported, `before` when
    they are not; both are the planted fault.
    """
    python = flashinfer_python()
    beside = environment(python, lock.load().companions)

    def run(
        model: shapes.Model,
        archs: Mapping[str, int],
        after: str = "",
        before: str = "",
        **limits: float,
    ) -> Swept:
        store = tmp_path_factory.mktemp("kernels")
        entry = sweep.ENTRY
        if before or after:
            body = "".join(f"    {line}\n" for line in (after or "pass").splitlines())
            entry = store / "planted.py"
            text = _ENTRY.format(
                inside=str(IN_VLLM), before=before, after=body or "    pass\n"
            )
            entry.write_text(text, encoding="utf-8")
        inputs = Inputs(
            beside,
            patched_tree,
            shapes.Shapes(dict(archs), (model,)),
            sweep.Limits(**limits) if limits else sweep.Limits(),
            entry=entry,
            store=store,
        )
        return look(inputs)

    return run


def look(inputs: Inputs) -> Swept:
    events = sweep.run(inputs)
    tools = cubin.Tools.of(inputs.environment.python)
    return Swept(inputs, events, report.build(inputs, events, tools))
