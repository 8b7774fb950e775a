#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: ptxas drops setmaxnreg with a remark and exit code 0 unless the entry says how many registers
# Versions: ptxas of nvidia-cuda-nvcc 13.5.37, PTX for sm_120a
# Date: 2026-11-30
# Behaviour: A kernel of 384 threads whose consumer warps hold 180 values asks for 232 registers
#   there. With .reqntid alone the request is ignored ("unable to determine register count at
#   entry"): 168 registers and spills, exit 0, also with -Werror. --maxrregcount does not help;
#   .minnctapersm or .maxnreg do. Once it is honoured "Used" is the count at entry, 168 for
#   384 threads whatever the code needs, and 232 for 256 threads that need 22.
# Output:
# > 384 threads, 180 values, no more said       168 registers, 132 bytes spilled, ignored
# > 384 threads, 180 values, --maxrregcount 168 168 registers, 132 bytes spilled, ignored
# > 384 threads, 180 values, .minnctapersm 1    168 registers, 0 bytes spilled
# > 384 threads, 180 values, .maxnreg 168       168 registers, 0 bytes spilled
# > 384 threads, 8 values, .minnctapersm 1      168 registers, 0 bytes spilled
# > 256 threads, 8 values, no more said         22 registers, 0 bytes spilled, ignored
# > 256 threads, 8 values, .minnctapersm 1      232 registers, 0 bytes spilled
# > -Werror, where it is ignored: exit 0
# Matters: A warp-specialised kernel loses its registers without a failing build; and the figure
#   of ptxas -v or of the cubin says nothing of such a kernel's need, so a budget that watches
#   it for growth watches a constant. What moves is the spilled bytes.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile --no-deps \
  nvidia-cuda-nvcc==13.5.37; } >&2 || exit 2
ptxas=$(echo v/lib/python*/site-packages/nvidia/cu13/bin/ptxas)
kernel() { # threads, values, one more directive
  cat << E
.version 8.8
.target sm_120a
.address_size 64
.visible .entry k(.param .u64 out)
.reqntid $1
$3
{
  .reg .pred first;
  .reg .u32 t;
  .reg .f32 v<$2>;
  .reg .u64 p;
  ld.param.u64 p, [out];
  mov.u32 t, %tid.x;
  setp.lt.u32 first, t, 128;
  @first bra consumer;
  setmaxnreg.dec.sync.aligned.u32 40;
  st.global.u32 [p], t;
  bra done;
consumer:
  setmaxnreg.inc.sync.aligned.u32 232;
$(for ((i = 0; i < $2; i++)); do echo "  ld.volatile.global.f32 v$i, [p+$((4 * i))];"; done)
  bar.sync 1, 128;
$(for ((i = 0; i < $2; i++)); do echo "  st.volatile.global.f32 [p+$((4 * i + 4096))], v$i;"; done)
done:
  ret;
}
E
}
try() { # threads, values, directive, option
  kernel "$1" "$2" "$3" > k.ptx
  # shellcheck disable=SC2086 # an option and its value, or nothing
  "$ptxas" -v -arch sm_120a $4 k.ptx -o k.cubin > said 2>&1
  used=$(grep -o "Used [0-9]* registers" said) && spilled=$(grep -o "[0-9]* bytes spill stores" said)
  printf '%-43s %s, %s bytes spilled' "$1 threads, $2 values, ${3:-${4:-no more said}}" \
    "${used#Used }" "${spilled%% *}"
  if grep -q "'setmaxnreg' ignored" said; then echo ", ignored"; else echo; fi
}
seen=$(
  try 384 180 "" ""
  try 384 180 "" "--maxrregcount 168"
  try 384 180 ".minnctapersm 1" ""
  try 384 180 ".maxnreg 168" ""
  try 384 8 ".minnctapersm 1" ""
  try 256 8 "" ""
  try 256 8 ".minnctapersm 1" ""
  kernel 384 180 "" > k.ptx
  "$ptxas" -Werror -arch sm_120a k.ptx -o k.cubin > said 2>&1 && code=0 || code=$?
  grep -q "'setmaxnreg' ignored" said
  echo "-Werror, where it is ignored: exit $code"
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
