# SPDX-License-Identifier: Apache-2.0
"""Lines are plain and need no library; a bar is drawn on a terminal alone."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from scripts import ROOT

LINES = """
import sys
from scripts.base.console import bytes_progress, note, say
say("[b]result[/b] :smile: \\t" + "x" * 200)
note("progress")
with bytes_progress("file", 3) as bar:
    bar.advance(1)
    bar.restart()
    bar.advance(3)
assert not [name for name in sys.modules if name.startswith("rich")] or drawn
"""


def python(code: str, **more: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=ROOT, **more)  # type: ignore[call-overload]


def test_lines_are_as_they_were_given() -> None:
    pipe = subprocess.PIPE
    done = python(f"drawn = False{LINES}", stdout=pipe, stderr=pipe)
    out, err = done.communicate()
    assert out.decode() == "[b]result[/b] :smile: \t" + "x" * 200 + "\n"
    assert err == b"progress\nfile: 3 of 3 bytes to go\nfile: done\n"
    assert done.returncode == 0


def test_a_bar_is_drawn_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    done = python(
        f"drawn = True{LINES}",
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not block:
            break
        seen += block
    os.close(ours)
    assert done.wait() == 0, seen
    assert b"progress" in seen and b"3/3 bytes" in seen
    assert b"to go" not in seen


def test_a_reader_that_goes_is_no_error() -> None:
    code = "from scripts.base.console import say\nfor _ in range(9999): say('x' * 99)"
    done = python(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout is not None and done.stderr is not None
    done.stdout.read(9)
    done.stdout.close()
    assert done.stderr.read() == b""
    assert done.wait() == 1
    done.stderr.close()
