# SPDX-License-Identifier: Apache-2.0
"""A clone in miniature: these tools, the hand-made upstream's lock and series."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts import ROOT
from tests.unit.small import Small


@dataclass(frozen=True)
class Clone:
    """Runs verbs as `python -m scripts` does in a checkout."""

    root: Path
    upstream: Path
    """UPSTREAM_DIR."""

    def verb(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        given = {"UPSTREAM_DIR": str(self.upstream), "SM12X_OFFLINE": "1"} | env
        return subprocess.run(
            [sys.executable, "-m", "scripts", *args],
            cwd=self.root,
            env=os.environ | given,
            capture_output=True,
            text=True,
        )


def clone(small: Small, root: Path) -> Clone:
    """A clone at `root`, which is not there yet; `small` may change afterwards."""
    root.mkdir()
    # ROOT is the package's place, so the package is copied, not linked.
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=skip)
    shutil.copytree(ROOT / "records", root / "records")
    shutil.copytree(small.patches, root / "patches")
    shutil.copy(small.lock_path, root / "upstream.lock")
    return Clone(root, small.upstream_dir)
