# SPDX-License-Identifier: Apache-2.0
"""Upstream's ruff: its version, its settings, and only the patch's own faults."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.series.check import Rule, check, layout, style
from scripts.upstream import lock as lockfile
from scripts.upstream import sdist_contents
from tests.unit.series.check.planted import KERNEL, add, at, found, report
from tests.unit.small import Small, message
from tests.unit.small_files import SPDX


def test_lint_finding_is_shown_at_its_line(small: Small) -> None:
    add(small, {"vllm/new.py": f"{SPDX}import os\n\nx = 1\n"})
    (problem,) = report(small).problems
    where = at(small, 4, "+import os", Rule.RUFF)
    assert (problem.path, problem.line, problem.rule) == where
    assert problem.message.startswith("vllm/new.py:3: F401 ")


OLD = f"{SPDX}import os\nx   =   1\n\n\ndef first():\n    return 1\n"


def with_old(small: Small, text: str = OLD) -> None:
    """Let the last patch but the planted one leave faults, as upstream may."""
    add(small, {"vllm/old.py": text})


def test_what_was_there_before_is_not_the_patch_s(small: Small) -> None:
    with_old(small)
    before = found(small)
    assert {rule for _, _, rule in before} == {Rule.RUFF, Rule.FORMAT}
    small.edit(message("x: go on"), "vllm/old.py", "return 1", "return 2")
    # One line further down, and the findings with it.
    small.edit(message("x: move"), "vllm/old.py", "import os", "import os\n")
    small.export()
    assert [p for p in found(small) if "0004-" not in p[0]] == []
    assert before == [p for p in found(small) if "0004-" in p[0]]


def test_one_more_of_the_same_is_found(small: Small) -> None:
    with_old(small)
    small.edit(
        message("x: again"),
        "vllm/old.py",
        "    return 1\n",
        "    import os\n    return 1\n",
    )
    small.export()
    later = [p for p in found(small) if "0005-" in p[0]]
    assert at(small, 5, "+    import os", Rule.RUFF) in later


def test_format_of_new_lines_in_a_file_that_was_not_formatted(small: Small) -> None:
    with_old(small)
    small.edit(message("x: again"), "vllm/old.py", "return 1", "return  2")
    small.export()
    later = [p for p in found(small) if "0005-" in p[0]]
    assert later == [at(small, 5, "+    return  2", Rule.FORMAT)]


def test_format(small: Small) -> None:
    small.edit(message("x: y"), KERNEL, 'backend == "auto"', "backend == 'auto'")
    small.export()
    line = "+        return self.moe_backend == 'auto'"
    assert found(small) == [at(small, 4, line, Rule.FORMAT)]


def test_upstream_s_own_modules_are_first_party(small: Small) -> None:
    """Their imports stand apart from those of other packages, as upstream's do."""
    code = (
        f"{SPDX}import pytest\n\nfrom tests.config import test_kernel\n"
        "from vllm.config.kernel import KernelConfig\n\n"
        "print(pytest, test_kernel, KernelConfig)\n"
    )
    add(small, {"tests/config/test_new.py": code})
    assert found(small) == []
    mixed = code.replace("import pytest\n\n", "import pytest\n")
    add(small, {"tests/config/test_mixed.py": mixed})
    assert [rule for _, _, rule in found(small)] == [Rule.RUFF]


def test_modules_of_earlier_patches_are_first_party(small: Small) -> None:
    add(small, {"vllm/made.py": f"{SPDX}x = 1\n"})
    code = f"{SPDX}import pytest\n\nimport vllm.made as made\n\nprint(pytest, made)\n"
    add(small, {"tests/config/test_new.py": code})
    assert found(small) == []


def test_configuration_is_upstream_s(small: Small) -> None:
    """Rules that the small upstream does not select are not reported."""
    add(small, {"vllm/new.py": f"{SPDX}def f(a=1):\n    '''Doc.'''\n    return  a\n"})
    assert {rule for _, _, rule in found(small)} == {Rule.FORMAT}
    small.drop()
    small.edit(message("x: y"), "pyproject.toml", '"UP", ', '"UP", "D", ')
    add(small, {"vllm/new.py": f'{SPDX}def f(a=1):\n    """no stop"""\n    return a\n'})
    last = [p for p in report(small).problems if "0005-" in p.path]
    assert last and all(" D" in p.message for p in last)


def test_other_version_of_ruff(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = layout.pin
    monkeypatch.setattr(
        style, "pin", lambda text: replace(pinned(text), version="0.0.1")
    )
    (problem,) = report(small).problems
    rows = (
        (ROOT / "requirements/maintainer.txt").read_text(encoding="utf-8").splitlines()
    )
    assert problem.path == "requirements/maintainer.txt"
    assert rows[problem.line - 1].startswith("ruff==")
    assert "upstream pins ruff 0.0.1" in problem.message


@pytest.mark.parametrize(
    ("text", "version", "excluded"),
    [
        ("repos:\n- repo: https://h/ruff-pre-commit\n  rev: v0.14.0\n", "0.14.0", None),
        ("- repo: https://h/ruff-pre-commit\n  rev: 1.2.3\n", "1.2.3", None),
        (
            f"- repo: https://h/ruff-pre-commit\n  rev: {'0a' * 20} # v2.0.1\n",
            "2.0.1",
            None,
        ),
        ("exclude: 'vllm/third_party/.*|x/y.*'\nrepos: []\n", None, "x/y/z.py"),
    ],
)
def test_pin_of_ruff(text: str, version: str | None, excluded: str | None) -> None:
    pin = layout.pin(text)
    assert pin.version == version
    assert (pin.exclude is None) == (excluded is None)
    if pin.exclude and excluded:
        assert pin.exclude.search(excluded)
        assert not pin.exclude.search("vllm/config/kernel.py")


def test_paths_that_upstream_excludes(small: Small) -> None:
    hooks = ".pre-commit-config.yaml"
    small.edit(message("x: y"), hooks, "repos:\n", "exclude: 'vllm/third/.*'\nrepos:\n")
    add(small, {"vllm/third/x.py": f"{SPDX}import os\n"})
    # The pin is the released one, so the exclusion is not there yet.
    assert [rule for _, _, rule in found(small)] == [Rule.RUFF]


def test_ruff_that_cannot_run(small: Small) -> None:
    add(small, {"pyproject.toml": "[tool.ruff.lint]\nselect = 1\n"})
    add(small, {"vllm/new.py": f"{SPDX}x = 1\n"})
    with pytest.raises(Unusable, match="ruff cannot run"):
        report(small)


# The real upstream


@pytest.mark.upstream
def test_upstream_s_rules_on_the_real_source(small: Small, tmp_path: Path) -> None:
    """The pinned ruff, upstream's selection, and which folders are packages."""
    lock = lockfile.load()
    doc = '"""Doc.\n\n    Args:\n        b: B.\n    """'
    code = f"{SPDX}import os\n\n\ndef f(a):\n    {doc}\n"
    small.commit(
        message("test: plant"),
        {
            "vllm/config/planted.py": f"{SPDX}import os\n\nx = 1\n",
            "vllm/planted/module.py": f"{SPDX}x = 1\n",
            "tests/planted.py": code,
        },
    )
    small.export()
    last = small.names[-1]
    only = tmp_path / "patches"
    only.mkdir()
    name = f"0001{last[4:]}"
    (only / name).write_bytes((small.patches / last).read_bytes())
    (only / "series").write_text(f"{name}\n", encoding="utf-8")
    problems = check(lock, only, partial(sdist_contents.read, lock.sdist)).problems
    told = {p.message.split(": ")[0] + " " + p.message.split()[1] for p in problems}
    assert "vllm/config/planted.py:3 F401" in told
    assert "vllm/planted/module.py:1 INP001" in told
    assert "tests/planted.py:3 F401" in told
    assert not any("vllm/config/planted.py:1 INP001" in t for t in told)
    assert not any("D417" in t for t in told)  # upstream leaves it out of tests
