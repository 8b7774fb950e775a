# SPDX-License-Identifier: Apache-2.0
"""Every call that vLLM makes into FlashInfer, against both releases of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.upstream import lock as lockfile
from scripts.upstream.environments import flashinfer_python, package_folder
from tests.on_cpu.flashinfer_calls import Uses, bind, uses
from tests.on_cpu.flashinfer_release import Name, Release, differences

HERE = Path(__file__).parent
KNOWN = tomllib.loads((HERE / "flashinfer-differences.toml").read_text("utf-8"))
HANDLED = KNOWN["fixed"] | KNOWN["gone"]
MENDED = "tests/utils_/test_flashinfer_renamed.py"
OTHER = ROOT / "requirements" / "flashinfer-other.txt"


@pytest.fixture(scope="module")
def required() -> Release:
    (site,) = flashinfer_python().parent.parent.glob("lib/python*/site-packages")
    return Release(site)


@pytest.fixture(scope="module")
def pinned() -> Release:
    return Release(package_folder(OTHER))


@pytest.fixture(scope="module")
def found(patched_tree: Path) -> Uses:
    return uses(patched_tree / "vllm")


def misfits(release: Release, found: Uses) -> dict[str, str]:
    """Calls that the release does not take, by what they call."""
    bad = {}
    for call in found.calls:
        signatures = release.signatures(call.name)
        if signatures is None:
            bad[str(call.name)] = f"{call.where}: there is no such name"
            continue
        one = signatures.get("") or signatures.get("__init__")
        if one is not None and (said := bind(call, one)):
            bad[str(call.name)] = f"{call.where}: {said}"
    return bad


@pytest.mark.upstream
@pytest.mark.slow
def test_every_call_binds(pinned: Release, required: Release, found: Uses) -> None:
    assert len(found.calls) > 200 and len(found.names) > 150
    assert misfits(pinned, found) == {}
    named_before = "flashinfer.gemm.gemm_base._get_cache_buf"
    assert misfits(required, found).keys() == {*KNOWN["gone"], named_before} - {
        # A class is no call of vLLM's.
        "flashinfer.comm.trtllm_alltoall.MnnvlMoe",
    }


@pytest.mark.upstream
@pytest.mark.slow
def test_both_take_what_is_given_on_request(pinned: Release, required: Release) -> None:
    """`FlashInferExperts` gives it as ``**``, which binding cannot see."""
    name = Name("flashinfer.fused_moe", "cutlass_fused_moe")
    for release in (pinned, required):
        (signature,) = (release.signatures(name) or {}).values()
        assert "use_fused_finalize" in signature.parameters


@pytest.mark.upstream
@pytest.mark.slow
def test_every_difference_is_known(
    pinned: Release, required: Release, found: Uses
) -> None:
    told = differences(pinned, required, sorted(found.names))
    assert told.keys() == HANDLED.keys() | KNOWN["nothing-follows"].keys(), told


@pytest.mark.upstream
@pytest.mark.slow
def test_what_follows_has_its_test(patched_tree: Path) -> None:
    """And what asks for FlashInfer by its version gets it from neither release."""
    text = (patched_tree / MENDED).read_text(encoding="utf-8")
    for name, test in HANDLED.items():
        assert f"def {test}(" in text, name
    own = lockfile.load().moved["flashinfer-python"]
    decode = "vllm/models/deepseek_v41/nvidia/specialized_decode/__init__.py"
    said = (patched_tree / decode).read_text(encoding="utf-8")
    (wanted,) = re.findall(r'^FLASHINFER_VERSION = "(.+)"$', said, re.MULTILINE)
    assert wanted not in own


FLASHINFER = {
    "__init__.py": "from .decode import plan as plan, Wrapper\nfrom ._core import *\n",
    "_core.py": "def quantize(x, scale, *, layout='a'): ...\n",
    "decode.py": """
try:
    from .fast import plan
except ImportError:
    def plan(x, y, z=1): ...

class Base:
    def run(self, x, *, out=None): ...

class Wrapper(Base):
    def __init__(self, size): ...
    @classmethod
    def get(cls, name): ...
""",
}
VLLM = {
    "utils/flashinfer.py": """
quick = _lazy_import_wrapper("flashinfer", "quantize")
quick(1, 2, layout="b")
""",
    "layer.py": """
import flashinfer
import flashinfer.decode as d
from flashinfer import Wrapper as W
from vllm.utils.flashinfer import quick as q
def f(x, **more):
    from flashinfer.decode import plan
    plan(x, 2)
    flashinfer.decode.plan(x, z=3, **more)
    q(x, scale=1)
    W.get("a")
    W(4)
    d.gone()
""",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def release(folder: Path, old: str = "", new: str = "") -> Release:
    files = {name: text.replace(old, new) for name, text in FLASHINFER.items()}
    written(folder / "flashinfer", files)
    return Release(folder)


@pytest.fixture
def small(tmp_path: Path) -> Uses:
    return uses(written(tmp_path / "vllm", VLLM))


def test_calls_are_found_by_every_way_to_import(tmp_path: Path, small: Uses) -> None:
    assert [(str(c.name), c.positional, c.open) for c in small.calls] == [
        ("flashinfer.decode.plan", 2, False),
        ("flashinfer.decode.plan", 1, True),
        ("flashinfer.quantize", 1, False),
        ("flashinfer.Wrapper.get", 1, False),
        ("flashinfer.Wrapper", 1, False),
        ("flashinfer.decode.gone", 0, False),
        ("flashinfer.quantize", 2, False),
    ]
    assert misfits(release(tmp_path), small).keys() == {"flashinfer.decode.gone"}


@pytest.mark.parametrize(
    ("old", "new", "name", "said"),
    [
        ("y, z=1", "z=1", "flashinfer.decode.plan", "y is gone"),
        ("y, z=1", "y, w, z=1", "flashinfer.decode.plan", "w is asked for"),
        ("z=1", "z=2", "flashinfer.decode.plan", "z=1 is z=2"),
        ("y, z=1", "y, a=0, z=1", "flashinfer.decode.plan", "other places"),
        ("def quantize", "def other", "flashinfer.quantize", "gone"),
        ("out=None", "to=None", "flashinfer.Wrapper.run", "out is gone"),
        ("def run", "def go", "flashinfer.Wrapper.run", "gone"),
        ("self, size", "self, size, top", "flashinfer.Wrapper", "top is asked for"),
    ],
)
def test_a_planted_difference_is_found(
    tmp_path: Path, small: Uses, old: str, new: str, name: str, said: str
) -> None:
    one = release(tmp_path / "one")
    two = release(tmp_path / "two", old, new)
    told = differences(one, two, small.names)
    assert {n.removesuffix(".__init__") for n in told} == {name}
    assert all(said in text for text in told.values())
    assert differences(one, release(tmp_path / "same"), small.names) == {}


def test_a_new_argument_that_may_be_left_out_is_none(
    tmp_path: Path, small: Uses
) -> None:
    one = release(tmp_path / "one")
    two = release(tmp_path / "two", "layout='a'", "layout='a', more=None")
    assert differences(one, two, small.names) == {}
    assert two.signatures(Name("flashinfer", "quantize")) is not None
