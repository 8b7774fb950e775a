# SPDX-License-Identifier: Apache-2.0
"""Another FlashInfer is swept by the backends' names: automatic choice may leave it."""

from __future__ import annotations

import importlib.util
import io
import sys
from typing import Any

import pytest

from scripts import IN_VLLM


@pytest.mark.parametrize(
    ("by_name", "method", "asked", "backend"),
    [
        (False, "NVFP4", "auto", "auto"),
        (True, "NVFP4", "auto", "flashinfer_cutedsl_sm12x"),
        (True, "W4A16_NVFP4", "auto", "b12x"),
        (True, "NVFP4", "flashinfer_b12x", "flashinfer_b12x"),
    ],
)
def test_what_a_case_is_asked_of(
    by_name: bool,
    method: str,
    asked: str,
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(IN_VLLM))
    spec = importlib.util.spec_from_file_location(
        "kernel_sweep_here", IN_VLLM / "kernel_sweep.py"
    )
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in [n for n in sys.modules if n.startswith("kernel_")]:
        monkeypatch.delitem(sys.modules, name)
    sweep = module.Sweep({"share": [0, 1], "by-name": by_name}, io.StringIO())
    assert sweep.backend({"method": method, "backend": asked}) == backend
