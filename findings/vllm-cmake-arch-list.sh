#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: Asked for 12.0a and 12.1a with CUDA 13, vLLM 0.33.0's CMake builds 12.0a alone, in silence
# Versions: the source archive of vllm 0.33.0, cmake 4.4.5
# Date: 2026-11-30
# Behaviour: From CUDA 13 on its list of supported architectures has 12.0 and no 12.1, and
#   cuda_archs_loose_intersection drops what the list lacks: TORCH_CUDA_ARCH_LIST="12.0a;12.1a"
#   gives 12.0a for the general kernels and for the FP4 ones, whose own list says 12.0f. Asked
#   for 12.1a alone, or for plain 12.0, it builds 12.0 and 12.0f, the family, which both chips
#   load. Below CUDA 13 both are kept. No message says that an architecture was dropped.
# Output:
# > CUDA 12.9, 12.0a;12.1a: general 12.0a;12.1a, FP4 12.0a;12.1a
# > CUDA 13.0, 12.0a;12.1a: general 12.0a, FP4 12.0a
# > CUDA 13.0, 12.1a: general 12.0, FP4 12.0f
# > CUDA 13.0, 12.0: general 12.0, FP4 12.0f
# Matters: A wheel built on purpose for RTX PRO 6000 and DGX Spark does not load on the Spark; the
#   list that works on both is the one that does not name the Spark.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile pip==26.3 \
  cmake==4.4.5 && mkdir tmp; } >&2 || exit 2
# To download a source archive is to begin its build, which ends here at once; what was
# unpacked stays.
TMPDIR=$dir/tmp v/bin/python -m pip download -q --no-deps --no-binary=vllm --no-build-isolation \
  --no-clean vllm==0.33.0 > log 2>&1 || true
tree=$(dirname "$(find tmp -path '*/cmake/utils.cmake' | head -n 1)")/..
[ -f "$tree/CMakeLists.txt" ] || { tail -n 5 log >&2; exit 2; }
{
  echo "include($(realpath "$tree/cmake/utils.cmake"))"
  sed -n '/^if(DEFINED CMAKE_CUDA_COMPILER_VERSION AND/,/^endif()/p' "$tree/CMakeLists.txt"
  cat << 'E'
cuda_archs_loose_intersection(GENERAL "${CUDA_SUPPORTED_ARCHS}" "${GIVEN}")
cuda_archs_loose_intersection(FP4 "${FP4_LIST}" "${GENERAL}")
message(STATUS "general ${GENERAL}, FP4 ${FP4}")
E
} > ask.cmake
ask() { # CUDA, architectures, the FP4 kernels' own list
  grep -qF "(FP4_SM120_ARCHS \"$3\"" "$tree/CMakeLists.txt"
  echo "CUDA $1, $2: $(v/bin/cmake -DCMAKE_CUDA_COMPILER_VERSION="$1" -DGIVEN="$2" -DFP4_LIST="$3" \
    -P ask.cmake 2>&1 | sed -n 's/^-- general/general/p')"
}
seen=$(
  ask 12.9 "12.0a;12.1a" "12.0a;12.1a"
  ask 13.0 "12.0a;12.1a" 12.0f
  ask 13.0 12.1a 12.0f
  ask 13.0 12.0 12.0f
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
