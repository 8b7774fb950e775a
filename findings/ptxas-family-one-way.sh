#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: PTX for the family sm_120f becomes a cubin of plain sm_121, PTX for sm_121 itself does not
# Versions: ptxas of nvidia-cuda-nvcc 13.5.37; 13.0.88 answers the same
# Date: 2026-11-30
# Behaviour: The block-scaled FP4 mma is refused in PTX for sm_120 and sm_121, taken for their
#   a and f forms. PTX of sm_120f also becomes cubins of sm_120a, sm_121a and the plain sm_121,
#   of the instruction that PTX for sm_121 may not have. The family goes upwards only: sm_121f
#   does not become sm_120a. PTX of sm_120a becomes nothing but sm_120a, not even sm_120f.
# Output:
# > PTX  sm_120 to sm_120  no   sm_120a no   sm_120f no   sm_121  no   sm_121a no   sm_121f no
# > PTX sm_120a to sm_120  no   sm_120a yes  sm_120f no   sm_121  no   sm_121a no   sm_121f no
# > PTX sm_120f to sm_120  yes  sm_120a yes  sm_120f yes  sm_121  yes  sm_121a yes  sm_121f yes
# > PTX  sm_121 to sm_120  no   sm_120a no   sm_120f no   sm_121  no   sm_121a no   sm_121f no
# > PTX sm_121a to sm_120  no   sm_120a no   sm_120f no   sm_121  no   sm_121a yes  sm_121f no
# > PTX sm_121f to sm_120  no   sm_120a no   sm_120f no   sm_121  yes  sm_121a yes  sm_121f yes
# Matters: Whoever ships one PTX for RTX PRO 6000 and DGX Spark has to write sm_120f; with
#   120a, or with the newer chip's 121f, one of the two is left out, and only at run time.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile --no-deps \
  nvidia-cuda-nvcc==13.5.37; } >&2 || exit 2
ptxas=$(echo v/lib/python*/site-packages/nvidia/cu13/bin/ptxas)
all=(sm_120 sm_120a sm_120f sm_121 sm_121a sm_121f)
seen=$(for target in "${all[@]}"; do
  cat > k.ptx << E
.version 8.8
.target $target
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
  mma.sync.aligned.kind::mxf4nvf4.block_scale.scale_vec::4X.m16n8k64.row.col.f32.e2m1.e2m1.f32.ue4m3
    {d0, d1, d2, d3}, {a0, a1, a2, a3}, {a4, a5}, {d0, d1, d2, d3}, s, {0, 0}, s, {0, 0};
  st.global.v4.f32 [p+32], {d0, d1, d2, d3};
  ret;
}
E
  printf 'PTX %7s to' "$target"
  for arch in "${all[@]}"; do
    made=no
    "$ptxas" -arch "$arch" k.ptx -o k.cubin > said 2>&1 && made=yes
    [ $made = yes ] || grep -qE "not supported on .target|cannot be compiled|is higher than" said
    printf ' %-7s %-4s' "$arch" $made
  done | sed 's/ *$//'
  echo
done)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
