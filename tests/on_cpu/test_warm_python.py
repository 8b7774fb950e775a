# SPDX-License-Identifier: Apache-2.0
"""The warm interpreter is one: what a script sees of it, and what is seen of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.upstream.environments import flashinfer_python
from tests.on_cpu.conftest import runner

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(900)]

LOOK = """
import json, os, sys
def look():
    keep = ("PYTHONPATH", "GIVEN", "CUDA_HOME")
    import torch.utils.cpp_extension as extension
    ours = [name for name in sys.modules if name.partition(".")[0] in UNSEEN]
    return [sys.argv, os.getcwd(), sys.path, sys.executable, sys.prefix, ours,
            __name__, {name: os.environ.get(name) for name in keep},
            sys.flags.dont_write_bytecode, extension.CUDA_HOME]
UNSEEN = ("vllm", "flashinfer", "b12x", "cutlass", "warm_tests", "warm_python")
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("print(json.dumps(look()))", 0),
        ("print(json.dumps(look()), file=sys.stderr); sys.exit(7)", 7),
        ("sys.exit('words')", 1),
        ("raise KeyError('planted')", 1),
    ],
)
def test_it_is_as_one_that_is_started(
    end: str, code: int, warm_python: Path, tmp_path: Path
) -> None:
    script = tmp_path / "below" / "look.py"
    script.parent.mkdir()
    script.write_text(LOOK + end, encoding="utf-8")
    (tmp_path / "cuda").mkdir()
    calls = [str(script), "a", "b c"], ["-c", LOOK + end, ""], ["-m", "below.look", "a"]
    for call in calls:
        warm, new = (
            runner(python)(
                *call,
                cwd=tmp_path,
                PYTHONPATH=str(tmp_path / "ahead"),
                GIVEN="ü",
                CUDA_HOME=str(tmp_path / "cuda"),
            )
            for python in (warm_python, flashinfer_python())
        )
        assert warm.returncode == new.returncode == code
        assert warm.stdout == new.stdout
        if "Traceback" in new.stderr:
            assert warm.stderr.splitlines()[-1] == new.stderr.splitlines()[-1]
        else:
            assert warm.stderr == new.stderr


def test_one_that_dies_says_so_and_the_next_is_none_the_worse(
    warm_python: Path, tmp_path: Path
) -> None:
    run = runner(warm_python)
    dies = run(
        "-c", "import os; os.environ['X'] = '1'; os.kill(os.getpid(), 9)", cwd=tmp_path
    )
    assert dies.returncode == 128 + 9
    after = run(
        "-c", "import os, json; print(json.dumps(os.environ.get('X')))", cwd=tmp_path
    )
    assert json.loads(after.stdout) is None
