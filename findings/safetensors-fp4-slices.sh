#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: safetensors 0.8.0 writes and loads FP4 tensors, but no slice of one can be read
# Versions: safetensors 0.8.0, torch 2.13.0, numpy 2.4.6, ml_dtypes 0.6.0
# Date: 2026-11-30
# Behaviour: A float4_e2m1fn_x2 tensor of torch has two values a byte and shape [4, 8];
#   the file says F4 and [4, 16]. get_tensor() gives [4, 8] back. Every get_slice() fails,
#   [:] too, since it reshapes the bytes to the shape of the file. The numpy reader knows
#   neither F4 nor F8_E8M0, with ml_dtypes imported or without.
# Output:
# > the file says F4 [4, 16], torch had [4, 8]
# > get_tensor: torch.float4_e2m1fn_x2 [4, 8], the same bytes
# > get_slice [:]: RuntimeError
# > get_slice [1:3]: RuntimeError
# > get_slice [:, :4]: RuntimeError
# > the same bytes as uint8, get_slice [1:3]: [2, 8]
# > numpy, F4: AttributeError
# > numpy, F8_E8M0: AttributeError
# Matters: A tensor-parallel loader reads slices, so it works on every checkpoint of today,
#   which keep FP4 as uint8, and stops at the first one that uses the type made for it.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  safetensors==0.8.0 numpy==2.4.6 ml_dtypes==0.6.0; } >&2 || exit 2
seen=$(v/bin/python - << 'E'
import ml_dtypes  # noqa: F401
import safetensors.numpy
import torch
from safetensors import safe_open
from safetensors.torch import save_file

raw = torch.arange(32, dtype=torch.uint8).view(4, 8)
fp4 = raw.view(torch.float4_e2m1fn_x2)
save_file({"w": fp4, "raw": raw.clone()}, "w.safetensors")
save_file({"w": torch.ones(4).to(torch.float8_e8m0fnu)}, "s.safetensors")
save_file({"w": fp4}, "f.safetensors")
with safe_open("w.safetensors", "pt") as f:
    part = f.get_slice("w")
    print(f"the file says {part.get_dtype()} {part.get_shape()}, torch had {list(fp4.shape)}")
    back = f.get_tensor("w")
    same = "the same" if torch.equal(back.view(torch.uint8), raw) else "other"
    print(f"get_tensor: {back.dtype} {list(back.shape)}, {same} bytes")
    for name in ("[:]", "[1:3]", "[:, :4]"):
        try:
            print(f"get_slice {name}: {list(eval(f'part{name}').shape)}")
        except Exception as e:
            print(f"get_slice {name}: {type(e).__name__}")
    print(f"the same bytes as uint8, get_slice [1:3]: {list(f.get_slice('raw')[1:3].shape)}")
for name, file in (("F4", "f"), ("F8_E8M0", "s")):
    try:
        print(f"numpy, {name}: {safetensors.numpy.load_file(f'{file}.safetensors')['w'].dtype}")
    except Exception as e:
        print(f"numpy, {name}: {type(e).__name__}")
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
