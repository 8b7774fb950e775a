#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: Between two patch releases FlashInfer's static MoE kernel got a tensor in the middle of its arguments
# Versions: flashinfer-python 0.7.2.post1 and 0.7.4 (there is no 0.7.3), nvidia-cutlass-dsl 4.8.0
# Date: 2026-11-30
# Behaviour: Compiled for sm_120a for the layer of Qwen3-30B-A3B, the micro kernel of both
#   takes the same 24 arguments. The static kernel takes 27 for 26: route_state is the 11th, and
#   all after it moved. B12xMoEWrapper, the public face, has the signature it had. A workspace with
#   1024 rows an expert, from which 0.7.2.post1 compiles, is a ValueError in 0.7.4: its slots
#   have the rows of a tile, 32.
# Output:
# > micro:  24 and 24 arguments, the same
# > static: 26 and 27 arguments, new: route_state at 11
# > B12xMoEWrapper: __init__ the same, run the same
# > static, 1024 rows an expert: 0.7.2.post1 compiles, 0.7.4 raises ValueError
# Matters: Whoever fills FlashInfer's kernel cache ahead of time, shares its workspaces or calls
#   the kernels by position reads a patch release as compatible, and the Python signatures agree.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  numpy==2.4.6 && v/bin/python -m pip install -q --no-compile --no-deps \
  apache-tvm-ffi==0.1.12 nvidia-cutlass-dsl==4.8.0 nvidia-cutlass-dsl-libs-{base,core,cu13}==4.8.0 \
  triton==3.9.0 cuda-bindings==13.5.0 cuda-pathfinder==1.9.0 tabulate==0.10.0 click==8.5.1 \
  nvidia-ml-py==13.615.71 packaging==26.3 einops==0.8.2 requests==2.34.2 tqdm==4.70.1 \
  urllib3==2.8.0 idna==3.20 certifi==2026.10.18 charset-normalizer==3.5.3 \
  && v/bin/python -m pip install -q --no-compile --no-deps --target=old flashinfer-python==0.7.2.post1 \
  && v/bin/python -m pip install -q --no-compile --no-deps --target=new flashinfer-python==0.7.4; } \
  >&2 || exit 2
cat > make.py << 'E'
import inspect
import json
import re
import sys
from types import SimpleNamespace

import torch

gpu = SimpleNamespace(
    major=12, minor=0, multi_processor_count=48, name="SM120", warp_size=32,
    total_memory=96 << 30, L2_cache_size=24 << 20, shared_memory_per_block_optin=101376,
)  # fmt: skip
torch.cuda.get_device_properties = lambda *_: gpu
torch.cuda.get_device_capability = lambda *_: (12, 0)
torch.cuda.current_device = lambda: 0
torch.cuda.current_stream = lambda *_: SimpleNamespace(cuda_stream=0)
torch.cuda.is_current_stream_capturing = lambda: False
torch.version.cuda = "13.0"
from flashinfer import B12xMoEWrapper  # noqa: E402
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch  # noqa: E402

layer = {"state_E": 128, "weight_E": 128, "k": 2048, "n": 768, "num_topk": 8}


def arguments(make, **more):
    made = make(**layer, **more)
    kernel = made[0] if isinstance(made, tuple) else made
    try:
        kernel()
    except TypeError as e:
        return re.findall(r"'(\w+)'", str(e))


try:
    arguments(moe_dispatch._get_static_kernel, m=64, max_rows=1024)
    wide = "compiles"
except ValueError:
    wide = "raises ValueError"
rows = int(sys.argv[1])
names = ("__init__", "run")
json.dump(
    {
        "micro": arguments(moe_dispatch._get_micro_kernel, m=2, max_rows=16),
        "static": arguments(moe_dispatch._get_static_kernel, m=64, max_rows=rows),
        "public": [str(inspect.signature(getattr(B12xMoEWrapper, x))) for x in names],
        "wide": wide,
    },
    open(sys.argv[2], "w"),
)
E
export CUTE_DSL_ARCH=sm_120a CUTE_DSL_NO_CACHE=1 FLASHINFER_CUTE_DSL_DISABLE_CACHE=1
export FLASHINFER_WORKSPACE_BASE=$dir
PYTHONPATH=$dir/old v/bin/python -W ignore make.py 1024 old.json >&2
PYTHONPATH=$dir/new v/bin/python -W ignore make.py 32 new.json >&2
seen=$(v/bin/python - << 'E'
import json

old, new = (json.load(open(f"{name}.json")) for name in ("old", "new"))
for kind in ("micro", "static"):
    a, b = old[kind], new[kind]
    more = [f"{x} at {b.index(x) + 1}" for x in b if x not in a]
    kept = [x for x in b if x in a] == a
    told = "the same" if a == b else f"new: {', '.join(more)}" if kept else "others"
    print(f"{kind + ':':<7} {len(a)} and {len(b)} arguments, {told}")
same = ["the same" if x == y else "other" for x, y in zip(old["public"], new["public"])]
print(f"B12xMoEWrapper: __init__ {same[0]}, run {same[1]}")
print(f"static, 1024 rows an expert: 0.7.2.post1 {old['wide']}, 0.7.4 {new['wide']}")
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
