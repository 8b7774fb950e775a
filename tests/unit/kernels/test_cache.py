# SPDX-License-Identifier: Apache-2.0
"""The cache made ahead of time: FlashInfer in its later place finds all of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.kernels import aot, shapes, sweep
from scripts.kernels.versions import Environment, environment
from scripts.upstream import lock
from scripts.upstream.environments import flashinfer_python
from tests.unit.kernels.conftest import STATIC

X86 = {"sm_120a": 170}  # RTX 5090


def inputs(tree: Path, store: Path, beside: Environment) -> sweep.Inputs:
    chosen = shapes.Shapes(X86, (STATIC,))
    return sweep.Inputs(
        beside, tree, chosen, everything=True, entry=aot.ENTRY, store=store
    )


@pytest.mark.upstream
@pytest.mark.slow
def test_flashinfer_finds_every_entry_in_its_later_place(
    patched_tree: Path, tmp_path: Path
) -> None:
    """Real FlashInfer, real object files; the launch alone is doubled."""
    python = flashinfer_python()
    given = inputs(
        patched_tree, tmp_path / "store", environment(python, lock.load().companions)
    )
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    site = tmp_path / "image" / "site-packages"
    site.mkdir(parents=True)
    (site / "flashinfer").symlink_to(packages / "flashinfer")

    made = aot.fill(given, PurePosixPath(site), tmp_path / "cache")

    assert made.looked and len(made.entries) >= 1 and made.size > 100_000
    told = json.loads((made.folder / aot.MANIFEST).read_text(encoding="utf-8"))
    assert told["tested on hardware"] is False and told["multiprocessors"] == 170
    (meta,) = made.folder.rglob("meta.json")
    assert meta.parent.name == "b12x_moe_sm120a_cute_dsl"
    # The check can fail: of another source, FlashInfer takes nothing.
    data = json.loads(meta.read_text(encoding="utf-8"))
    meta.write_text(json.dumps(data | {"source_sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(Finding, match="does not find") as e:
        aot.look(given, PurePosixPath(site), made.folder, list(made.entries))
    assert e.value.found is not None and made.entries[0] in e.value.found


@pytest.mark.parametrize(
    ("arch", "machine", "site", "found"),
    [
        ("sm_121a", "x86_64", "/opt/site", "would not fit the processor"),
        ("sm_120a", "x86_64", "opt/site", "absolute paths"),
        ("sm_120a", "x86_64", "/opt/site", "no kernel cache"),
    ],
    ids=["processor", "relative", "folder"],
)
def test_what_cannot_come_out_right_is_refused(
    arch: str,
    machine: str,
    site: str,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    (tmp_path / "mine.txt").write_text("work", encoding="utf-8")
    given = inputs(tmp_path, tmp_path, Environment(tmp_path, {}, ""))
    given = replace(given, shapes=shapes.Shapes({arch: 1}, ()))
    with pytest.raises(Unusable, match=found):
        aot.fill(given, PurePosixPath(site), tmp_path)
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize(("arch", "name"), [("sm_90a", None), ("sm_120a", "GPT")])
def test_an_unknown_architecture_or_model_is_named(arch: str, name: str | None) -> None:
    with pytest.raises(Unusable, match="no such") as e:
        shapes.narrowed(shapes.load(), arch, None, [name] if name else None)
    assert e.value.where == (name or arch)
    one = shapes.narrowed(shapes.load(), "sm_121a", 12, ["gpt-oss"])
    assert one.architectures == {"sm_121a": 12} and len(one.models) == 1
