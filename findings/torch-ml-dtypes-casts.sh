#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: torch 2.13.0 and ml_dtypes 0.6.0 cast the same numbers to other FP8 bytes
# Versions: torch 2.13.0 (on a CPU), ml_dtypes 0.6.0, numpy 2.4.6
# Date: 2026-11-30
# Behaviour: Past 448, infinity too, torch gives 448 in e4m3fn and ml_dtypes NaN (torch 2.11.0
#   gave NaN as well); 464 lies half-way and is 448 in both. In e5m2 both give infinity. In
#   e8m0fnu torch makes 2^-127 of 0 and drops the sign of -1; ml_dtypes makes NaN of both. To
#   e2m1, which has no NaN, ml_dtypes casts NaN to -0; the instruction cvt.rn.satfinite gives
#   +6 by the PTX manual.
# Output:
# > e4m3fn  of  464: torch  448, ml_dtypes  448
# > e4m3fn  of  465: torch  448, ml_dtypes  nan
# > e4m3fn  of  inf: torch  448, ml_dtypes  nan
# > e4m3fn  of  nan: torch  nan, ml_dtypes  nan
# > e5m2    of  inf: torch  inf, ml_dtypes  inf
# > e8m0fnu of    0: torch 5.88e-39, ml_dtypes  nan
# > e8m0fnu of   -1: torch    1, ml_dtypes  nan
# > e2m1fn  of  nan: ml_dtypes   -0
# Matters: A quantiser without a clamp passes its tests on this torch and fails on 2.11.0, or
#   against a reference in numpy; a scale that became 0 or negative shows in one of them only.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  numpy==2.4.6 ml_dtypes==0.6.0; } >&2 || exit 2
seen=$(v/bin/python - << 'E'
import warnings

import ml_dtypes
import numpy as np
import torch

warnings.simplefilter("ignore")  # numpy tells of the NaN that comes out


def here(name, value):
    return np.array([value], np.float32).astype(getattr(ml_dtypes, name)).astype(np.float32)[0]


for name, values in (
    ("e4m3fn", [464.0, 465.0, np.inf, np.nan]),
    ("e5m2", [np.inf]),
    ("e8m0fnu", [0.0, -1.0]),
):
    for value in values:
        one = torch.tensor([value]).to(getattr(torch, f"float8_{name}")).float().item()
        other = here(f"float8_{name}", value)
        print(f"{name:<7} of {value:>4g}: torch {one:>4.3g}, ml_dtypes {other:>4.3g}")
print(f"e2m1fn  of {np.nan:>4g}: ml_dtypes {here('float4_e2m1fn', np.nan):>4g}")
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
