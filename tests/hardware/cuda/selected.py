# SPDX-License-Identifier: Apache-2.0
"""What both trees select by themselves on the device that is really there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
_START = """
import runpy, sys
sys.path[:0] = [{here!r}, {inside!r}]
import device
device.stand_in()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def rows(folder: Path, trees: dict[str, Path]) -> list[list[Any]]:
    """The backend for each type of layer, by the patched tree and by upstream's."""
    major, minor = torch.cuda.get_device_capability()
    capability = f"{major}.{minor}"
    kinds = [(a, b) for a in ("MoE", "linear") for b in ("W4A4", "W4A16")]
    cases = [[*kind, capability, "auto", "plain", "all"] for kind in kinds]
    answers = [_ask(folder, name, tree, cases) for name, tree in trees.items()]
    return [
        [f"selected at {capability}, {layer} {scheme}", *each, "backend"]
        for (layer, scheme), *each in zip(kinds, *answers, strict=True)
    ]


def _ask(folder: Path, name: str, tree: Path, cases: list[list[str]]) -> list[str]:
    inside = ROOT / "scripts" / "in_vllm"
    asked, told = folder / f"{name}-cases.json", folder / f"{name}-answers.json"
    asked.write_text(json.dumps(cases), encoding="utf-8")
    world = json.dumps({"hide": [], "paths": [], "real": True})
    start = _START.format(here=str(HERE), inside=str(inside))
    path = os.pathsep.join(filter(None, (str(tree), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [
            *(sys.executable, "-c", start, str(inside / "ask_selection.py")),
            *(world, str(asked), str(told)),
        ],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} was not asked: {done.stderr.strip()[-1500:]}")
    return [answer for answer, _ in json.loads(told.read_text(encoding="utf-8"))]
