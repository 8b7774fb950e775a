# SPDX-License-Identifier: Apache-2.0
"""Modules of the doctor that import nothing beside themselves, in vLLM's process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]


def _module(path: str) -> ModuleType:
    name = f"doctor_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


workspace = _module("scripts/kernels/workspace.py")
