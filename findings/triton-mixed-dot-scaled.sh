#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: Triton 3.9.0 multiplies MXFP8 by MXFP4 in BF16 on SM120 and SM121, and says nothing
# Versions: triton 3.9.0, compiled for a named target, no GPU
# Date: 2026-11-30
# Behaviour: tl.dot_scaled becomes a block-scaled instruction on SM100 for every pair of 8-bit
#   and 4-bit types that has scales on both sides. On SM120 and SM121 it does for equal widths
#   only: e4m3 with e2m1 is widened to BF16, though PTX has that mma (mxf8f6f4) for sm_120a
#   and ptxas takes it. One side without scales is widened to 16 bits on all three.
# Output:
# > e2m1 e2m1, scales ue4m3   sm_100 mxf4nvf4  sm_120 mxf4nvf4  sm_121 mxf4nvf4
# > e2m1 e2m1, scales ue8m0   sm_100 mxf4      sm_120 mxf4nvf4  sm_121 mxf4nvf4
# > e4m3 e4m3, scales ue8m0   sm_100 mxf8f6f4  sm_120 mxf8f6f4  sm_121 mxf8f6f4
# > e5m2 e4m3, scales ue8m0   sm_100 mxf8f6f4  sm_120 mxf8f6f4  sm_121 mxf8f6f4
# > e4m3 e2m1, scales ue8m0   sm_100 mxf8f6f4  sm_120 bf16      sm_121 bf16
# > bf16 e2m1, one scale      sm_100 f16       sm_120 bf16      sm_121 bf16
# > ptxas -arch sm_120a takes e4m3 by e2m1 of mxf8f6f4: yes
# Matters: MXFP4 weights with MXFP8 activations (gpt-oss) run on these GPUs at the rate of BF16
#   in a kernel that looks as if it used their FP4 units; who tunes it tunes something else.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile triton==3.9.0; } \
  >&2 || exit 2
cat > ask.py << 'E'
import re
import subprocess
from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def kernel(
    a, b, sa, sb, c,
    GROUP: tl.constexpr, FA: tl.constexpr, FB: tl.constexpr,
    PA: tl.constexpr, PB: tl.constexpr, BOTH: tl.constexpr,
):  # fmt: skip
    K: tl.constexpr = 128
    m, n, s = tl.arange(0, 128), tl.arange(0, 128), tl.arange(0, K // GROUP)
    left = tl.load(a + m[:, None] * (K // PA) + tl.arange(0, K // PA)[None, :])
    right = tl.load(b + tl.arange(0, K // PB)[:, None] + n[None, :] * (K // PB))
    scale = tl.load(sb + n[:, None] * (K // GROUP) + s[None, :])
    if BOTH:
        other = tl.load(sa + m[:, None] * (K // GROUP) + s[None, :])
        out = tl.dot_scaled(left, other, FA, right, scale, FB)
    else:
        out = tl.dot_scaled(left, None, FA, right, scale, FB)
    tl.store(c + m[:, None] * 128 + n[None, :], out)


TYPES = {"e2m1": "u8", "e4m3": "fp8e4nv", "e5m2": "fp8e5", "bf16": "bf16"}
SCALES = {"ue4m3": ("fp8e4nv", 16), "ue8m0": ("u8", 32)}
for one, two, name, both in (
    ("e2m1", "e2m1", "ue4m3", True),
    ("e2m1", "e2m1", "ue8m0", True),
    ("e4m3", "e4m3", "ue8m0", True),
    ("e5m2", "e4m3", "ue8m0", True),
    ("e4m3", "e2m1", "ue8m0", True),
    ("bf16", "e2m1", "ue8m0", False),
):
    scale, group = SCALES[name]
    given = {
        "GROUP": group, "FA": one, "FB": two, "BOTH": both,
        "PA": 2 if one == "e2m1" else 1, "PB": 2 if two == "e2m1" else 1,
    }  # fmt: skip
    pointers = {"a": TYPES[one], "b": TYPES[two], "sa": scale, "sb": scale, "c": "fp32"}
    types = {k: f"*{v}" for k, v in pointers.items()} | dict.fromkeys(given, "constexpr")
    told = [f"{one} {two}, {f'scales {name}' if both else 'one scale':<14}"]
    for arch in (100, 120, 121):
        made = triton.compile(ASTSource(kernel, types, given), target=GPUTarget("cuda", arch, 32))
        (used,) = set(re.findall(r"(?:mma\.sync|tcgen05\.mma)[\w.:]*", made.asm["ptx"]))
        kind = re.search(r"kind::(\w+)", used) or re.search(r"\.(bf16)\.", used)
        told.append(f"sm_{arch} {kind[1]:<9}")
    print(" ".join(told).rstrip())
Path("k.ptx").write_text(""".version 8.8
.target sm_120a
.address_size 64
.visible .entry k(.param .u64 out)
{
  .reg .f32 d<4>;
  .reg .b32 a<6>, s;
  .reg .u64 p;
  ld.param.u64 p, [out];
  ld.global.v4.b32 {a0, a1, a2, a3}, [p];
  ld.global.v2.b32 {a4, a5}, [p+16];
  ld.global.b32 s, [p+24];
  ld.global.v4.f32 {d0, d1, d2, d3}, [p+32];
  mma.sync.aligned.kind::mxf8f6f4.block_scale.scale_vec::1X.m16n8k32.row.col.f32.e4m3.e2m1.f32.ue8m0
    {d0, d1, d2, d3}, {a0, a1, a2, a3}, {a4, a5}, {d0, d1, d2, d3}, s, {0, 0}, s, {0, 0};
  st.global.v4.f32 [p+32], {d0, d1, d2, d3};
  ret;
}
""")
(ptxas,) = Path(triton.__file__).parent.glob("backends/nvidia/bin/ptxas-blackwell")
code = subprocess.run([ptxas, "-arch", "sm_120a", "k.ptx", "-o", "k.cubin"]).returncode
print("ptxas -arch sm_120a takes e4m3 by e2m1 of mxf8f6f4:", "no" if code else "yes")
E
seen=$(TRITON_CACHE_DIR=$dir/cache v/bin/python -W ignore ask.py)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
