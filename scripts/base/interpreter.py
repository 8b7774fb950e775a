# SPDX-License-Identifier: Apache-2.0
"""Another Python is asked: one line of JSON from what it is given to run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.base.errors import Unusable

_SECONDS = 60


def program(python: str, again: str) -> str:
    """Where that interpreter is.

    Args:
        python: Its path, or its name on PATH.
        again: What to run then, up to `PYTHON=`.

    Raises:
        Unusable: It is no executable file.
    """
    found = shutil.which(python)
    if found is None:
        raise Unusable(
            "the Python cannot be run",
            where=python,
            expected="an executable file, or a name on PATH",
            found="a folder" if Path(python).is_dir() else "none",
            next=f"{again} PYTHON=/path/to/venv/bin/python",
        )
    return found


def ask(
    python: str,
    *command: str,
    again: str,
    env: Mapping[str, str] | None = None,
    seconds: float = _SECONDS,
) -> Any:
    """What an interpreter prints as its last line, read as JSON.

    Args:
        python: Path or name of it.
        command: What follows it: `-c` with a text, or a file, and arguments.
        again: What to run then, up to `PYTHON=`.
        env: Its environment; this one's if absent.
        seconds: After which it is ended.

    Raises:
        Unusable: It cannot be run, fails, or says something else.
    """
    at = program(python, again)
    try:
        done = subprocess.run(
            [at, *command],
            env=dict(os.environ if env is None else env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as e:
        said = getattr(e, "stderr", None) or str(e)
        raise Unusable(
            "the Python does not say what it has",
            where=at,
            expected="a Python 3.11 or newer that starts",
            found=said.strip()[-1000:],
            next=f"{again} PYTHON=... with one that starts",
        ) from e
