# SPDX-License-Identifier: Apache-2.0
"""lock.py and lock.schema.json take the same locks, and refuse the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from jsonschema import Draft202012Validator

from scripts.base.errors import Unusable
from scripts.upstream import lock, lock_types

PATH = Path(lock.__file__).with_name("lock.schema.json")
SCHEMA = json.loads(PATH.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
FULL = lock.edit(
    lock.PATH.read_text(encoding="utf-8"),
    {
        "vllm.git.commit": "0" * 40,
        "vllm.git.tree": "1" * 40,
        "vllm.git.patched-tree": "2" * 40,
        "series.released-tree": "3" * 40,
    },
)
DOC: dict[str, Any] = tomlkit.parse(FULL).unwrap()
Place = tuple[str, ...]


def places(table: dict[str, Any], at: Place = ()) -> Iterator[Place]:
    """Every table and key of the lock."""
    for key, value in table.items():
        yield (*at, key)
        if isinstance(value, dict):
            yield from places(value, (*at, key))


KINDS: dict[str, Any] = {
    "removed": ...,
    "bool": True,
    "integer": 7,
    "none": 0,
    "real": 1.5,
    "text": "text",
    "day": date(2026, 11, 25),
    "table": {"a": "b"},
    "no table": {},
}
TEXTS: dict[str, Any] = {
    "7 hex": "0123abc",
    "8 and line end": "0123abcd\n",
    "40 hex": "a" * 40,
    "64 hex": "a" * 64,
    "64 digits of another script": "٣" * 64,
    "path": "../x.tar.gz",
    "name": "x-1.2+3_4.tar.gz",
    "name in another script": "xé.tar.gz",
    "name and line end": "x.tar.gz\n",
}


def reads(doc: dict[str, Any]) -> bool:
    try:
        lock.parse(tomlkit.dumps(doc))
    except Unusable as e:
        assert e.where
        return False
    return True


def changed(at: Place, value: Any) -> dict[str, Any]:
    """The lock with one place set to `value`, or removed by `...`."""
    doc = deepcopy(DOC)
    *tables, key = at
    table = doc
    for name in tables:
        table = table[name]
    if value is ...:
        del table[key]
    else:
        table[key] = value
    return doc


def test_it_is_made_of_the_types() -> None:
    made = lock_types.text()
    assert PATH.read_text(encoding="utf-8") == made, (
        "see scripts/upstream/lock_types.py"
    )


def test_it_is_a_schema_and_the_locks_number() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == lock.SCHEMA
    assert SCHEMA["$id"].endswith(f":{lock.SCHEMA}")


def test_the_real_lock_holds() -> None:
    text = lock.PATH.read_text(encoding="utf-8")
    VALIDATOR.validate(tomlkit.parse(text).unwrap())
    VALIDATOR.validate(DOC)
    assert reads(DOC)


@pytest.mark.parametrize("at", list(places(DOC)), ids=".".join)
def test_both_agree_on_every_key(at: Place) -> None:
    here: Any = DOC
    for name in at:
        here = here[name]
    verdicts = {}
    for name, value in (KINDS | (TEXTS if isinstance(here, str) else {})).items():
        doc = changed(at, value)
        verdicts[name] = VALIDATOR.is_valid(doc)
        assert reads(doc) == verdicts[name], name
    # Each place takes some values and refuses others.
    assert not all(verdicts.values())


def test_what_is_required_is_what_is_read() -> None:
    required = {
        ".".join(at) for at in places(DOC) if not VALIDATOR.is_valid(changed(at, ...))
    }
    assert required == {
        ".".join(at)
        for at in places(DOC)
        if at[:2] != ("vllm", "git")
        and at != ("series", "released-tree")
        and at not in [("vllm", "wheels", a) for a in ("x86_64", "aarch64")]
        and (at[0] != "companions" or len(at) == 1)
        and (at[:2] != ("series", "companions") or len(at) == 4)
    }


def test_more_keys_may_come() -> None:
    for at in [("new",), ("vllm", "new"), ("vllm", "sdist", "new"), ("series", "new")]:
        doc = changed(at, "value")
        assert VALIDATOR.is_valid(doc)
        assert reads(doc)


def test_every_key_is_described() -> None:
    """Where the schema goes, a word says what for."""

    def bare(node: dict[str, Any], at: str) -> Iterator[str]:
        for key, value in node.get("properties", {}).items():
            if "description" not in value and key not in ("filename", "sha256"):
                yield f"{at}.{key}"
            yield from bare(value, f"{at}.{key}")

    assert not list(bare(SCHEMA, ""))
    for name, node in SCHEMA["$defs"].items():
        assert not list(bare(node, name))


def test_json_has_one_kind_of_number() -> None:
    """The one difference: 5.0 is an integer to JSON Schema and none to TOML."""
    doc = changed(("vllm", "sdist", "size"), 5.0)
    assert VALIDATOR.is_valid(doc)
    assert not reads(doc)
