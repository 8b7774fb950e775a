# SPDX-License-Identifier: Apache-2.0
"""The modules of tests/on_cpu/in_vllm, each in a CPU process beside FlashInfer.

They import the patched vLLM, so they cannot run in this interpreter. One process a
module, since the platform double and vLLM's caches are a process's own; each is a fork
of one that has imported vLLM, which took most of a module's time. Each of their tests
is a subtest here. `SM12X_TREE=path` gives another tree than the patched one.
To run one alone, from tests/on_cpu/in_vllm, as for any pytest:
`PYTHONPATH=../../../build/vllm .../python -m pytest test_numbers.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.upstream.environments import flashinfer_python
from tests.on_cpu import readme_table
from tests.on_cpu.conftest import SETTINGS
from tests.on_cpu.junit import Case, Outcome, read

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]

HERE = Path(__file__).parent / "in_vllm"
INSIDE = HERE.parent / "inside" / "forks.py"
MODULES = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("test_*.py"))


@pytest.fixture(scope="module")
def tree(request: pytest.FixtureRequest) -> Path:
    """The vLLM that is tested."""
    if given := os.environ.get("SM12X_TREE"):
        return Path(given).resolve(strict=True)
    return request.getfixturevalue("patched_tree")


class Forks:
    """Sessions of pytest, each in a fork of a process that has imported vLLM."""

    def __init__(self, python: Path, tree: Path, folder: Path) -> None:
        self.folder = folder
        with (folder / "start.log").open("wb") as log:
            self.process = subprocess.Popen(
                [python, INSIDE],
                cwd=HERE,
                env=os.environ | SETTINGS | {"PYTHONPATH": str(tree)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """One session's exit status, and what it said."""
        said = self.folder / "said.log"
        job = {"arguments": arguments, "environment": environment, "said": str(said)}
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, (self.folder / "start.log").read_text("utf-8", "replace")[-4000:]
        code = os.waitstatus_to_exitcode(int(answer))
        return code, said.read_text("utf-8", "replace")[-4000:]

    def end(self) -> None:
        """With whatever is under way."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(scope="module")
def forks(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    found = Forks(flashinfer_python(), tree, tmp_path_factory.mktemp("forks"))
    yield found
    found.end()


def session(forks: Forks, module: Path, tmp_path: Path) -> list[Case]:
    """Run one module, and say how each of its tests ended.

    Raises:
        AssertionError: No test was collected, none passed, or the session's exit
            status says something else than its tests.
    """
    xml = tmp_path / "results.xml"
    code, said = forks.run(
        *("-q", "-c", str(HERE / "pytest.ini"), f"--rootdir={HERE}"),
        *(f"--junitxml={xml}", str(module)),
        HYPOTHESIS_STORAGE_DIRECTORY=str(tmp_path / "hypothesis"),
    )
    try:
        cases = read(xml)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{said}") from None
    bad = any(c.outcome in (Outcome.FAILED, Outcome.ERROR) for c in cases)
    assert code == int(bad) or bad, said
    assert bad or any(c.outcome is Outcome.PASSED for c in cases), said
    return cases


@pytest.mark.parametrize("module", MODULES)
def test_module(
    module: str,
    forks: Forks,
    tmp_path: Path,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    cases = session(forks, HERE / module, tmp_path)
    if "SM12X_TREE" not in os.environ:
        with subtests.test("README"):
            assert readme_table.wrong(f for c in cases for f in c.figures) == []
    for case in cases:
        for table in case.tables:
            record_property("table", table)
        # The page shows the pinned tree's figures, not those of another.
        for figures in case.figures if "SM12X_TREE" not in os.environ else ():
            record_property("figures", figures)
        with subtests.test(case.name):
            if case.outcome is Outcome.SKIPPED:
                pytest.skip(case.text)
            if case.outcome is not Outcome.PASSED:
                pytest.fail(case.text, pytrace=False)


def test_there_are_modules() -> None:
    assert len(MODULES) > 5


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("def test_a(): assert 1 == 2", "assert 1 == 2"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
    ids=["failure", "import"],
)
def test_a_failure_shows_its_text(
    body: str, found: str, forks: Forks, tmp_path: Path
) -> None:
    module = tmp_path / "test_planted.py"
    module.write_text(body, encoding="utf-8")
    (case,) = session(forks, module, tmp_path)
    assert case.outcome in (Outcome.FAILED, Outcome.ERROR)
    assert found in case.text


@pytest.mark.parametrize(
    "body",
    ["", "import pytest\ndef test_a(): pytest.skip('all')", "import os; os._exit(0)"],
    ids=["empty", "all skipped", "dies"],
)
def test_a_module_without_results_is_refused(
    body: str, forks: Forks, tmp_path: Path
) -> None:
    module = tmp_path / "test_planted.py"
    module.write_text(body, encoding="utf-8")
    with pytest.raises(AssertionError):
        session(forks, module, tmp_path)


def test_a_module_finds_nothing_of_another(forks: Forks, tmp_path: Path) -> None:
    module = tmp_path / "test_planted.py"
    body = "import ready\ndef test_a():\n assert not hasattr(ready, 'x')\n ready.x = 1"
    module.write_text(body, encoding="utf-8")
    for _ in range(2):
        (case,) = session(forks, module, tmp_path)
        assert case.outcome is Outcome.PASSED, case.text
