# SPDX-License-Identifier: Apache-2.0
"""A provenance statement held against the file, the lock and the series.

Written apart from `provenance` on purpose: nothing here calls what made the
statement. Its form is judged by in-toto's own library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.checkout import Checkout
from scripts.errors import Finding
from scripts.files import digest
from scripts.lock import Lock
from scripts.publish.envelope import Line, Signed, lines
from scripts.publish.repository import Repository
from scripts.series.check.problem import printable
from scripts.series.mailbox import Patch
from scripts.wheel.report import Difference, What

_PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "urn:vllm-sm12x:build:"
_WORDS = {
    Signed.NOT: "not signed",
    Signed.UNCHECKED: "signed, the signature not checked (KEY= names a public key)",
    Signed.BY_KEY: "signed by the given key",
    Signed.BY_OTHER: "signed by another key",
}


@dataclass(frozen=True)
class Attested:
    """What became of the statements beside a file."""

    differences: tuple[Difference, ...]
    words: str
    """One line for a person."""


@dataclass(frozen=True)
class Expected:
    """What a statement is held against."""

    built: Path
    lock: Lock
    patches: Sequence[Patch]
    arch: str | None
    """None for the source archive."""
    at: Checkout


def check(expected: Expected, bundle: Path, key: Path | None = None) -> Attested:
    """Check every statement of this project in a bundle.

    Args:
        expected: The file and what it must come from.
        bundle: `NAME.intoto.jsonl`; where it is not there, that is said, and
            is a difference only if a key was given.
        key: Public key that must have signed one of them.

    Raises:
        Unusable: The bundle or the key cannot be read.
    """
    if not bundle.exists():
        words = f"provenance: none beside it ({bundle.name})"
        wanted = [_difference(bundle.name, "a signed statement", "no file")]
        return Attested(tuple(wanted if key else []), words)
    found = lines(bundle, key)
    differences: list[Difference] = []
    ours: list[Line] = []
    for line in found:
        where = f"{bundle.name}:{line.number}"
        if line.statement is None:
            differences.append(_difference(where, "a line of JSON", str(line.damage)))
        elif _is_ours(line.statement):
            ours.append(line)
            if line.signed is Signed.BY_OTHER:
                differences.append(
                    _difference(where, "a signature by the given key", "none intact")
                )
            differences += _held(where, line.statement, expected)
    if not ours:
        kind = f"a statement of build type {_BUILD}..."
        differences.append(_difference(bundle.name, kind, "none"))
    elif key and not any(line.signed is Signed.BY_KEY for line in ours):
        differences.append(
            _difference(bundle.name, "a statement signed by the given key", "none")
        )
    return Attested(tuple(differences), _words(found, ours, differences))


def _words(
    found: Sequence[Line], ours: Sequence[Line], differences: Sequence[Difference]
) -> str:
    if differences:
        return f"provenance: {len(differences)} difference(s)"
    signed = "; ".join(dict.fromkeys(_WORDS[line.signed] for line in ours))
    rest = len(found) - len(ours)
    others = f"; {rest} statement(s) of others not looked at" if rest else ""
    return f"provenance: as the lock and the series say, {signed}{others}"


def _difference(member: str, expected: str, found: str) -> Difference:
    # What a stranger wrote must not steer the terminal.
    return Difference(What.PROVENANCE, printable(member), expected, printable(found))


def _is_ours(statement: Mapping[str, Any]) -> bool:
    value: Any = statement
    for key in ("predicate", "buildDefinition", "buildType"):
        value = value.get(key) if isinstance(value, dict) else None
    return isinstance(value, str) and value.startswith(_BUILD)


def form(statement: Mapping[str, Any], *, strict: bool = False) -> str | None:
    """Why in-toto's library takes it for no SLSA provenance; None if it does.

    Args:
        statement: The statement.
        strict: Fields that the predicate's schema does not know are wrong too.
    """
    from google.protobuf.json_format import ParseDict, ParseError
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement

    try:
        parsed = ParseDict(dict(statement), statement_pb2.Statement())
        Statement.copy_from_pb(parsed).validate()
        predicate = ParseDict(
            statement["predicate"],
            provenance_pb2.Provenance(),
            ignore_unknown_fields=not strict,
        )
        definition = predicate.build_definition
        for needed in definition.resolved_dependencies:
            ResourceDescriptor.copy_from_pb(needed).validate()
    except (ParseError, ValueError, KeyError, TypeError) as e:
        return str(e)
    if statement["predicateType"] != _PREDICATE:
        return f"predicateType {statement['predicateType']!r}"
    # Required by the specification; the library has no check of a predicate.
    if not definition.build_type or not definition.external_parameters:
        return "no buildType, or no externalParameters"
    if not predicate.run_details.builder.id:
        return "no builder.id"
    return None


def _held(
    where: str, statement: Mapping[str, Any], expected: Expected
) -> Iterator[Difference]:
    if fault := form(statement):
        yield _difference(where, "SLSA provenance v1 in a Statement v1", fault)
        return
    definition = statement["predicate"]["buildDefinition"]
    lock, arch = expected.lock, expected.arch
    want: dict[str, Any] = {"version": lock.version, "release": lock.number}
    if arch:
        want["arch"] = arch
    sides = {
        "subject": (
            [(expected.built.name, {"sha256": digest(expected.built)})],
            [(s.get("name"), s.get("digest")) for s in statement["subject"]],
        ),
        "buildType": (
            f"{_BUILD}{'overlay-wheel' if arch else 'sdist'}:1",
            definition.get("buildType"),
        ),
        "externalParameters": (want, definition.get("externalParameters")),
        "internalParameters": (
            {
                "SOURCE_DATE_EPOCH": lock.epoch,
                "patchedTree": lock.patched_tree,
                "tree": lock.tree,
            },
            definition.get("internalParameters"),
        ),
    }
    for what, (right, found) in sides.items():
        if right != found:
            yield _difference(f"{where} ({what})", repr(right), repr(found))
    yield from _dependencies(
        where, definition.get("resolvedDependencies", []), expected
    )


def _dependencies(
    where: str, found: Sequence[Mapping[str, Any]], expected: Expected
) -> Iterator[Difference]:
    lock = expected.lock
    want = {lock.sdist.filename: lock.sdist.sha256}
    if expected.arch:
        base = lock.wheel(expected.arch)
        want[base.filename] = base.sha256
    want["upstream.lock"] = digest(expected.at.lock)
    want |= {f"patches/{p.name}": p.sha256 for p in expected.patches}
    order = [d.get("name") for d in found if d.get("name") != "repository"]
    have = {d.get("name"): d.get("digest") for d in found}
    for name, sha256 in want.items():
        if name not in have:
            yield _difference(f"{where} ({name})", f"sha256 {sha256}", "not named")
        elif have[name] != {"sha256": sha256}:
            yield _difference(f"{where} ({name})", f"sha256 {sha256}", str(have[name]))
    for extra in order:
        if extra not in want or order.count(extra) > 1:
            yield _difference(f"{where} ({extra})", "no such input, or once", "named")
    if not set(order) ^ set(want) and order != list(want):
        yield _difference(where, "the series in its order", "another order")
    if "repository" in have:
        yield from _commit(where, have["repository"], expected)


def _commit(where: str, found: Any, expected: Expected) -> Iterator[Difference]:
    """The commit that a statement names must have this lock and this series."""
    commit = found.get("gitCommit") if isinstance(found, dict) else None
    at = f"{where} (repository)"
    if not isinstance(commit, str) or len(commit) != 40:
        yield _difference(at, "a full commit id, gitCommit", repr(found))
        return
    here = Repository(expected.at.root)
    if not here.exists() or here.git.resolve(f"{commit}^{{commit}}") is None:
        return  # a clone without that commit; the digests above were compared
    try:
        series = [(p.name, p.sha256) for p in here.series(commit)]
    except Finding as e:
        yield _difference(at, "a commit that has the series", str(e.what))
        return
    if series != [(p.name, p.sha256) for p in expected.patches]:
        yield _difference(at, "a commit with this series", f"{commit}: another")
    if here.file(commit, "upstream.lock") != expected.at.lock.read_bytes():
        yield _difference(at, "a commit with this upstream.lock", f"{commit}: another")
