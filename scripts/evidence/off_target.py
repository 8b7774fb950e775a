# SPDX-License-Identifier: Apache-2.0
"""Off SM12x nothing changes: upstream's own tests, imports and selections.

`upstream_tests.toml` lists the tests of upstream's that are run on both
trees. Those it could list are all files that import a module which the series
touches; the rest of them is counted, not passed over in silence.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.evidence.names import is_code
from scripts.evidence.session import Job, run
from scripts.evidence.stand import Stand
from scripts.evidence.warm import SETTINGS, place
from scripts.upstream.cache import cache_dir
from scripts.upstream.environments import cpu_python, location

LIST = Path(__file__).with_name("upstream_tests.toml")
SWITCH, TRIAL = "vllm.utils.sm12x", "vllm.utils.cutedsl"
DISPATCH = "vllm.model_executor.layers.fused_moe.flashinfer_cutedsl_sm12x_dispatch"
IMPORTS = {
    "vllm": frozenset[str](),
    "vllm.engine.arg_utils": frozenset[str](),
    "vllm.model_executor.kernels.linear": frozenset({SWITCH, TRIAL}),
    "vllm.model_executor.layers.fused_moe.oracle.nvfp4": frozenset(
        {SWITCH, TRIAL, DISPATCH}
    ),
}
"""What is imported, and what the series may add to what that imports.

They are small, and import nothing themselves that was not imported without them:
tests/on_cpu/test_selection.py.
"""


@dataclass(frozen=True)
class Theirs:
    """Upstream's tests on both trees."""

    files: tuple[str, ...]
    not_run: tuple[str, ...]
    """Other files of theirs that import a touched module."""
    counts: Mapping[str, int]
    """Outcome to the number of tests, without the series."""
    changed: Mapping[str, tuple[str, str]]
    """Tests that end otherwise with it, or are gone: how without, how with."""


def listed(path: Path = LIST) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files to run, and tests of theirs to leave out."""
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(told["run"]), tuple(each["test"] for each in told["left_out"])


def candidates(tree: Path, stand: Stand) -> list[str]:
    """Upstream's test files that import a module which the series touches.

    `vllm.envs`, `vllm.config.kernel` and `vllm.engine.arg_utils` do not count here:
    nearly every test imports them, and the series only adds to them.
    """
    everywhere = {"vllm.envs", "vllm.config.kernel", "vllm.engine.arg_utils"}
    modules = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path, entry in stand.base.items()
        if entry is not None and is_code(path) and path.endswith(".py")
    } - everywhere
    return [
        path.relative_to(tree).as_posix()
        for path in sorted((tree / "tests").rglob("*.py"))
        if re.fullmatch(r"test_.*|.*_test", path.stem)
        and modules & imports_of(path.read_text(encoding="utf-8"))
    ]


def imports_of(source: str) -> set[str]:
    """Modules, and names in them, that a file imports or names as text.

    >>> sorted(imports_of("from a import b\\npatch('vllm.c.d')"))
    ['a', 'a.b', 'vllm.c', 'vllm.c.d']
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {each.name for each in names}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found |= {module, *(f"{module}.{each.name}" for each in names)}
            case ast.Constant(value=str(text)) if text.startswith("vllm."):
                # What a test patches, with the names below the module.
                parts = text.split(".")
                found |= {".".join(parts[:n]) for n in range(2, len(parts) + 1)}
    return found


def upstream_tests(stand: Stand, processes: int = 2, path: Path = LIST) -> Theirs:
    """Run upstream's tests on both trees.

    Raises:
        Finding: A file that is listed is not there, or too few tests pass for the
            comparison to mean anything.
    """
    files, left_out = listed(path)
    arguments = tuple(f"--deselect={test}" for test in left_out)
    wanted = tuple((file, None) for file in sorted(files))
    base = stand.tree({})
    after = stand.tree(stand.last)
    jobs = [
        Job("upstream's tests without the series", base, wanted, arguments),
        Job("upstream's tests with it", after, wanted, arguments),
    ]
    without, with_ = run(jobs, stand.git, stand.home, processes)
    folder = stand.home / "tree-upstream"
    place(stand.git, folder, base)
    missing = [file for file in files if not (folder / file).is_file()]
    counts = Counter(without.tests.values())
    if missing or counts["passed"] * 2 <= sum(counts.values()):
        raise Finding(
            "upstream's tests cannot be compared",
            where=path.name,
            expected="files that are there, most of whose tests pass",
            found="\n".join([*missing, f"{dict(counts)}"]),
        )
    # The series may add cases: of those nothing is said.
    changed = {
        node: (outcome, with_.tests.get(node, "gone"))
        for node, outcome in without.tests.items()
        if with_.tests.get(node, "gone") != outcome
    }
    changed |= dict.fromkeys(
        with_.broken.keys() - without.broken, ("collected", "broken")
    )
    not_run = sorted(set(candidates(folder, stand)) - set(files))
    return Theirs(tuple(files), tuple(not_run), dict(counts), changed)


_PRINT = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(m for m in sys.modules if m.partition(".")[0] == "vllm")))
"""


def imported(folder: Path, tree: str, module: str) -> set[str]:
    """Modules of vLLM that importing `module` imports, on a CPU.

    Args:
        folder: The work tree.
        tree: git's id of it, under which the answer is kept.
        module: Dotted.

    Raises:
        Finding: It cannot be imported.
    """
    key = sha256(repr((tree, module, location().name, _PRINT)).encode()).hexdigest()
    path = cache_dir() / "evidence" / "imports" / f"{key}.json"
    if not path.exists():
        done = subprocess.run(
            [cpu_python(), "-c", _PRINT, module],
            cwd=folder,
            env=os.environ | SETTINGS | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Finding(
                f"{module} cannot be imported",
                where=str(folder),
                found=done.stderr[-1500:],
            )
        write(path, done.stdout.splitlines()[-1].encode())
    return set(json.loads(path.read_bytes()))


def import_changes(stand: Stand) -> list[str]:
    """Modules that an import brings or loses with the series, and may not."""
    base, after = stand.tree({}), stand.tree(stand.last)
    found: dict[tuple[str, str], set[str]] = {}
    for name, tree in (("upstream", base), ("series", after)):
        folder = stand.home / f"tree-{name}"
        place(stand.git, folder, tree)
        for module in IMPORTS:
            found[name, module] = imported(folder, tree, module)
    return [
        f"importing {module}: {each}"
        for module, more in IMPORTS.items()
        for each in sorted((found["series", module] ^ found["upstream", module]) - more)
    ]
