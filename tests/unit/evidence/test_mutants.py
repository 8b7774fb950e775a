# SPDX-License-Identifier: Apache-2.0
"""Mutants: which there are, whose lines they are of, how they end, what is kept."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.evidence import line_owners, mutants, record
from scripts.evidence.ground import Ground, ground_of
from scripts.evidence.mutate import Mutant
from scripts.evidence.mutate import mutants as mutate
from scripts.evidence.stand import Stand
from tests.unit.evidence.test_ablation import APART, bytecode, patch, stand
from tests.unit.small import message

__all__ = ["bytecode", "stand"]

HELD = patch(
    "held",
    "LIMIT = 3\n\n\n"
    "def held(x, y=2):\n"
    "    if x > LIMIT and y:\n"
    "        return x - y\n"
    "    return abs(x)\n",
    "from vllm.utils.held import held\n\n\n"
    "def test_held():\n"
    "    assert [held(n) for n in range(-1, 6)] == [1, 0, 1, 2, 3, 2, 3]\n"
    "    assert held(9, 0) == 9\n",
)


def found(source: str) -> list[tuple[str, str]]:
    """Operator and mutated file of every mutant of `source`."""
    owned = ["0001"] * len(source.split("\n"))
    made = mutate("m.py", source, owned)
    for each in made:
        ast.parse(each.source)
    assert len({each.key for each in made}) == len(made)
    return [(each.what, each.source) for each in made]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", [("compare LtE", "x = (a <= b)")]),
        ("x = a and b", [("boolean Or", "x = (a or b)")]),
        ("x = a + b", [("arithmetic Sub", "x = (a - b)")]),
        ("x = not a", [("unary dropped", "x = (a)")]),
        ("x = True", [("constant False", "x = False")]),
        ("x = 7", [("constant + 1", "x = (8)")]),
        ("f(a, b)", [("statement dropped", "pass"), ("arguments swapped", "f(b, a)")]),
        ("x = f(a=b)", [("without a=", "x = f()")]),
        ("a.b = c", [("statement dropped", "pass")]),
        ("if a:\n    b", [("condition negated", "if (not (a)):\n    b")]),
        ("@a\ndef f(): ...", [("decorator dropped", "\ndef f(): ...")]),
        ("def f():\n    return a", [("return None", "def f():\n    return None")]),
        ("x = max(a, b)", []),
        ("x = f(a, a)", []),
        (
            "def f():\n    return False",
            [("constant True", "def f():\n    return True")],
        ),
        (
            "def f():\n    return 0",
            [
                ("return None", "def f():\n    return None"),
                ("constant + 1", "def f():\n    return (1)"),
            ],
        ),
        ("if a == b:\n    c", [("compare NotEq", "if (a != b):\n    c")]),
        ("ä = 'ß'; x = 7", [("constant + 1", "ä = 'ß'; x = (8)")]),
    ],
)
def test_an_operator(source: str, expected: list[tuple[str, str]]) -> None:
    assert found(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""',
        "logger.info('a %s', b + 1)",
        "def f(a: int = None) -> list[3]: ...",
        "x: Literal[1, 2]",
        "x = f'{a + 1}'",
        "def f():\n    return None",
        "if TYPE_CHECKING:\n    import a",
    ],
)
def test_what_only_speaks_is_left_alone(source: str) -> None:
    assert found(source) == []


def test_a_key_stays_when_its_line_moves() -> None:
    source = "x = 7\ny = 7\nx = 7\n"
    first, *_ = mutate("m.py", source, [None, None, "0001", None])
    (moved,) = mutate("m.py", f"\n\n{source}", [*[None] * 4, "0001", None])
    assert (first.key, first.line) == (moved.key, moved.line - 2)


def test_lines_are_their_patchs(stand: Callable[..., Stand]) -> None:
    _, files = HELD
    more = files["vllm/utils/held.py"].replace("LIMIT = 3", "# Three.\nLIMIT = 2 + 1")
    made = stand(HELD, (message("a: b"), {"vllm/utils/held.py": more}))
    owned = line_owners.owners(made.base, made.steps)
    assert set(owned) == {"vllm/utils/held.py"}
    expected = [*["0001"] * 2, *["0002"] * 2, *["0001"] * 6]
    assert owned["vllm/utils/held.py"] == expected
    last = made.state(2)
    assert line_owners.digest("0001", owned, last) != line_owners.digest(
        "0002", owned, last
    )


def test_mutants_end_as_their_tests_say(
    stand: Callable[..., Stand], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text, files = APART
    # Of 1 every power is 1.
    loose = {k: v.replace("x / 2", "pow(x / 2, 1)") for k, v in files.items()}
    made = stand(HELD, (text, loose))
    ground = ground_of(made)
    wanted = mutants.all_mutants(made)
    ended = {
        f"{e.mutant.what} {e.mutant.text} {e.mutant.nth}": e
        for e in judge(ground, wanted)
    }
    assert len(ended) == len(wanted) == 13
    alive = {name for name, each in ended.items() if not each.killed}
    alike = "arguments swapped return pow(x / 2, 1) 0"
    assert alive == {alike, "constant + 1 return pow(x / 2, 1) 1"}
    # The module's own statement was run on a tree of its own, the rest in forks.
    said = capsys.readouterr().err
    assert "13 of 13 mutants" in said and "LIMIT" not in said
    assert ended["constant + 1 LIMIT = 3 0"].killed
    assert "2 of 2 sessions" in said
    judge(ground, wanted)
    assert "mutants to run" not in capsys.readouterr().err

    told = record.measured(made, ended.values(), {})
    assert {each["key"] for each in told["0002"].survivors} == {
        ended[name].mutant.key for name in alive
    }
    argued = {ended[alike].mutant.key: "No test asks for another number."}
    told = record.measured(made, ended.values(), argued)
    counts = told["0002"]
    assert (counts.killed, counts.total, counts.equivalent) == (3, 4, 1)
    assert told["0001"].killed == told["0001"].total == 8
    assert record.unused(list(ended.values()), {**argued, "gone": "x"}) == ["gone"]
    path = tmp_path / "mutants.json"
    record.save(told, path)
    assert record.load(path) == told == record.current(made, path)
    other = stand(HELD, APART)
    assert set(record.current(other, path)) == {"0001"}


def test_a_process_of_a_test_runs_the_mutant_too(stand: Callable[..., Stand]) -> None:
    """It reads the code from a file: no change in a fork's memory reaches it."""
    script = "from vllm.utils.held import held; assert held(3) == 6"
    made = stand(
        patch(
            "held",
            "def held(x):\n    return x * 2\n",
            "import subprocess, sys\n\n\n"
            "def test_held():\n"
            f"    subprocess.run([sys.executable, '-c', {script!r}], check=True)\n",
        )
    )
    ended = judge(ground_of(made), mutants.all_mutants(made))
    assert {e.mutant.what: e.killed for e in ended} == {
        "constant + 1": True,
        "return None": True,
        "arithmetic FloorDiv": True,
    }


def judge(ground: Ground, wanted: list[Mutant]) -> list[mutants.Ended]:
    return mutants.judge(ground, wanted, 2)


@pytest.mark.parametrize(
    "text",
    [
        '[[mutant]]\nkey = "a"\nreason = ""\n',
        '[[mutant]]\nkey = "a"\nreason = "equivalent"\n',
        '[[mutant]]\nkey = "a"\nreason = "one two three four"\n' * 2,
    ],
    ids=["no reason", "a word", "twice"],
)
def test_an_argument_is_a_sentence_and_comes_once(text: str, tmp_path: Path) -> None:
    path = tmp_path / "equivalent.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Finding):
        record.equivalents(path)
