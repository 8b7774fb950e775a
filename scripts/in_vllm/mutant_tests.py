# SPDX-License-Identifier: Apache-2.0
"""Run the tests of mutants of vLLM, each mutant in a fork that has imported it all.

The first line on stdin says what to load, as JSON: {"tree": folder, "files": as in
warm_tests.py, "sources": [paths], "cover": folder with coverage.py or null}.

With `cover` every test runs once, and one line of JSON tells {"tests": {node id:
[outcome, seconds]}, "lines": {path: {line: [node ids]}}, "broken": files that could
not be collected, "spawned": node ids of tests that started another process, in which
nothing was measured}.

Else `ready` is said when the tests are collected. Each further line is a mutant,
{"path", "source", "tests": [node ids], "limit": seconds}: the functions that differ
get their mutated code in a fork, and the tests run there until one fails. The answer
is {"end": "killed" | "survived" | "timeout" | "cold", "by": node id}; `cold` is for a
mutant that changes what a module does when it is imported, and was not run.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import warm_tests

_OPTIMIZED = 0x1  # CO_OPTIMIZED: a function's code, not a class's or a module's


class Cold(Exception):
    """The mutant cannot be put into functions that exist."""


def pairs(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]]:
    """Functions that differ, outermost first.

    Raises:
        Cold: A class or the module itself differs.
    """
    inner_old = [c for c in old.co_consts if isinstance(c, CodeType)]
    inner_new = [c for c in new.co_consts if isinstance(c, CodeType)]
    if len(inner_old) != len(inner_new):
        raise Cold
    own_old = [c for c in old.co_consts if not isinstance(c, CodeType)]
    own_new = [c for c in new.co_consts if not isinstance(c, CodeType)]
    # Types too: 1 and True are equal.
    same = (
        old.co_code == new.co_code
        and old.co_names == new.co_names
        and repr(own_old) == repr(own_new)
    )
    found: list[tuple[CodeType, CodeType]] = []
    for each in zip(inner_old, inner_new, strict=True):
        found += pairs(*each)
    if old.co_flags & _OPTIMIZED:
        if found or not same:
            found.insert(0, (old, new))
    elif not same:
        raise Cold
    return found


class Functions:
    """The live functions of some files, as they are before any mutant."""

    def __init__(self, tree: str, sources: list[str]) -> None:
        self.files = {str(Path(tree, path)): path for path in sources}
        self.by_code: dict[tuple[str, str, int], list[FunctionType]] = {}
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__.co_filename in self.files:
                code = each.__code__
                self.by_code.setdefault(self._key(code), []).append(each)
            elif isinstance(each, functools._lru_cache_wrapper):
                inner = getattr(each, "__wrapped__", None)
                code = getattr(inner, "__code__", None)
                if code is not None and code.co_filename in self.files:
                    each.cache_clear()
        self.old: dict[str, CodeType] = {}
        for file in self.files:
            with suppress(FileNotFoundError):
                text = Path(file).read_text(encoding="utf-8")
                self.old[file] = compile(text, file, "exec", dont_inherit=True)

    def _key(self, code: CodeType) -> tuple[str, str, int]:
        return code.co_filename, code.co_qualname, code.co_firstlineno

    def put(self, file: str, source: str) -> None:
        """Give the functions of `file` the code that `source` has for them.

        Raises:
            Cold: It cannot be done.
        """
        new = compile(source, file, "exec", dont_inherit=True)
        done = 0
        for before, after in pairs(self.old[file], new):
            for function in self.by_code.get(self._key(before), ()):
                if before.co_freevars != after.co_freevars:
                    raise Cold
                function.__code__ = after
                done += 1
        if not done:
            raise Cold


class Loop:
    """A plugin whose test loop is the mutants'."""

    def __init__(self, asked: dict[str, Any], lines: Any, answer: Any) -> None:
        self.asked, self.lines, self.answer = asked, lines, answer

    def pytest_runtestloop(self, session: Any) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.functions = Functions(self.asked["tree"], self.asked["sources"])
        warm_tests.freeze()
        self.answer("ready")
        for line in self.lines:
            self.answer(json.dumps(self.one(json.loads(line))))
        return True

    def one(self, mutant: dict[str, Any]) -> dict[str, str]:
        """Fork for a mutant and wait for it."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            warm_tests.apart()
            os.close(reader)
            try:
                told = self.inside(mutant)
            except BaseException as e:
                # Whatever the mutant broke so far that no report was made.
                told = {"end": "killed", "by": f"{type(e).__name__}: {e}"[:200]}
            os.write(writer, json.dumps(told).encode())
            os._exit(0)
        os.close(writer)
        _, late = warm_tests.ended(pid, mutant["limit"], 0.005)
        with os.fdopen(reader, "rb") as pipe:
            told = pipe.read()
        if late:
            return {"end": "timeout", "by": ""}
        return json.loads(told) if told else {"end": "killed", "by": "the process died"}

    def inside(self, mutant: dict[str, Any]) -> dict[str, str]:
        """Run the tests in the fork until one fails."""
        from _pytest.runner import runtestprotocol

        file = str(Path(self.asked["tree"], mutant["path"]))
        try:
            self.functions.put(file, mutant["source"])
        except Cold:
            return {"end": "cold", "by": ""}
        items = [self.items[name] for name in mutant["tests"] if name in self.items]
        for item, following in zip(items, [*items[1:], None], strict=True):
            reports = runtestprotocol(item, nextitem=following, log=False)
            if any(report.failed for report in reports):
                return {"end": "killed", "by": item.nodeid}
        return {"end": "survived", "by": ""}


class Cover(warm_tests.Recorder):
    """A plugin that says which test is running, and how long each took."""

    def __init__(self, files: dict[str, list[str] | None], measure: Any) -> None:
        super().__init__(files)
        self.measure = measure
        self.seconds: dict[str, float] = {}
        self.now = ""
        self.spawned: set[str] = set()
        sys.addaudithook(self.heard)

    def heard(self, event: str, _: Any) -> None:
        """Python tells of each process that is started."""
        if event in ("subprocess.Popen", "os.fork", "os.posix_spawn") and self.now:
            self.spawned.add(self.now)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.now = nodeid
        self.measure.switch_context(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.now = ""
        self.measure.switch_context("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        super().pytest_runtest_logreport(report)
        spent = self.seconds.get(report.nodeid, 0.0) + report.duration
        self.seconds[report.nodeid] = spent


def covered(asked: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
    """Run every test once, and say which lines each runs."""
    import pytest

    sys.path.append(asked["cover"])
    import coverage

    files = [str(Path(asked["tree"], path)) for path in asked["sources"]]
    measure = coverage.Coverage(data_file=None, config_file=False, include=files)
    measure.start()
    plugin = Cover(asked["files"], measure)
    pytest.main(arguments, plugins=[plugin, warm_tests.Frozen()])
    measure.stop()
    data = measure.get_data()
    lines = {
        path: {
            str(line): sorted(set(contexts) - {""})
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        for path, file in zip(asked["sources"], files, strict=True)
    }
    tests = {n: [o, plugin.seconds[n]] for n, o in plugin.tests.items()}
    told = {"tests": tests, "broken": plugin.broken, "lines": lines}
    return told | {"spawned": sorted(plugin.spawned)}


def main() -> None:
    """Load what the first line says, and answer."""
    here = str(Path(__file__).parent)
    sys.path[:] = [p for p in sys.path if p not in ("", here)]
    lines = os.fdopen(os.dup(0), encoding="utf-8")
    speak = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)

    def answer(text: str) -> None:
        speak.write(text + "\n")
        speak.flush()

    asked = json.loads(lines.readline())
    os.chdir(asked["tree"])
    sys.path.insert(0, asked["tree"])
    arguments = ["-q", "--tb=no", "-p", "no:cacheprovider", *asked["files"]]
    if asked["cover"]:
        answer(json.dumps(covered(asked, arguments)))
        return
    import pytest

    warm_tests.stoppable()
    wanted = warm_tests.Recorder(asked["files"])
    pytest.main(arguments, plugins=[wanted, Loop(asked, lines, answer)])


if __name__ == "__main__":
    main()
