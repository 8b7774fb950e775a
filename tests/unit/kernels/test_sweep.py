# SPDX-License-Identifier: Apache-2.0
"""Small sweeps without a fault: what they find, keep, and rely on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from scripts.base.errors import Finding
from scripts.kernels import report, sweep
from tests.unit.kernels.conftest import BOTH, ONE, SMALL, Sweeper, Swept, look

pytestmark = [pytest.mark.upstream, pytest.mark.slow]

KINDS = ("static 32x128", "dynamic", "micro 64x128 M=1", "micro 64x128 M=5")


@pytest.fixture(scope="module")
def clean(sweeper: Sweeper) -> Swept:
    return sweeper(SMALL, BOTH)


def test_every_kind_compiles_for_both_architectures(clean: Swept) -> None:
    assert clean.report.problems == ()
    for arch in BOTH:
        for kind in KINDS:
            kernel = clean.of(kind, arch)
            assert kernel.mma > 0 and kernel.dynamic_shared > 0
            assert 32 < kernel.registers <= 255 and kernel.threads >= 160
        names = [n for n in clean.report.kernels if n.startswith(arch)]
        assert any("triton helper" in name for name in names)


def test_both_architectures_have_the_same_code(clean: Swept) -> None:
    for kind in KINDS:
        one, other = (clean.of(kind, arch) for arch in BOTH)
        assert one.code == other.code
        assert one.sha256 != other.sha256  # the cubin names its architecture


def test_vllm_chose_the_backend_by_itself(clean: Swept) -> None:
    lines = "\n".join(clean.report.selected)
    for arch in BOTH:
        assert f"{arch}/small TP1 moe W4A4: FlashInferCuteDSLSM12xExperts" in lines


def test_every_kernels_call_was_compared(clean: Swept) -> None:
    """But for the helper, which is compiled from its call."""
    for told in clean.events.values():
        done = [e for e in told if e["event"] == "compiled"]
        folders = [clean.inputs.folder / "compiled" / e["folder"] for e in done]
        calls = [
            f / "contract.json" for f in folders if not (f / "kernel.json").exists()
        ]
        assert len(calls) == len(KINDS)
        for call in calls:
            assert "expected device_type=cuda" in call.read_text(encoding="utf-8")
        tensors = [any(a[0] == "tensor" for a in e["given"]) for e in done]
        assert sum(tensors) == len(KINDS)


def test_nothing_is_done_twice(clean: Swept) -> None:
    """The same inputs start no process; another tree only compiles what it lacks."""
    missing = replace(clean.inputs.environment, python=clean.inputs.folder / "none")
    again = sweep.run(replace(clean.inputs, environment=missing))
    assert again == {
        arch: [e | {"kept": True} if e["event"] == "compiled" else e for e in told]
        for arch, told in clean.events.items()
    }
    for kept in (clean.inputs.folder / "reached").iterdir():
        kept.unlink()
    with pytest.raises(FileNotFoundError):
        sweep.run(replace(clean.inputs, environment=missing))
    resumed = look(clean.inputs)
    assert resumed.report == clean.report
    for told in resumed.events.values():
        assert all(e["kept"] for e in told if e["event"] == "compiled")


def test_a_process_that_ends_early_is_a_finding(clean: Swept) -> None:
    entry = clean.inputs.folder / "early.py"
    entry.write_text("import sys; sys.exit('no vLLM here')", encoding="utf-8")
    with pytest.raises(Finding, match="could not be driven") as e:
        sweep.run(replace(clean.inputs, entry=entry))
    assert e.value.found is not None and "no vLLM here" in e.value.found


def test_w4a16_is_the_native_b12x_and_compiles(sweeper: Sweeper) -> None:
    """From M=7 on routes are packed by Triton's kernels; before, the kernel does it."""
    model = replace(SMALL, w4a16=True)
    found = sweeper(model, ONE, before=W4A16)
    lines = "\n".join(found.report.selected)
    assert "sm_121a/small TP1 moe W4A16: B12xExperts" in lines
    assert found.report.problems == ()
    names = [name.removeprefix("sm_121a/") for name in found.report.kernels]
    for word in ("block 8 direct ", "block 8 M=", "block 16 ", "sum "):
        assert any(f"small TP1 w4a16 {word}" in f"{name} " for name in names), names
    assert {"pack_topk_routes_small_prefix", "pack_topk_routes_sort"} <= {
        name.split()[2] for name in names if name.startswith("moe w4a16")
    }
    for name, kernel in found.report.kernels.items():
        assert kernel.mma == 0, name  # BF16 matrix instructions, none of FP4
        assert 0 < kernel.registers <= 255


# Only what is W4A16, and of its tiles the two that compile fastest.
W4A16 = """
calls = kernel_sweep.Sweep.chosen
def w4a16(self):
    jobs = [job for job in calls(self) if job.kind.startswith("w4a16")]
    return [job for job in jobs if job.detail.get("block", 0) <= 16]
kernel_sweep.Sweep.chosen = w4a16
"""


GRID = """
cute = kernel_record.Recorder.cute_compile
def other(self, *args, **kwargs):
    names = [name for name, _ in kernel_key.parameters(args[0])]
    if "max_active_clusters" not in names:  # the trial of the compiler
        return cute(self, *args, **kwargs)
    at = 1 + names.index("max_active_clusters")
    return cute(self, *args[:at], 7, *args[at + 1 :], **kwargs)
kernel_record.Recorder.cute_compile = other
"""


def test_the_grid_does_not_change_the_code(clean: Swept, sweeper: Sweeper) -> None:
    """So that one compilation stands for all of its sizes."""
    other = sweeper(SMALL, ONE, before=GRID)
    for kind in KINDS:
        assert other.of(kind).code == clean.of(kind).code


SPILLS = """
chosen = kernel_sweep.Sweep.chosen
def dynamic(self):
    return [job for job in chosen(self) if job.kind == "dynamic"]
kernel_sweep.Sweep.chosen = dynamic
cute = kernel_fork._cute
def told(job, real, arch, part):
    job.compile[1]["options"] += " remarks{ptx}"
    cute(job, real, arch, part)
kernel_fork._cute = told
"""


def test_spills_are_what_ptxas_reports(sweeper: Sweeper) -> None:
    big = replace(SMALL, experts=128, hidden=2048, intermediate=768, max_tokens=(8192,))
    swept = sweeper(big, ONE, before=SPILLS)
    kernels = list(swept.report.kernels.values())
    assert len(kernels) > 1  # a dynamic kernel for each tile
    told = []
    for log in (swept.inputs.folder / "compiled").glob("*/log.txt"):
        text = " ".join(log.read_text(encoding="utf-8").split())
        found = re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, "
            r"(\d+) bytes spill loads",
            text,
        )
        assert found is not None, text[-2000:]
        told.append(tuple(map(int, found.groups())))
    figures = [(k.stack, k.local_stores, k.local_loads) for k in kernels]
    # The widest tile. A narrow one has an array on its stack, in local memory too, and
    # ptxas does not count it.
    assert max(told) == max(figures)
    assert any(k.local_stores for k in kernels)
    shared = [k.dynamic_shared for k in kernels]
    assert report.SHARED_LIMIT >= max(shared) > 90_000
