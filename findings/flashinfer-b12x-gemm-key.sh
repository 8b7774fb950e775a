#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: FlashInfer compiles one b12x GEMM a tile, whatever N and K, and picks the tile by M and N
# Versions: flashinfer-python 0.7.2.post1, nvidia-cutlass-dsl 4.8.0, apache-tvm-ffi 0.1.12, torch 2.13.0
# Date: 2026-11-30
# Behaviour: The key of a compiled kernel has tile, swap, prefetch and types; M, N and K are
#   arguments of it, as its compiled signature says. Of seven sizes of layers two need a
#   compilation. But which tile a size takes goes by M and N together: at 256 rows 4096 columns
#   take 64x128 and 6144 take 128x128, and another number of SMs moves that line.
# Output:
# > M   1 N  4096 K  4096: compiled, tile (64, 128)
# > M   1 N 12288 K  4096: at hand
# > M   1 N  4096 K 14336: at hand
# > M  16 N  4096 K  4096: at hand
# > M  64 N 11008 K  2048: at hand
# > M 256 N  4096 K  4096: at hand
# > M 256 N  6144 K  1024: compiled, tile (128, 128)
# > signature: mA: Tensor([n0, n1], uint8)
# Matters: A warm-up layer by layer repeats itself at no gain, and one that tries a few M on one
#   layer leaves a compilation to a request; what has to be walked is M by the layers' N.
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
export CUTE_DSL_ARCH=sm_120a CUTE_DSL_NO_CACHE=1 FLASHINFER_CUTE_DSL_DISABLE_CACHE=1
export FLASHINFER_WORKSPACE_BASE=$dir
seen=$(v/bin/python -W ignore - << 'E'
import re
from types import SimpleNamespace

import torch

# What FlashInfer asks of the device; it compiles for real and stops before the launch,
# where TVM-FFI finds CPU tensors and says what the kernel was made for.
gpu = SimpleNamespace(
    major=12, minor=0, multi_processor_count=188, name="SM120", warp_size=32,
    total_memory=96 << 30, shared_memory_per_block_optin=101376,
)  # fmt: skip
torch.cuda.get_device_properties = lambda *_: gpu
torch.cuda.get_device_capability = lambda *_: (12, 0)
torch.cuda.current_device = lambda: 0
torch.cuda.current_stream = lambda *_: SimpleNamespace(cuda_stream=0)
torch.version.cuda = "13.0"
from flashinfer.gemm import gemm_base  # noqa: E402

runner = gemm_base._b12x_gemm_fp4_runner(12, 0, False, torch.bfloat16, True)
kernels = gemm_base._B12X_MM_FP4_KERNEL_CACHE


def block_scales(rows, k):
    return torch.zeros(-(-rows // 128) * 128, k // 16, dtype=torch.float8_e4m3fn)


for m, n, k in (
    (1, 4096, 4096), (1, 12288, 4096), (1, 4096, 14336), (16, 4096, 4096),
    (64, 11008, 2048), (256, 4096, 4096), (256, 6144, 1024),
):  # fmt: skip
    before = set(kernels)
    a = torch.zeros(m, k // 2, dtype=torch.uint8)
    b = torch.zeros(n, k // 2, dtype=torch.uint8)
    out = torch.empty(m, n, dtype=torch.bfloat16)
    given = (a, b.T, block_scales(m, k), block_scales(n, k).T, torch.ones(1))
    try:
        runner.forward((*given, None, out, None, None, None))
    except ValueError as e:
        signature = re.search(r"mA: Tensor\(\[[^]]*\], \w+\)", str(e))[0]
    new = [next(part[1] for part in key if isinstance(part, tuple)) for key in set(kernels) - before]
    print(f"M {m:>3} N {n:>5} K {k:>5}:", f"compiled, tile {new[0]}" if new else "at hand")
print("signature:", signature)
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
