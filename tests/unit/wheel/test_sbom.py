# SPDX-License-Identifier: Apache-2.0
"""The bill of materials: valid by the schema, deterministic, complete."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts.series import folder
from scripts.upstream.lock import Artifact
from scripts.wheel import sbom
from tests.unit.small import Small

BASE = Artifact("vllm-1.2.3-cp38-abi3-linux_x86_64.whl", 7, "ab" * 32)


def render(small: Small) -> bytes:
    """The bill of the small series."""
    patches = folder.load(small.patches)
    return sbom.render(small.lock, patches, BASE, "vllm-1.2.3+sm12x.1-x.whl")


def test_valid_by_the_schema(small: Small) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    text = render(small).decode()
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"library"', '"librarian"')) is not None


def test_names_every_patch_with_digest_and_origin(small: Small) -> None:
    root = json.loads(render(small))["metadata"]["component"]
    found = {p["diff"]["url"]: p for p in root["pedigree"]["patches"]}
    case = {p["name"]: p["value"] for p in root["properties"]}
    patches = folder.load(small.patches)
    assert len(found) == len(patches) == 3
    for patch in patches:
        entry = found[f"patches/{patch.name}#sha256={patch.sha256}"]
        assert entry["type"] == "unofficial"
        assert [r["id"] for r in entry["resolves"]] == ["vllm-project/vllm#40082"]
        prefix = f"vllm-sm12x:patch:{patch.name}"
        assert case[f"{prefix}:sha256"] == patch.sha256
        assert case[f"{prefix}:origin"] == "vllm-project/vllm#40082, rewritten"


def test_names_base_pin_and_companions(small: Small) -> None:
    bom = json.loads(render(small))
    root = bom["metadata"]["component"]
    (base,) = root["pedigree"]["ancestors"]
    assert base["hashes"] == [{"alg": "SHA-256", "content": BASE.sha256}]
    assert base["purl"] == f"pkg:pypi/vllm@1.2.3?file_name={BASE.filename}"
    pin = {p["name"]: p["value"] for p in root["properties"] if ":pin:" in p["name"]}
    assert pin["vllm-sm12x:pin:patched-tree"] == small.lock.patched_tree
    assert pin["vllm-sm12x:pin:tag"] == "v1.2.3"
    assert [(c["name"], c["version"]) for c in bom["components"]] == [
        ("torch", "2.14.0")
    ]


def test_same_inputs_same_bytes_other_inputs_another_serial(small: Small) -> None:
    first = render(small)
    assert render(small) == first
    patches = folder.load(small.patches)
    lock = replace(small.lock, release=2)
    other = sbom.render(lock, patches, BASE, "vllm-1.2.3+sm12x.1-x.whl")
    serials = {json.loads(x)["serialNumber"] for x in (first, other)}
    assert len(serials) == 2


@pytest.mark.parametrize(
    ("origin", "want"),
    [
        ("fork", "unofficial"),
        ("someone/vllm#3", "unofficial"),
        ("someone/vllm@0123456", "unofficial"),
        ("vllm-project/vllm#3", "cherry-pick"),
        ("vllm-project/vllm@0123456", "backport"),
        ("vllm-project/vllm@0123456, rewritten", "unofficial"),
    ],
)
def test_classify(origin: str, want: str) -> None:
    assert sbom.classify(origin).value == want
