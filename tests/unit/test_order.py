# SPDX-License-Identifier: Apache-2.0
"""Two workers that share the files begin with the longest ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from scripts import ROOT

FAST = "def test_{}(): pass\n"
SLOW = "import pytest\n@pytest.mark.slow\n"
FILES = {
    "test_a.py": "".join(map(FAST.format, "abc")),
    "test_b.py": "".join(map(FAST.format, "abcd")),
    "test_c.py": SLOW + FAST.format("a") + FAST.format("b"),
    "test_d.py": SLOW + "@pytest.mark.timeout(1800)\n" + FAST.format("a"),
    "test_e.py": SLOW + "@pytest.mark.timeout(900)\n" + FAST.format("a"),
}


def test_slow_files_come_first(tmp_path: Path) -> None:
    """By xdist as the Makefile calls it; one worker, so that they come in turn."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import pytest_collection_modifyitems\n", encoding="utf-8"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n", encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r"^PARALLEL \?= (.*)$", makefile, re.MULTILINE)
    done = subprocess.run(
        [*(sys.executable, "-m", "pytest", "-v"), *options.split(), "-n1"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.findall(r"PASSED (test_\w)", done.stdout)
    assert list(dict.fromkeys(ran)) == [f"test_{name}" for name in "decba"]
    assert len(ran) == 11
