#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: ModelOpt, compressed-tensors and torchao make other NVFP4 bytes of the same BF16 weights
# Versions: nvidia-modelopt 0.47.0, compressed-tensors 0.20.1, torchao 0.18.0, torch 2.13.0
# Date: 2026-11-30
# Behaviour: On FP32 weights the three agree to the last bit. On BF16 weights compressed-tensors
#   computes block and global scales in BF16, as its functions are given the extremes, the others
#   in FP32: its global scale is 0.4 % off and 1 % of the block scales and 0.6 % of the values
#   differ. A block of zeros has the scale 1, 0.125 or 0.015625. ModelOpt and torchao agree here.
# Output:
# > float32  modelopt and compressed_tensors: 0 scales, 0 values
# > float32  modelopt and torchao: 0 scales, 0 values
# > float32  compressed_tensors and torchao: 0 scales, 0 values
# > float32  whole scale: 6.04538654e-05 6.04538654e-05 6.04538654e-05
# > bfloat16 modelopt and compressed_tensors: 101 scales, 766 values
# > bfloat16 modelopt and torchao: 0 scales, 0 values
# > bfloat16 compressed_tensors and torchao: 101 scales, 766 values
# > bfloat16 whole scale: 6.03085464e-05 6.05620153e-05 6.03085464e-05
# > block of zeros, its scale: 1 0.125 0.015625
# Matters: A test that compares a kernel or a converter with another library's checkpoint bit for
#   bit fails for no fault of its own; and whoever looks for dead blocks by scale 0 finds none.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  nvidia-modelopt==0.47.0 compressed-tensors==0.20.1 torchao==0.18.0 requests==2.34.2; } >&2 || exit 2
seen=$(v/bin/python -W ignore - 2> log << 'E'
import itertools

import torch
from compressed_tensors.compressors.nvfp4.helpers import pack_fp4_to_uint8
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import quantize
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from modelopt.torch.quantization.qtensor.nvfp4_tensor import NVFP4QTensor
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

ROWS, COLUMNS = 256, 512
ARGS = QuantizationArgs(
    num_bits=4, type="float", strategy="tensor_group", symmetric=True, group_size=16,
    scale_dtype=torch.float8_e4m3fn,
)  # fmt: skip


def modelopt(w):
    made, scale, whole = NVFP4QTensor.quantize(w.clone(), 16)
    return made._quantized_data, scale, whole


def compressed_tensors(w):
    inverse = generate_gparam(w.min().reshape(1), w.max().reshape(1))
    blocks = w.view(ROWS, -1, 16)
    scale, zero = calculate_qparams(blocks.amin(-1), blocks.amax(-1), ARGS, global_scale=inverse)
    return pack_fp4_to_uint8(quantize(w, scale, zero, ARGS, global_scale=inverse)), scale, 1 / inverse


def torchao(w):
    made = NVFP4Tensor.to_nvfp4(w, per_tensor_scale=per_tensor_amax_to_scale(w.abs().max()))
    return made.qdata, made.scale, made.per_tensor_scale


def differ(one, two):
    (p, s, _), (q, t, _) = one, two
    bits = (p.view(torch.uint8) ^ q.view(torch.uint8)).flatten()
    nibbles = ((bits & 15) != 0).sum() + ((bits >> 4) != 0).sum()
    scales = (s.float().flatten() != t.float().flatten()).sum()
    return f"{scales} scales, {nibbles} values"


# The same on every machine: a hash of the place, its cube, within 0.1625.
w = torch.arange(ROWS * COLUMNS) * 2654435761 % 65521
w = (1.3 * (w.double() / 65521 - 0.5) ** 3).view(ROWS, COLUMNS)
TOOLS = (modelopt, compressed_tensors, torchao)
for dtype in (torch.float32, torch.bfloat16):
    found = [tool(w.to(dtype)) for tool in TOOLS]
    for (i, one), (j, two) in itertools.combinations(enumerate(found), 2):
        print(f"{str(dtype)[6:]:<8} {TOOLS[i].__name__} and {TOOLS[j].__name__}: {differ(one, two)}")
    print(f"{str(dtype)[6:]:<8} whole scale:", *(f"{float(x[2]):.9g}" for x in found))
w[0, :16] = 0
print("block of zeros, its scale:", *(f"{tool(w.float())[1].float().flatten()[0]:.6g}" for tool in TOOLS))
E
) || { cat log >&2; exit 1; }
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
