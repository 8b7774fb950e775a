#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: FlashInfer's NVFP4 MoE kernels have the same instructions for sm_120a and sm_121a, in cubins marked for one alone
# Versions: flashinfer-python 0.7.2.post1, nvidia-cutlass-dsl 4.8.0, nvidia-cuda-nvdisasm 13.5.37
# Date: 2026-11-30
# Behaviour: The micro and the static kernel for the layer of Qwen3-30B-A3B (128 experts, 2048,
#   768, top 8), compiled for both with the same number of SMs: not one instruction differs.
#   The files do: the flags of each ELF header name one architecture and its accelerated form,
#   which by NVIDIA's manual runs on that one alone. Both compile with no driver or GPU there.
# Output:
# > micro:  1 kernel each, instructions the same, 448 FP4 mma, marked sm_120a and sm_121a
# > static: 2 kernels each, instructions the same, 448 FP4 mma, marked sm_120a and sm_121a
# Matters: What was tested on an RTX PRO 6000 is the code that a DGX Spark runs, for these
#   kernels; and yet a kernel cache or wheel with cubins has to hold each of them twice.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  numpy==2.4.6 && v/bin/python -m pip install -q --no-compile --no-deps \
  flashinfer-python==0.7.2.post1 apache-tvm-ffi==0.1.12 nvidia-cutlass-dsl==4.8.0 \
  nvidia-cutlass-dsl-libs-{base,core,cu13}==4.8.0 triton==3.9.0 cuda-bindings==13.5.0 \
  cuda-pathfinder==1.9.0 tabulate==0.10.0 click==8.5.1 nvidia-ml-py==13.615.71 packaging==26.3 \
  einops==0.8.2 requests==2.34.2 tqdm==4.70.1 urllib3==2.8.0 idna==3.20 certifi==2026.10.18 \
  charset-normalizer==3.5.3 nvidia-cuda-nvdisasm==13.5.37; } >&2 || exit 2
cat > make.py << 'E'
import os
import sys
from types import SimpleNamespace

import torch

# What FlashInfer asks of the device; a GB10's number of SMs for both.
minor = int(os.environ["CUTE_DSL_ARCH"][5])
gpu = SimpleNamespace(
    major=12, minor=minor, multi_processor_count=48, name="SM12x", warp_size=32,
    total_memory=96 << 30, L2_cache_size=24 << 20, shared_memory_per_block_optin=101376,
)  # fmt: skip
torch.cuda.get_device_properties = lambda *_: gpu
torch.cuda.get_device_capability = lambda *_: (12, minor)
torch.cuda.current_device = lambda: 0
torch.cuda.current_stream = lambda *_: SimpleNamespace(cuda_stream=0)
torch.version.cuda = "13.0"
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch  # noqa: E402

layer = {"state_E": 128, "weight_E": 128, "k": 2048, "n": 768, "num_topk": 8}
if sys.argv[1] == "micro":
    moe_dispatch._get_micro_kernel(m=2, max_rows=16, **layer)
else:
    moe_dispatch._get_static_kernel(m=64, max_rows=1024, **layer)
E
export CUTE_DSL_NO_CACHE=1 CUTE_DSL_KEEP=cubin FLASHINFER_CUTE_DSL_DISABLE_CACHE=1
export FLASHINFER_WORKSPACE_BASE=$dir
nvdisasm=$(echo v/lib/python*/site-packages/nvidia/cu13/bin/nvdisasm)
mark() { "$nvdisasm" -c "$1" | sed -n 's/^\t\.target\t//p' | sort -u | paste -sd+; }
seen=$(for kind in micro static; do
  for arch in sm_120a sm_121a; do
    mkdir -p $kind/$arch
    CUTE_DSL_ARCH=$arch CUTE_DSL_DUMP_DIR=$dir/$kind/$arch v/bin/python -W ignore make.py $kind >&2
    mv $kind/$arch/*.cubin $kind/$arch.cubin
    # Instructions and the labels that they jump to, no directives.
    "$nvdisasm" -c $kind/$arch.cubin | grep -E '^ +/\*[0-9a-f]+\*/|^\.L_|^\.text' > $kind/$arch.sass
  done
  cmp -s $kind/sm_120a.sass $kind/sm_121a.sass && code="the same" || code=differ
  kernels=$(grep -c '^\.text' $kind/sm_120a.sass) || true
  [ "$kernels" = 1 ] && kernels="1 kernel" || kernels="$kernels kernels"
  printf '%-7s %s each, instructions %s, %s FP4 mma, marked %s and %s\n' $kind: "$kernels" "$code" \
    "$(grep -c 'OMMA.SF' $kind/sm_120a.sass)" "$(mark $kind/sm_120a.cubin)" "$(mark $kind/sm_121a.cubin)"
done)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
