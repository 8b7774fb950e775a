# SPDX-License-Identifier: Apache-2.0
"""Tampered wheels: RECORD, METADATA, version, SBOM and notice."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable

import pytest

from scripts.wheel.report import What
from tests.unit.small_wheel import LOCAL, SO
from tests.unit.wheel.tampered import Case, found, kinds

SBOM = f"{LOCAL}/sboms/vllm-sm12x.cdx.json"


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: t.replace("vllm/__init__.py,sha256=", "vllm/__init__.py,sha256=A"),
        lambda t: t.replace("vllm/__init__.py,sha256=", "vllm/__init__.py,md5="),
        lambda t: t.replace("vllm/__init__.py,", "vllm/__init_.py,"),
        lambda t: t + "vllm/__init__.py,,\n",
        lambda t: t.replace(f"{LOCAL}/RECORD,,", f"{LOCAL}/RECORD,sha256=x,1"),
        lambda t: "\n".join(x for x in t.split("\n") if SO not in x),
        lambda t: t.replace(",2\n", ",3\n").replace(",3\n", ",4\n"),
    ],
    ids=["hash", "kind", "name", "twice", "itself", "line", "size"],
)
def test_record_wrong(case: Case, edit: Callable[[str], str]) -> None:
    with zipfile.ZipFile(case.wheel) as z:
        text = z.read(f"{LOCAL}/RECORD").decode()
    assert edit(text) != text
    report = case.alter({f"{LOCAL}/RECORD": edit(text).encode()}, honest=False)
    assert kinds(report) == {What.RECORD}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Requires-Dist: torch==2.14.0", "Requires-Dist: torch>=2"),
        ("Version: 1.2.3+sm12x.1", "Version: 1.2.3+sm12x.2"),
        ("License-File: NOTICE.sm12x\n", ""),
        ("Name: vllm", "Name: vllm\nRequires-Dist: evil"),
    ],
)
def test_metadata_altered(case: Case, old: str, new: str) -> None:
    name = f"{LOCAL}/METADATA"
    text = case.files()[name].decode()
    assert text.count(old) == 1
    report = case.alter({name: text.replace(old, new).encode()})
    assert kinds(report) == {What.METADATA}
    assert new.split("\n")[-1] in str(report)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'1.2.3+sm12x.1'", "'1.2.3+sm12x.2'"),
        ("(1, 2, 3, 'sm12x.1')", "(1, 2, 3)"),
        ("g0123456ab", "g0123456ac"),
    ],
)
def test_version_file_altered(case: Case, old: str, new: str) -> None:
    text = case.files()["vllm/_version.py"].decode()
    assert old in text
    report = case.alter({"vllm/_version.py": text.replace(old, new).encode()})
    assert kinds(report) == {What.METADATA}


def test_sbom_lacks_a_patch(case: Case) -> None:
    bom = json.loads(case.files()[SBOM])
    bom["metadata"]["component"]["pedigree"]["patches"].pop()
    report = case.alter({SBOM: json.dumps(bom).encode()})
    assert kinds(report) == {What.SBOM}
    assert found(report, What.SBOM, "(patches)")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (":origin", ":source"),
        ('"value": "1.2.3"', '"value": "1.2.4"'),
        ("2.14.0", "2.13.0"),
        ('"SHA-256"', '"SHA-512"'),
        ('"specVersion": "1.6"', '"specVersion": "1.5"'),
        ("{", "["),
    ],
)
def test_sbom_altered(case: Case, old: str, new: str) -> None:
    text = case.files()[SBOM].decode()
    assert old in text
    report = case.alter({SBOM: text.replace(old, new).encode()})
    assert kinds(report) == {What.SBOM}


@pytest.mark.parametrize(
    ("which", "other"), [("patch", "0002.patch"), ("vllm/config/kernel.py", "vllm")]
)
def test_notice_leaves_something_out(case: Case, which: str, other: str) -> None:
    name = f"{LOCAL}/licenses/NOTICE.sm12x"
    word = case.small.names[1] if which == "patch" else which
    text = case.files()[name].decode()
    assert word in text
    report = case.alter({name: text.replace(word, other).encode()})
    assert kinds(report) == {What.NOTICE}
    assert word in str(report)
