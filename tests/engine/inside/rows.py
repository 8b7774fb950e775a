# SPDX-License-Identifier: Apache-2.0
"""What a process finds, as rows of JSON: one claim each, and whether it holds."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Rows(list[dict[str, Any]]):
    """Rows in the order in which they were found."""

    def add(self, step: str, expected: str, found: str, holds: bool) -> None:
        """One claim. ``holds`` is computed from what was seen, never given."""
        verdict = "holds" if holds else "fails"
        self._append(step, expected, found, verdict)

    def not_run(
        self, step: str, stopped: bool, by: Any, said: str, words: str = ""
    ) -> None:
        """What the CPU engine cannot do, with the line that stops it.

        Args:
            step: What was asked for.
            stopped: Whether it was stopped indeed; else the row fails, since the
                step can be run now.
            by: The function that stops it.
            said: Its words, or what it does.
            words: Text of the line in it; its first line if absent.
        """
        if stopped:
            self._append(step, "", f"not run: {line_of(by, words)}: {said}", "not run")
        else:
            self._append(step, "stopped", f"not stopped by {line_of(by)}", "fails")

    def _append(self, step: str, expected: str, found: str, verdict: str) -> None:
        row = {"step": step, "expected": expected, "found": found, "verdict": verdict}
        self.append(row)
        print(f"row {json.dumps(row)}", flush=True)


def line_of(function: Callable[..., Any], words: str = "") -> str:
    """Where it, or the words in it, stand, as ``vllm/...py:LINE``."""
    import vllm  # takes long, and the client has none

    root = Path(vllm.__file__).parent.parent
    function = inspect.unwrap(function)
    path = Path(inspect.getsourcefile(function) or "").relative_to(root)
    lines, first = inspect.getsourcelines(function)
    at = next(number for number, line in enumerate(lines) if words in line)
    return f"{path}:{first + at}"
