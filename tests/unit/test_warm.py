# SPDX-License-Identifier: Apache-2.0
"""The warm interpreter of the tests; tests/on_cpu/test_warm_python.py has more."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from scripts import ROOT
from tests.unit.processes import alive, until
from tests.warm import warm

HELD = """
import sys, time
from scripts import ROOT
from tests.warm import warm
with warm(sys.executable, "import json", {}) as python:
    print(python, flush=True)
    time.sleep(300)
"""


def test_it_ends_with_the_tests_however_they_do() -> None:
    call = [sys.executable, "-c", HELD]
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout
        python = tests.stdout.readline().strip()
        session = [python, "-c", "import os; print(os.getsid(0))"]
        done = subprocess.run(session, capture_output=True, text=True, check=True)
        assert alive(int(done.stdout))
        tests.kill()
    assert until(lambda: not alive(int(done.stdout)), 30)
    shutil.rmtree(Path(python).parent)


def test_the_fork_ends_with_whoever_asked_for_it(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = f"import os, time; open({str(flag)!r}, 'w').write(str(os.getpid()))"
    with warm(sys.executable, "import json", {}) as python:
        call = [
            str(python),
            "-c",
            f"{code}; os.rename({str(flag)!r}, {str(flag)!r} + '2')",
        ]
        assert subprocess.run(call, check=True).returncode == 0
        flag.with_name("flag2").unlink()
        call[-1] += "; time.sleep(300)"
        with subprocess.Popen(call) as client:
            begun = flag.with_name("flag2")
            assert until(lambda: begun.exists() or client.poll() is not None, 30)
            assert begun.exists() and client.poll() is None
            pid = int(begun.read_text())
            assert alive(pid)
            client.kill()
        assert until(lambda: not alive(pid), 30)
