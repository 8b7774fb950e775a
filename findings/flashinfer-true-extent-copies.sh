#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: FlashInfer 0.7.4 reads NVFP4 MoE weights "at their true size" and keeps up to 6.9 times their bytes
# Versions: flashinfer-python 0.7.4, torch 2.13.0, nvidia-cutlass-dsl 4.8.0, triton 3.9.0
# Date: 2026-11-30
# Behaviour: Where the intermediate size I of a rank is no multiple of 128, or not above 128, the
#   views that SM12x kernels get hold copies beside the caller's weights: padded block scales,
#   for up to 128 the weights at 256, and, once a decode call takes the direct micro kernel that
#   wants padded storage (ensure_legacy), all FP4 weights padded. The copies are kept by address,
#   so that weights reloaded in place do not reach them. Padding I to a multiple of 128, and at
#   least 256, before FlashInfer sees it needs none of them (last column).
# Output:
# >    I  gated  views  + padded scales  + direct micro  padded by the caller
# >   64    yes   5.11             5.11            6.89                  4.00
# >  128    yes   3.00             3.00            3.00                  2.00
# >  192    yes   1.00             1.15            2.33                  1.33
# >  192     no   1.04             1.04            2.22                  1.33
# >  352    yes   1.01             1.01            1.98                  1.09
# >  704    yes   1.00             1.12            2.09                  1.09
# >  768    yes   1.00             1.00            1.00                  1.00
# > 1856     no   1.00             1.00            1.92                  1.03
# Matters: Sizes of one rank are such at tensor parallel 2 to 8 (192: Qwen3-30B-A3B on four GPUs).
#   An engine that counts its weights before the first call counts half of them.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  numpy==2.4.6 && v/bin/python -m pip install -q --no-compile --no-deps \
  flashinfer-python==0.7.4 apache-tvm-ffi==0.1.12 nvidia-cutlass-dsl==4.8.0 \
  nvidia-cutlass-dsl-libs-{base,core,cu13}==4.8.0 triton==3.9.0 cuda-bindings==13.5.0 \
  cuda-pathfinder==1.9.0 tabulate==0.10.0 click==8.5.1 nvidia-ml-py==13.615.71 packaging==26.3 \
  einops==0.8.2 requests==2.34.2 tqdm==4.70.1 urllib3==2.8.0 idna==3.20 certifi==2026.10.18 \
  charset-normalizer==3.5.3; } >&2 || exit 2
seen=$(CUTE_DSL_ARCH=sm_120a FLASHINFER_WORKSPACE_BASE=$dir v/bin/python -W ignore - << 'E'
from types import SimpleNamespace

import torch

# What FlashInfer asks of the device; everything else is its own code, short of a launch.
gpu = SimpleNamespace(
    major=12, minor=0, multi_processor_count=188, name="SM120", warp_size=32,
    total_memory=96 << 30, shared_memory_per_block_optin=101376,
)  # fmt: skip
torch.cuda.get_device_properties = lambda *_: gpu
torch.cuda.get_device_capability = lambda *_: (12, 0)
torch.cuda.is_current_stream_capturing = lambda: False
torch.version.cuda = "13.0"
from flashinfer.cute_dsl.utils import convert_sf_to_mma_layout  # noqa: E402
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch  # noqa: E402

EXPERTS, HIDDEN = 4, 512


def up(value, multiple):
    return -(-value // multiple) * multiple


def scales(rows, columns):  # float8_e4m3fn, one a block of 16, swizzled
    rows, blocks = up(rows, 128), up(columns // 16, 4)
    flat = torch.zeros(EXPERTS * rows * blocks, dtype=torch.uint8)
    return convert_sf_to_mma_layout(
        flat.view(torch.float8_e4m3fn), m=rows, k=16 * blocks, num_groups=EXPERTS
    )


def nbytes(size, branches):  # of packed weights and their block scales
    return EXPERTS * (branches + 1) * size * HIDDEN * 9 // 16


def storages(value, found):
    if isinstance(value, torch.Tensor):
        found[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    elif isinstance(value, (tuple, list)):
        for each in value:
            storages(each, found)


print("   I", "gated", "views", "+ padded scales", "+ direct micro", "padded by the caller", sep="  ")
for size, branches in [(64, 2), (128, 2), (192, 2), (192, 1), (352, 2), (704, 2), (768, 2), (1856, 1)]:
    moe_dispatch._WEIGHT_CACHE.clear()
    views = moe_dispatch._prepare_weight_views(
        w1_fp4=torch.zeros(EXPERTS, branches * size, HIDDEN // 2, dtype=torch.uint8),
        w1_blockscale=scales(branches * size, HIDDEN),
        w2_fp4=torch.zeros(EXPERTS, HIDDEN, size // 2, dtype=torch.uint8),
        w2_blockscale=scales(HIDDEN, size),
        w1_alphas=torch.ones(EXPERTS), w2_alphas=torch.ones(EXPERTS),
        n=size, k=HIDDEN, quant_mode="nvfp4",
        activation="silu" if branches == 2 else "relu2",
    )  # fmt: skip
    held, ratios = {}, []
    for step in (lambda: None, views.padded_scales, views.ensure_legacy):
        if step != views.ensure_legacy or not views.legacy_materialized:
            step()
        storages(list(vars(views).values()), held)
        ratios.append(sum(held.values()) / nbytes(size, branches))
    ratios.append(max(256, up(size, 128)) / size)
    gated = "yes" if branches == 2 else "no"
    print(f"{size:>4} {gated:>6} {ratios[0]:6.2f} {ratios[1]:16.2f} {ratios[2]:15.2f} {ratios[3]:21.2f}")
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
