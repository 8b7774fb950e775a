#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: FlashInfer 0.7.4 compiles its kernels anew when the same wheels were put in by another installer
# Versions: flashinfer-python 0.7.4, apache-tvm-ffi 0.1.12, nvidia-cutlass-dsl 4.8.0, torch 2.13.0,
#   pip 26.3, uv 0.13.9
# Date: 2026-11-30
# Behaviour: The key of its disk cache of CuTe DSL kernels is a digest of the whole RECORD of
#   torch, apache-tvm-ffi and nvidia-cutlass-dsl*. pip writes a line there for each .pyc that it
#   makes, and for INSTALLER and REQUESTED; uv writes others. So pip, pip --no-compile and uv
#   give three keys for one wheel, byte for byte the same code. The key of the sources has their
#   absolute paths in it besides, in 0.7.4 as in 0.7.2.post1.
# Output:
# > key of the stack after pip:              A
# > key of the stack after pip --no-compile: B
# > key of the stack after uv:               C
# > key of the stack after pip again:        A
# > key of sources, moved to another folder: another
# Matters: A cache filled while an image is built with uv or --no-compile is not used in an image
#   that pip filled: the kernels compile at the first request, and no message says why.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile pip==26.3 \
  uv==0.13.9 torch==2.13.0 numpy==2.4.6 && v/bin/python -m pip install -q --no-compile --no-deps \
  flashinfer-python==0.7.4 nvidia-cutlass-dsl==4.8.0 nvidia-cutlass-dsl-libs-{base,core,cu13}==4.8.0 \
  triton==3.9.0 cuda-bindings==13.5.0 cuda-pathfinder==1.9.0 tabulate==0.10.0 click==8.5.1 \
  nvidia-ml-py==13.615.71 packaging==26.3 einops==0.8.2 requests==2.34.2 tqdm==4.70.1 \
  urllib3==2.8.0 idna==3.20 certifi==2026.10.18 charset-normalizer==3.5.3 \
  && v/bin/python -m pip download -q --no-deps -d w apache-tvm-ffi==0.1.12; } >&2 || exit 2
cat > key.py << 'E'
import hashlib
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

# What FlashInfer asks of the device when it is imported.
gpu = SimpleNamespace(major=12, minor=0, multi_processor_count=188, name="SM120", warp_size=32)
torch.cuda.get_device_properties = lambda *_: gpu
torch.cuda.get_device_capability = lambda *_: (12, 0)
torch.version.cuda = "13.0"
from flashinfer.jit import cute_dsl_core as core  # noqa: E402

if sys.argv[1:] == ["stack"]:
    print(hashlib.sha256(core._get_cute_dsl_version().encode()).hexdigest())
else:
    source = core.__file__
    moved = shutil.copy(source, Path("moved.py").resolve())
    one, two = (core._hash_source_files((path,)) for path in (source, str(moved)))
    print("key of sources, moved to another folder:", "the same" if one == two else "another")
E
export FLASHINFER_WORKSPACE_BASE=$dir
letters=ABCD known=()
try() { # label, installer's command
  local label=$1 key i
  shift
  "$@" w/*.whl >&2 || exit 2
  key=$(v/bin/python -W ignore key.py stack)
  for ((i = 0; i < ${#known[@]}; i++)); do [ "${known[i]}" != "$key" ] || break; done
  known[i]=$key
  printf 'key of the stack after %-17s %s\n' "$label:" "${letters:i:1}"
}
pip=(v/bin/python -m pip install -q --force-reinstall --no-deps)
seen=$(
  try "pip" "${pip[@]}"
  try "pip --no-compile" "${pip[@]}" --no-compile
  try "uv" v/bin/uv pip install -q -p v/bin/python --reinstall --no-deps
  try "pip again" "${pip[@]}"
  v/bin/python -W ignore key.py sources
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
