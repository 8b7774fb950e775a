# SPDX-License-Identifier: Apache-2.0
"""Selection where the real CuTe DSL compiles, and where it does not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import cutlass.cute
import pytest
from tests.kernels.moe.flashinfer_cutedsl_sm12x_utils import make_config

Select = Callable[..., str]


@pytest.fixture
def select(worker: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Select]:
    """The MoE backend that vLLM's oracle selects on an SM120 device."""
    import vllm.utils.flashinfer as fi
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.model_executor.layers.fused_moe import b12x
    from vllm.model_executor.layers.fused_moe.oracle import nvfp4 as oracle
    from vllm.model_executor.layers.quantization.utils.quant_utils import (
        kNvfp4Dynamic,
        kNvfp4Static,
    )
    from vllm.utils.cutedsl import cutedsl_problem

    # It asks PyTorch for the device, of which there is none here.
    monkeypatch.setattr(b12x.get_b12x_fused_moe(), "is_supported", lambda: True)

    def forget() -> None:
        for asked in (
            cutedsl_problem,
            fi.flashinfer_cutedsl_sm12x_moe_problem,
            fi.flashinfer_b12x_gemm_problem,
        ):
            asked.cache_clear()

    def ask(a16: bool, moe_backend: str = "auto") -> str:
        forget()
        with set_current_vllm_config(VllmConfig()):
            config = make_config(moe_backend=moe_backend)
            key = None if a16 else kNvfp4Dynamic
            return oracle.select_nvfp4_moe_backend(config, kNvfp4Static, key)[0].value

    yield ask
    forget()


def test_what_compiles_is_selected(select: Select) -> None:
    from vllm.utils.cutedsl import cutedsl_problem
    from vllm.utils.flashinfer import flashinfer_b12x_gemm_problem

    assert select(a16=False) == "FLASHINFER_CUTEDSL_SM12X"
    assert select(a16=True) == "B12X"
    assert cutedsl_problem() is flashinfer_b12x_gemm_problem() is None


@pytest.fixture(params=["no cutlass", "broken compiler"])
def reason(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is wrong with CuTe DSL, as its user is told."""
    if request.param == "no cutlass":
        for name in [name for name in sys.modules if name.startswith("cutlass")]:
            monkeypatch.setitem(sys.modules, name, None)
        return "CuTe DSL does not compile (ModuleNotFoundError"

    def compile(*args: object, **kwargs: object) -> None:
        raise RuntimeError("ptxas is of another release")

    monkeypatch.setattr(cutlass.cute, "compile", compile)
    return "CuTe DSL does not compile (RuntimeError: ptxas is of another release)"


@pytest.mark.parametrize(
    ("a16", "name", "otherwise"),
    [
        (False, "flashinfer_cutedsl_sm12x", "FLASHINFER_CUTLASS"),
        (True, "b12x", "MARLIN"),
    ],
)
def test_what_does_not_compile_is_passed_over(
    select: Select, reason: str, a16: bool, name: str, otherwise: str
) -> None:
    assert select(a16) == otherwise
    with pytest.raises(ValueError, match=r"does not compile") as refused:
        select(a16, name)
    assert reason in str(refused.value)
