# SPDX-License-Identifier: Apache-2.0
"""Which of a page's options and variables this vLLM and FlashInfer do not take.

    python ways_out.py '{"lines": [[...]], "options": [...], "variables": [...]}'

``lines`` are arguments of ``vllm serve``, read by its own parser; nothing is served.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any


def refused(parser: Any, line: list[str]) -> str:
    """What the parser says against a line; empty if it takes it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser.parse_args(line)
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1]
    return ""


def main() -> None:
    """Print as JSON what is not taken."""
    from vllm import envs
    from vllm.entrypoints.common.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    asked = json.loads(sys.argv[1])
    parser = make_arg_parser(FlexibleArgumentParser())
    lines = {" ".join(line): refused(parser, line) for line in asked["lines"]}
    known = parser._option_string_actions
    spec = importlib.util.find_spec("flashinfer")
    assert spec is not None and spec.origin is not None
    code = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in Path(spec.origin).parent.rglob("*.py")
    )
    print(
        json.dumps(
            {
                "lines": {line: why for line, why in lines.items() if why},
                "options": [o for o in asked["options"] if o not in known],
                "variables": [
                    name
                    for name in asked["variables"]
                    if name not in envs.environment_variables
                    and f'"{name}"' not in code
                ],
            }
        )
    )


if __name__ == "__main__":
    main()
