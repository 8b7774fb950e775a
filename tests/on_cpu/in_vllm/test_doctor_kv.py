# SPDX-License-Identifier: Apache-2.0
"""The doctor's KV cache, held to vLLM's: groups, pages, blocks and what fits."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from doctor_code import MODELS, families, fields, kv, mixers

TOKENS, GIB = 2048, 1 << 30
NAMES = sorted(path.stem for path in MODELS.glob("*.json"))


def of(name: str) -> Any:
    config = json.loads((MODELS / f"{name}.json").read_text("utf-8"))["files"]
    config = config["config.json"]
    text = config.get("text_config", config)
    return families.model(fields.Fields(config), fields.Fields(text))


def vllm_config(context: int, dtype: str, block: int) -> Any:
    from vllm.config import VllmConfig

    config = VllmConfig()
    cache = config.cache_config
    cache.block_size, cache.cache_dtype = block, dtype
    cache.mamba_cache_mode, cache.mamba_page_size_padded = "align", None
    cache.kv_cache_layout = "LBNHC"
    return SimpleNamespace(
        model_config=SimpleNamespace(
            max_model_len=context,
            dtype=torch.bfloat16,
            use_mla=False,
            architecture="x",
        ),
        cache_config=cache,
        parallel_config=config.parallel_config,
        scheduler_config=SimpleNamespace(disable_hybrid_kv_cache_manager=False),
        attention_config=config.attention_config,
        kv_transfer_config=None,
        max_in_flight_tokens=2 * TOKENS,
        num_speculative_tokens=0,
        speculative_config=None,
    )


def spec(mixer: Any, ranks: int, block: int, page: int | None, fp8: bool) -> Any:
    from vllm.v1 import kv_cache_interface as m

    dtype = torch.uint8 if fp8 else torch.bfloat16
    if isinstance(mixer, mixers.Latent):
        return m.MLAAttentionSpec(
            block_size=block,
            num_kv_heads=1,
            head_size=mixer.rank + mixer.rope,
            dtype=dtype,
        )
    if isinstance(mixer, mixers.Attention):
        size = {
            "block_size": block,
            "num_kv_heads": max(1, mixer.kv_heads // ranks),
            "head_size": mixer.head,
            "dtype": dtype,
        }
        if mixer.window:
            return m.SlidingWindowSpec(sliding_window=mixer.window, **size)
        return m.FullAttentionSpec(**size)
    return m.MambaSpec(
        block_size=block,
        shapes=((mixer.state_bytes(ranks),),),
        dtypes=(torch.uint8,),
        page_size_padded=page,
        mamba_cache_mode="align",
        num_prefill_checkpoint_blocks=int(isinstance(mixer, mixers.Delta)),
        prefill_checkpoint_alignment=block if isinstance(mixer, mixers.Delta) else None,
    )


def aligned(config: Any, state: int, heads: int, head: int, delta: bool) -> None:
    """Let the platform choose the block size, as for a hybrid model."""
    from vllm.model_executor.models import ModelRegistry
    from vllm.platforms.interface import Platform
    from vllm.v1.attention.backend import MultipleOf

    model = SimpleNamespace(
        get_mamba_state_shape_from_config=lambda _: ((state,),),
        get_mamba_state_dtype_from_config=lambda _: (torch.uint8,),
    )
    backend = SimpleNamespace(
        customize_spec=lambda each: each,
        get_supported_kernel_block_sizes=lambda: [MultipleOf(16)],
    )
    config.model_config.get_num_kv_heads = lambda _: heads
    config.model_config.get_head_size = lambda: head
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelRegistry, "resolve_model_cls", lambda *_, **__: (model, ""))
        patch.setattr(Platform, "_find_non_ssm_backends", lambda _: [backend])
        patch.setattr(
            "vllm.model_executor.layers.mamba.abstract.get_layers_from_vllm_config",
            lambda *_: {
                "x": SimpleNamespace(
                    get_prefill_checkpoint_alignment=lambda: 64 if delta else None
                )
            },
        )
        patch.setattr("vllm.config.vllm.set_current_vllm_config", _nothing)
        Platform._align_hybrid_block_size.__func__(Platform, config, backend)


class _nothing:
    def __init__(self, _: Any) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: Any) -> None: ...


@pytest.mark.parametrize("context", [4096, 100_000])
@pytest.mark.parametrize("kind", ["auto", "fp8"])
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_of_public_models(
    worker: None, name: str, ranks: int, kind: str, context: int
) -> None:
    from vllm.v1.core import kv_cache_planning as planning
    from vllm.v1.core.kv_cache_utils import get_max_concurrency_for_kv_cache_config

    model, fp8 = of(name), kind == "fp8"
    found = kv.cache(model.mixers, ranks, kind, context, TOKENS)
    config = vllm_config(context, kind, kv.BLOCK)
    states = [
        m.state_bytes(ranks)
        for m in model.mixers
        if isinstance(m, mixers.Delta | mixers.Mamba)
    ]
    if states:
        first = next(m for m in model.mixers if isinstance(m, mixers.Attention))
        heads = max(1, first.kv_heads // ranks)
        delta = any(isinstance(m, mixers.Delta) for m in model.mixers)
        aligned(config, max(states), heads, first.head, delta)
    block = config.cache_config.block_size
    assert found.block == block
    page = config.cache_config.mamba_page_size_padded
    specs = {
        str(n): spec(m, ranks, block, page, fp8)
        for n, m in enumerate(model.mixers)
        if m is not None and not getattr(m, "shares", False)
    }
    groups = planning.get_kv_cache_groups(config, specs)
    assert len(groups) == len(found.groups)
    nbytes = planning._pool_bytes_per_block(config, groups)
    assert nbytes == found.page * found.layers
    blocks = 100 * GIB // nbytes
    made = SimpleNamespace(kv_cache_groups=groups, num_blocks=blocks)
    fits = get_max_concurrency_for_kv_cache_config(config, made)
    assert found.blocks(100 * GIB) == blocks
    assert found.sequences(100 * GIB) == pytest.approx(fits)


def test_flashinfer_runs_the_delta_net_on_sm12x(
    become: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vllm.model_executor.layers.mamba.gdn import qwen_gdn_linear_attn as m
    from vllm.v1.attention.backends import gdn_attn

    config = SimpleNamespace(
        additional_config={},
        mamba_config=SimpleNamespace(gdn_prefill_backend="auto"),
        model_config=SimpleNamespace(
            hf_text_config=SimpleNamespace(linear_key_head_dim=128)
        ),
    )
    cls = type(m.current_platform)
    monkeypatch.setattr(cls, "get_cuda_runtime_major", lambda _: 13, raising=False)
    for capability in ((12, 0), (12, 1)):
        become(capability)
        assert m._resolve_gdn_prefill_backend(config)[1] == "flashinfer"
    assert gdn_attn.FLASHINFER_GDN_CHECKPOINT_ALIGNMENT == kv._GRID
