# SPDX-License-Identifier: Apache-2.0
"""An interpreter that has imported already what takes long; each call is a fork."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

INSIDE = Path(__file__).parent / "inside"


@contextmanager
def warm(python: str | Path, code: str, settings: Mapping[str, str]) -> Iterator[Path]:
    """A program that runs scripts as `python` does.

    Args:
        python: The interpreter.
        code: Imports what takes long.
        settings: More of the environment that it is run in.
    """
    with TemporaryDirectory(prefix="sm12x-warm-") as name:
        at, program = Path(name, "socket"), Path(name, "python")
        client = [sys.executable, "-I", "-S", INSIDE / "warm_client.py", at]
        words = shlex.join(map(str, client))
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        server = subprocess.Popen(
            [python, INSIDE / "warm_python.py", at, code],
            env=os.environ | settings | {"PYTHONPATH": ""},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        while not at.exists():
            assert server.poll() is None, server.returncode
            time.sleep(0.01)
        try:
            yield program
        finally:
            server.communicate()
