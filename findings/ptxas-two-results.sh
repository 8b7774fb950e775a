#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: One function of PTX with two results takes the stack pointer from every kernel of its module
# Versions: ptxas of nvidia-cuda-nvcc 13.5.37, nvdisasm of nvidia-cuda-nvdisasm 13.5.37, PTX for sm_120a
# Date: 2026-11-30
# Behaviour: A kernel with an array in local memory calls a function. Where that has one result,
#   R1 is the stack pointer, and ptxas -v tells stack and spills. Where it has two in registers,
#   ptxas warns that it disables the ABI and exits 0: R1 is a register like the others, local
#   memory is addressed from 0, and -v has no line of stack or spills any more.
# Output:
# > one result:  exit 0, R1 is loaded as stack pointer, -v: 128 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
# > two results: exit 0, R1 is set to 0 as a value, -v: 128 bytes lmem
# Matters: A debugger or checker that takes R1 for the stack pointer reads a value of the
#   program. And a check of spills by ptxas -v finds nothing to read, which looks like 0.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile --no-deps \
  nvidia-cuda-nvcc==13.5.37 nvidia-cuda-nvdisasm==13.5.37; } >&2 || exit 2
bin=$(echo v/lib/python*/site-packages/nvidia/cu13/bin)
kernel() { # results of the function
  if [ "$1" = two ]; then head=".func (.reg .b32 a, .reg .b32 b) both (.reg .b32 x)" call="call (r, s), both, (i);"
  else head=".func (.reg .b32 a) both (.reg .b32 x)" call="call (r), both, (i); mov.b32 s, r;"; fi
cat << K
.version 8.8
.target sm_120a
.address_size 64
$head
{
  .reg .b32 t;
  mul.lo.u32 t, x, 7;
  add.u32 a, t, 1;
  $([ "$1" = two ] && echo "xor.b32 b, t, 5;")
  ret;
}
.visible .entry k(.param .u64 out)
{
  .local .align 4 .b8 held[128];
  .reg .b32 i, r, s, v;
  .reg .b64 p, at, off;
  ld.param.u64 p, [out];
  mov.u32 i, %tid.x;
  $call
  mov.u64 at, held;
  mul.wide.u32 off, i, 4;
  add.u64 off, off, at;
  st.local.b32 [off], r;
  xor.b32 v, s, 4;
  and.b32 v, v, 31;
  mul.wide.u32 off, v, 4;
  add.u64 off, off, at;
  ld.local.b32 v, [off];
  st.global.b32 [p], v;
  ret;
}
K
}
pointer() { # of the disassembly: what R1 is first used for
  local first
  first=$("$bin/nvdisasm" -c "$1" | grep -m 1 -oE '[A-Z0-9.]+ R1, [^;]*')
  case $first in
    "LDC R1, c[0x0]"*) echo "R1 is loaded as stack pointer" ;;
    "HFMA2 R1, -RZ, RZ, 0, 0"*) echo "R1 is set to 0 as a value" ;;
    *) echo "R1: $first" ;;
  esac
}
try() { # one or two
  kernel "$1" > k.ptx
  "$bin/ptxas" -v -arch sm_120a k.ptx -o k.cubin > said 2>&1 && code=0 || code=$?
  if grep -q "disabling ABI" said; then [ "$1" = two ]; else [ "$1" = one ]; fi
  told=$(grep -oE "[0-9]+ bytes (stack frame.*|lmem)" said | head -n 1)
  echo "exit $code, $(pointer k.cubin), -v: $told"
}
seen=$(
  echo "one result:  $(try one)"
  echo "two results: $(try two)"
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
