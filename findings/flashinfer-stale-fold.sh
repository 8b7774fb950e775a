#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: FlashInfer's B12xMoEWrapper keeps old weight scales after p.data.copy_(), the usual way to reload
# Versions: flashinfer-python 0.7.2.post1, torch 2.13.0, nvidia-cutlass-dsl 4.8.0, triton 3.9.0
# Date: 2026-11-30
# Behaviour: run() multiplies w1_alpha by input_global_scale once and keeps the product by the
#   addresses and _version of both. p.data.copy_(), p.data.mul_() and writes through numpy leave
#   _version alone, so that the kernel gets the product of the old scale; p.copy_() and
#   p.detach().copy_() raise it, and then the product moves to another address, which a captured
#   CUDA graph does not follow. A scale that was made in inference_mode() raises.
# Output:
# > first run:            alpha  6
# > p.data.copy_(10):     alpha  6, at the same address
# > p.numpy()[:] = 10:    alpha  6, at the same address
# > p.detach().copy_(10): alpha 30, at another address
# > p.copy_(20):          alpha 60, at another address
# > scale made in inference_mode: RuntimeError: Inference tensors do not track version counter.
# Matters: An engine that reloads or swaps weights in place (RL, sleep mode) goes on with the
#   scales of the old ones: no error, wrong numbers.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  numpy==2.4.6 && v/bin/python -m pip install -q --no-compile --no-deps \
  flashinfer-python==0.7.2.post1 apache-tvm-ffi==0.1.12 nvidia-cutlass-dsl==4.8.0 \
  nvidia-cutlass-dsl-libs-{base,core,cu13}==4.8.0 triton==3.9.0 cuda-bindings==13.5.0 \
  cuda-pathfinder==1.9.0 tabulate==0.10.0 click==8.5.1 nvidia-ml-py==13.615.71 packaging==26.3 \
  einops==0.8.2 requests==2.34.2 tqdm==4.70.1 urllib3==2.8.0 idna==3.20 certifi==2026.10.18 \
  charset-normalizer==3.5.3; } >&2 || exit 2
seen=$(CUTE_DSL_ARCH=sm_120a FLASHINFER_WORKSPACE_BASE=$dir v/bin/python -W ignore - << 'E'
from types import SimpleNamespace
from unittest import mock

import torch

# What FlashInfer asks of the device; everything else is its own code, up to the launch.
gpu = SimpleNamespace(
    major=12, minor=0, multi_processor_count=188, name="SM120", warp_size=32,
    total_memory=96 << 30, shared_memory_per_block_optin=101376,
)  # fmt: skip
torch.cuda.get_device_properties = lambda *_: gpu
torch.cuda.get_device_capability = lambda *_: (12, 0)
torch.version.cuda = "13.0"
from flashinfer.fused_moe.cute_dsl import b12x_moe  # noqa: E402
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch  # noqa: E402

E, H, I, K, T = 4, 256, 256, 2, 4


def scales(rows, columns):  # block scales of 1, in FlashInfer's layout
    tiles = torch.ones(E, rows // 128, columns // 64, 32, 4, 4).to(torch.float8_e4m3fn)
    return tiles.permute(3, 4, 1, 5, 2, 0)


alpha = torch.nn.Parameter(torch.full((E,), 2.0), requires_grad=False)
given = {
    "x": torch.zeros(T, H, dtype=torch.bfloat16),
    "w1_weight": torch.zeros(E, 2 * I, H // 2, dtype=torch.uint8),
    "w1_weight_sf": scales(2 * I, H),
    "w2_weight": torch.zeros(E, H, I // 2, dtype=torch.uint8),
    "w2_weight_sf": scales(H, I),
    "token_selected_experts": torch.zeros(T, K, dtype=torch.int32),
    "token_final_scales": torch.ones(T, K),
    "w1_alpha": alpha,
    "w2_alpha": torch.ones(E),
    "fc2_input_scale": torch.ones(E),
    "input_global_scale": torch.full((E,), 3.0),
}
wrapper = b12x_moe.B12xMoEWrapper(E, K, H, I, device="cpu")
kept, before = [], None
with mock.patch.object(moe_dispatch, "launch_sm120_moe") as launch:

    def run(name):
        global before
        wrapper.run(**given)
        got = launch.call_args.kwargs["_weight_views"].w1_alpha
        same = got.data_ptr() == before
        where = ", at the same address" if same else ", at another address"
        print(f"{name:<21} alpha {got[0].item():>2g}{where if kept else ''}")
        kept.append(got)
        before = got.data_ptr()

    run("first run:")
    alpha.data.copy_(torch.full((E,), 10.0))
    run("p.data.copy_(10):")
    alpha.numpy()[:] = 10
    run("p.numpy()[:] = 10:")
    alpha.detach().copy_(torch.full((E,), 10.0))
    run("p.detach().copy_(10):")
    alpha.copy_(torch.full((E,), 20.0))
    run("p.copy_(20):")
    with torch.inference_mode():
        given["input_global_scale"] = torch.full((E,), 3.0)
    try:
        wrapper.run(**given)
    except RuntimeError as e:
        print(f"scale made in inference_mode: RuntimeError: {e}")
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
