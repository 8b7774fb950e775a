# SPDX-License-Identifier: Apache-2.0
"""What a person decided is used for its three blobs, and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.base.object_ids import Entry
from scripts.series import resolutions
from tests.unit.port.releases import BESIDE, go, release
from tests.unit.small import Small


@pytest.mark.usefixtures("machine")
def test_damaged_record_is_refused(small: Small) -> None:
    folder = small.patches / "resolutions"
    folder.mkdir()
    (folder / "a-b-c.resolution").write_text("Patch: x\n\n", encoding="utf-8")
    release(small, BESIDE)
    with pytest.raises(Finding, match="no resolution"):
        go(small)


def test_resolution_holds_for_its_blobs_alone(tmp_path: Path) -> None:
    base, upstream, patched = (Entry(0o100755, f"{x}\n".encode()) for x in "abc")
    saved = resolutions.save(
        tmp_path, (base, upstream, patched), b"d\n", "vllm/x.py", "a patch", "so it is"
    )
    found = resolutions.load(tmp_path)
    known = found.find(base, upstream, patched)
    assert known is not None and known.result == b"d\n"
    assert found.find(base, patched, patched) is None
    text = saved.read_bytes().replace(b"+d", b"+e")
    saved.write_bytes(text)
    with pytest.raises(Finding, match="another blob"):
        resolutions.load(tmp_path).find(base, upstream, patched)
