# SPDX-License-Identifier: Apache-2.0
"""The statement beside a wheel: its form, its bytes, and every planted fault."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.checkout import Checkout
from scripts.errors import Unusable
from scripts.publish import provenance
from scripts.publish.attestation import Attested, Expected, check, form
from scripts.publish.build import origin
from scripts.publish.provenance import Origin
from scripts.series import folder
from scripts.wheel.report import What
from tests.scripts.publish_help import key, public, shop, sign
from tests.scripts.sessions_help import clone, typed
from tests.scripts.small import Small, git
from tests.scripts.small_wheel import BUILT, NAME, add_wheel
from tests.scripts.verify_help import Case

Statement = dict[str, Any]


class Bench:
    """A wheel with its statement."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.at = Checkout(case.small.root)
        self.lock = case.small.lock
        self.patches = folder.load(case.small.patches)
        (self.arch,) = self.lock.wheels
        self.bundle = provenance.save(
            case.wheel, self.lock, self.patches, origin(self.at, None), self.arch
        )

    @property
    def statement(self) -> Statement:
        found: Statement = json.loads(self.bundle.read_text(encoding="utf-8"))
        return found

    def write(self, *statements: object) -> None:
        rows = "".join(json.dumps(s) + "\n" for s in statements)
        self.bundle.write_text(rows, encoding="utf-8")

    def look(self, public_key: Path | None = None) -> Attested:
        expected = Expected(
            self.case.wheel, self.lock, self.patches, self.arch, self.at
        )
        return check(expected, self.bundle, public_key)


@pytest.fixture
def bench(case: Case) -> Iterator[Bench]:
    made = Bench(case)
    yield made
    made.bundle.unlink(missing_ok=True)


def definition(statement: Statement) -> Statement:
    found: Statement = statement["predicate"]["buildDefinition"]
    return found


def names(statement: Statement) -> list[str]:
    return [d["name"] for d in definition(statement)["resolvedDependencies"]]


def test_right_as_written(bench: Bench) -> None:
    assert bench.bundle.name == f"{BUILT}.intoto.jsonl"
    found = bench.look()
    assert found.differences == ()
    assert found.words == "provenance: as the lock and the series say, not signed"
    assert form(bench.statement, strict=True) is None
    # The hand-made checkout is no git repository of its own.
    assert "repository" not in names(bench.statement)


def test_names_every_input_once(bench: Bench) -> None:
    value = bench.statement
    (subject,) = value["subject"]
    assert subject["name"] == BUILT
    assert names(value) == [
        bench.lock.sdist.filename,
        NAME,
        "upstream.lock",
        *(f"patches/{p.name}" for p in bench.patches),
    ]
    wanted = {"version": "1.2.3", "release": "1", "arch": bench.arch}
    assert definition(value)["externalParameters"] == wanted


def test_same_inputs_same_bytes(bench: Bench) -> None:
    first = bench.bundle.read_bytes()
    again = Bench(bench.case)
    assert again.bundle.read_bytes() == first
    assert first.count(b"\n") == 1 and first.endswith(b"\n")
    place = Origin("0" * 64, "1" * 40, "https://example.org/workflow")
    made = provenance.save(
        bench.case.wheel, bench.lock, bench.patches, place, bench.arch
    )
    value = json.loads(made.read_bytes())
    assert value["predicate"]["runDetails"]["builder"]["id"] == place.builder
    assert form(value, strict=True) is None


def test_the_predicate_alone_for_a_signing_tool(bench: Bench, tmp_path: Path) -> None:
    provenance.save_predicate(bench.bundle, tmp_path / "p.json")
    assert (
        json.loads((tmp_path / "p.json").read_bytes()) == bench.statement["predicate"]
    )


def test_none_beside_the_wheel(bench: Bench, tmp_path: Path) -> None:
    bench.bundle.unlink()
    found = bench.look()
    assert found.differences == ()
    assert found.words == f"provenance: none beside it ({BUILT}.intoto.jsonl)"
    (difference,) = bench.look(public(key(), tmp_path / "k.pem")).differences
    assert difference.expected == "a signed statement"


def subject(value: Statement) -> None:
    value["subject"][0]["digest"]["sha256"] = "0" * 64


def subject_name(value: Statement) -> None:
    value["subject"][0]["name"] = "other.whl"


def more_subjects(value: Statement) -> None:
    value["subject"].append({"name": "x", "digest": {"sha256": "0" * 64}})


def version(value: Statement) -> None:
    definition(value)["externalParameters"]["version"] = "1.2.4"


def release_number(value: Statement) -> None:
    definition(value)["externalParameters"]["release"] = 2


def parameter(value: Statement) -> None:
    definition(value)["externalParameters"]["flags"] = "-O0"


def epoch(value: Statement) -> None:
    definition(value)["internalParameters"]["SOURCE_DATE_EPOCH"] = 1


def build_type(value: Statement) -> None:
    definition(value)["buildType"] = "urn:vllm-sm12x:build:sdist:1"


def other_build_type(value: Statement) -> None:
    definition(value)["buildType"] = "https://example.org/build"


def patch_digest(value: Statement) -> None:
    definition(value)["resolvedDependencies"][-1]["digest"]["sha256"] = "0" * 64


def patch_missing(value: Statement) -> None:
    del definition(value)["resolvedDependencies"][-2]


def patch_extra(value: Statement) -> None:
    more = {"name": "patches/0099-x.patch\x1b[2J", "digest": {"sha256": "0" * 64}}
    definition(value)["resolvedDependencies"].append(more)


def patches_in_another_order(value: Statement) -> None:
    needed = definition(value)["resolvedDependencies"]
    needed[-1], needed[-2] = needed[-2], needed[-1]


def base_wheel(value: Statement) -> None:
    definition(value)["resolvedDependencies"][1]["digest"]["sha256"] = "0" * 64


def lock_digest(value: Statement) -> None:
    definition(value)["resolvedDependencies"][2]["digest"]["sha256"] = "0" * 64


def commit_without_id(value: Statement) -> None:
    more = {"name": "repository", "digest": {"gitCommit": "abc"}}
    definition(value)["resolvedDependencies"].append(more)


def statement_type(value: Statement) -> None:
    value["_type"] = "https://in-toto.io/Statement/v0.1"


def predicate_type(value: Statement) -> None:
    value["predicateType"] = "https://slsa.dev/provenance/v0.2"


def no_builder(value: Statement) -> None:
    del value["predicate"]["runDetails"]


def no_subject_digest(value: Statement) -> None:
    del value["subject"][0]["digest"]


def dependencies_of_another_shape(value: Statement) -> None:
    definition(value)["resolvedDependencies"] = {"name": "x"}


def unknown_field(value: Statement) -> None:
    value["signedBy"] = "me"


FAULTS: list[tuple[Callable[[Statement], None], str]] = [
    (subject, "(subject)"),
    (subject_name, "(subject)"),
    (more_subjects, "(subject)"),
    (version, "(externalParameters)"),
    (release_number, "(externalParameters)"),
    (parameter, "(externalParameters)"),
    (epoch, "(internalParameters)"),
    (build_type, "(buildType)"),
    (other_build_type, "a statement of build type"),
    (patch_digest, "patches/0003-"),
    (patch_missing, "not named"),
    (patch_extra, "patches/0099-x.patch"),
    (patches_in_another_order, "another order"),
    (base_wheel, NAME),
    (lock_digest, "(upstream.lock)"),
    (commit_without_id, "(repository)"),
    (statement_type, "Wrong statement type"),
    (predicate_type, "provenance/v0.2"),
    (no_builder, "no builder.id"),
    (no_subject_digest, "At least one digest"),
    (dependencies_of_another_shape, "resolvedDependencies"),
    (unknown_field, "signedBy"),
]


@pytest.mark.parametrize(
    ("fault", "words"), FAULTS, ids=lambda x: getattr(x, "__name__", "")
)
def test_planted_fault_is_found(
    bench: Bench, fault: Callable[[Statement], None], words: str
) -> None:
    value = copy.deepcopy(bench.statement)
    fault(value)
    assert value != bench.statement
    bench.write(value)
    found = bench.look()
    assert found.differences
    assert "\x1b" not in "".join(map(str, found.differences))
    assert {d.what for d in found.differences} == {What.PROVENANCE}
    assert any(words in str(d) for d in found.differences), found.differences
    assert len(found.differences) <= 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(bench: Bench, share: float) -> None:
    data = bench.bundle.read_bytes()
    bench.bundle.write_bytes(data[: int(len(data) * share)])
    found = [str(d) for d in bench.look().differences]
    assert any("a line of JSON" in d and "intoto.jsonl:1" in d for d in found)


def test_empty_and_of_others(bench: Bench) -> None:
    ours = bench.statement
    bench.bundle.write_bytes(b"")
    assert [d.found for d in bench.look().differences] == ["none"]
    bench.write(ours, {"predicateType": "https://example.org/review"})
    found = bench.look()
    assert found.differences == ()
    assert found.words.endswith("; 1 statement(s) of others not looked at")
    bench.write(["a list"], ours)
    assert len(bench.look().differences) == 1
    bench.bundle.write_bytes(b"[" * 100_000)
    assert "RecursionError" in bench.look().differences[0].found


@pytest.mark.parametrize("sigstore", [False, True])
@pytest.mark.parametrize("keyid", ["as made", "empty", "absent"])
def test_signed_by_the_given_key(
    bench: Bench, tmp_path: Path, sigstore: bool, keyid: str
) -> None:
    def change(envelope: Statement) -> None:
        if keyid == "empty":
            envelope["signatures"][0]["keyid"] = ""
        elif keyid == "absent":
            del envelope["signatures"][0]["keyid"]

    private = key()
    sign(bench.bundle, private, change, sigstore=sigstore)
    pem = public(private, tmp_path / "k.pem")
    found = bench.look(pem)
    assert found.differences == ()
    assert found.words.endswith("say, signed by the given key")
    unchecked = bench.look()
    assert unchecked.differences == ()
    assert "signature not checked" in unchecked.words


def test_signature_faults(bench: Bench, tmp_path: Path) -> None:
    private, plain = key(), bench.bundle.read_bytes()
    pem = public(private, tmp_path / "k.pem")

    def found() -> str:
        return "\n".join(map(str, bench.look(pem).differences))

    assert "a statement signed by the given key, found none" in found()
    sign(bench.bundle, key())
    assert "a signature by the given key, found none intact" in found()
    other = copy.deepcopy(json.loads(plain))
    other["predicate"]["runDetails"]["builder"]["id"] = "urn:x:y"
    bench.write(other)
    sign(bench.bundle, private)
    envelope = json.loads(bench.bundle.read_bytes())
    bench.bundle.write_bytes(plain)
    sign(bench.bundle, private, lambda e: e.update(signatures=envelope["signatures"]))
    assert "none intact" in found(), "a signature of another payload"
    bench.bundle.write_bytes(plain)
    sign(bench.bundle, private, lambda e: e.update(payloadType="text/plain"))
    assert "payload of type 'text/plain'" in found()
    bench.bundle.write_bytes(plain)
    sign(bench.bundle, private, lambda e: e.update(signatures=[]))
    assert "signed by the given key, found none" in found()
    bench.bundle.write_bytes(plain)
    sign(bench.bundle, private, lambda e: e.update(payload="%"))
    assert "a line of JSON" in found()


def test_a_signed_lie_is_still_one(bench: Bench, tmp_path: Path) -> None:
    private, value = key(), bench.statement
    version(value)
    bench.write(value)
    sign(bench.bundle, private)
    found = bench.look(public(private, tmp_path / "k.pem"))
    assert ["(externalParameters)" in str(d) for d in found.differences] == [True]


def test_key_that_is_none(bench: Bench, tmp_path: Path) -> None:
    sign(bench.bundle, key())
    pem = tmp_path / "k.pem"
    pem.write_text("no key", encoding="utf-8")
    with pytest.raises(Unusable, match="public key cannot be used"):
        bench.look(pem)


def test_the_commit_is_held_against_the_series(small: Small) -> None:
    made = shop(small)
    at, lock = made.at, small.lock
    wheel = made.out / BUILT
    made.out.mkdir()
    wheel.write_bytes(b"a wheel, to this test")
    patches = folder.load(small.patches)
    place = origin(at, None)
    assert place.commit == made.commit_id()
    (arch,) = lock.wheels
    bundle = provenance.save(wheel, lock, patches, place, arch)
    expected = Expected(wheel, lock, patches, arch, at)
    assert check(expected, bundle).differences == ()
    (small.root / "more").write_text("x", encoding="utf-8")
    assert origin(at, None).commit is None, "files differ from every commit"
    small.drop()
    made.export()
    later = made.commit()
    value = json.loads(bundle.read_bytes())
    needed = value["predicate"]["buildDefinition"]["resolvedDependencies"]
    needed[-1]["digest"]["gitCommit"] = later
    bundle.write_text(json.dumps(value), encoding="utf-8")
    found = check(expected, bundle).differences
    assert any("a commit with this series" in str(d) for d in found)
    needed[-1]["digest"]["gitCommit"] = "f" * 40  # not in this clone
    bundle.write_text(json.dumps(value), encoding="utf-8")
    assert not any("repository" in str(d) for d in check(expected, bundle).differences)


def test_the_verbs_say_so(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """make wheel, provenance, verify-wheel, as a person calls them."""
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    add_wheel(small)
    root = clone(small, tmp_path / "a clone")
    wheel = f"dist/{BUILT}"
    first = (
        f'make wheel && make provenance WHEEL="{wheel}" PREDICATE=build/p.json '
        "BUILDER_ID=https://example.org/w && make verify-wheel"
    )
    said = typed(first, root)
    assert f"ok: {BUILT}" in said
    assert "provenance: as the lock and the series say, not signed" in said
    bundle = root / f"{wheel}.intoto.jsonl"
    value = json.loads(bundle.read_bytes())
    predicate = json.loads((root / "build/p.json").read_bytes())
    assert predicate == value["predicate"]
    assert predicate["runDetails"]["builder"]["id"] == "https://example.org/w"
    needed = predicate["buildDefinition"]["resolvedDependencies"]
    assert needed[-1]["digest"]["gitCommit"] == git(root, "rev-parse", "HEAD")
    pem = public(key(), tmp_path / "k.pem")
    for change, words in (
        ("true", "expected a statement signed by the given key, found none"),
        (f"sed -i s/1.2.3/1.2.4/g '{bundle}'", "(externalParameters)"),
    ):
        said = typed(f'{change}; make verify-wheel KEY="{pem}" || echo code $?', root)
        assert words in said
        assert said.rstrip().endswith("code 2")  # make's own, for a 1 of the verb
        assert "Error 1" in said
