# SPDX-License-Identifier: Apache-2.0
"""What the doctor predicts of tiny checkpoints, beside what vLLM's loader allocates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scripts.doctor.model import assess, checkpoint, gpus
from scripts.doctor.model.files import read_header
from scripts.doctor.model.known import know
from scripts.selection import main as selection
from tests.on_cpu.conftest import Run

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(900)]

INSIDE = Path(__file__).parent / "inside" / "loaded_bytes.py"
# What is padded, and what is not, in both formats.
CASES = [
    ({"form": "modelopt", "linear": True}, 1),
    ({"form": "modelopt", "linear": True, "intermediate": 192, "experts": 6}, 2),
    ({"form": "compressed-tensors", "linear": True, "intermediate": 96}, 1),
    ({"form": "compressed-tensors"}, 2),
]


def predicted(folder: Path, ranks: int) -> int:
    known = know(checkpoint.read(folder))
    wanted = assess.Wanted(gpus.named("5090"), ranks, ranks)
    found = assess.assess(known, wanted, selection.recorded().table)
    assert not found.stops
    assert [r.what for r in found.remarks if r.level.value == "fault"] == []
    loaded = ("weights", "tables")
    return sum(i.nbytes for i in found.budget.items if i.name in loaded)


@pytest.fixture(scope="module")
def loaded(
    patched_tree: Path,
    run_flashinfer: Run,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[Path, list[int] | None, str]]:
    """Of each case: its folder, the bytes of its ranks, and what all of them said."""
    home = tmp_path_factory.mktemp("loaded")
    folders = [home / f"model {number}" for number in range(len(CASES))]
    asked = [(str(f), *each) for f, each in zip(folders, CASES, strict=True)]
    done = run_flashinfer(
        *(str(INSIDE), json.dumps(asked)), cwd=home, PYTHONPATH=str(patched_tree)
    )
    said = (done.stdout + done.stderr)[-4000:]
    assert done.returncode == 0, said
    found = json.loads(done.stdout.splitlines()[-1])
    return [(f, each, said) for f, each in zip(folders, found, strict=True)]


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: str(CASES[n]))
def test_bytes_are_those_that_the_loader_allocates(
    number: int, loaded: list[tuple[Path, list[int] | None, str]], tmp_path: Path
) -> None:
    ranks = CASES[number][1]
    folder, found, said = loaded[number]
    assert found is not None, said
    assert len(found) == ranks
    want = predicted(folder, ranks)
    assert found == [pytest.approx(want, rel=0.01)] * ranks
    # Its header alone says the same, and so does its config.json alone.
    for kept in (True, False):
        bare = tmp_path / f"bare {kept}"
        bare.mkdir()
        shutil.copy(folder / "config.json", bare)
        if kept:
            whole = (folder / "model.safetensors").read_bytes()
            end = 8 + int.from_bytes(whole[:8], "little")
            (bare / "model.safetensors").write_bytes(whole[:end])
            assert read_header(bare / "model.safetensors").alone
        assert predicted(bare, ranks) == want
