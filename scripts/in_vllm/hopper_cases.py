# SPDX-License-Identifier: Apache-2.0
"""What a run of ``make hopper`` has to show: the cases of its parts.

The parts run them on the GPU, and scripts/hopper/complete.py looks whether they are all
there. No import but of the standard library.
"""

from __future__ import annotations

MULTIPROCESSORS = 132
"""Of an H200 or H100 SXM. Grids are made for it: barriers between blocks want all of
them on the GPU at once."""
PARTS = (
    "instructions", "regimes", "reciprocals", "errors", "models", "graphs", "linear",
    "w4a16", "engine", "seed", "sanitizer",
)  # fmt: skip
PAIR = ("ranks", "ranks_race")
"""Parts for a machine with two GPUs: a run of one is whole without them."""
_REPORTS = ("tool", "kind", "errors", "warnings", "launches", "first report")
COLUMNS = {
    "instructions": (
        "instruction",
        "what",
        "cases",
        "wrong",
    ),
    "regimes": (
        "regime",
        "tile",
        "activation",
        "scales",
        "tokens",
        "kernel-reference",
        "double-reference",
        "kernel-double",
        "worst row",
        "runs",
        "runs apart",
    ),
    "reciprocals": (
        "layer",
        "ranks",
        "intermediate",
        "kernel",
        "tokens",
        "kernel-double",
        "worst row",
        "kernel-double, 1/x",
        "worst row, 1/x",
    ),
    "errors": (
        "checkpoint",
        "sigma",
        "tokens",
        "fork",
        "upstream's flashinfer_b12x",
    ),
    "models": (
        "model",
        "ranks",
        "experts",
        "top-k",
        "hidden",
        "intermediate",
        "kernel",
        "tokens",
        "rows",
        "kernel-reference",
        "double-reference",
        "kernel-double",
        "worst row",
        "runs apart",
    ),
    "graphs": (
        "tokens",
        "what",
        "layers",
        "largest error",
        "layers like eager to the bit",
    ),
    "linear": (
        "M",
        "N",
        "K",
        "tile",
        "how",
        "elements",
        "rounded otherwise",
        "more than one step",
        "error",
        "runs",
    ),
    "w4a16": (
        "model",
        "intermediate",
        "class",
        "block",
        "tokens",
        "rows",
        "kernel-reference",
        "worst row",
        "runs",
    ),
    "seed": (
        "file",
        "capability",
        "passed",
        "failed",
        "skipped",
        "first failure",
    ),
    "sanitizer": _REPORTS,
    "engine": (
        "how",
        "what came of it",
    ),
    "ranks": (
        "layer",
        "kernel",
        "tokens",
        "top-k",
        "intermediate",
        "of a rank",
        "TP 2 to TP 1",
        "replay to eager",
        "to the reference",
        "bits on the ranks",
    ),
    "ranks_race": (*_REPORTS[:2], "kernels", *_REPORTS[2:]),
}
"""Of the rows of a part; what scripts/hopper reads them by."""

NAMED = {
    "regimes": ("activation", "scales", "regime", "tile", "tokens"),
    "models": ("model", "ranks", "rows", "tokens"),
    "linear": ("how", "tile", "N", "K", "M"),
}
"""Of parts whose rows FlashInfer's own functions decide, the columns that tell one row
from another. The bundle says which there are."""

RUNS = 100
"""Of the same input, where it is asked whether bits repeat."""
AGAIN = 4
"""More runs of the same input in layers of real models."""
LAYERS, GRAPH_SIZE = 48, 256
"""In a CUDA graph, and their hidden and intermediate size."""
TESTS = {
    "tests/kernels/moe/test_flashinfer_cutedsl_sm12x_moe.py": "",
    "tests/kernels/quantization/test_flashinfer_nvfp4_scaled_mm.py": "b12x",
}
"""Of the series, and pytest's -k for each: what the part seed runs."""

_TILE = 16 * 8
INSTRUCTIONS = {
    ("mma", "all pairs of values, at every place of k"): 16 * 16 * _TILE,
    ("mma", "all scales of both sides"): 127 * _TILE,
    ("mma", "random tiles, every lane"): 512 * _TILE,
    ("to_e2m1", "ties, their neighbours, zeros, infinities, NaN"): 128,
    ("to_e2m1", "both nibbles"): 64,
    ("from_e2m1", "all bytes"): 256,
    ("packed", "mul, add and fma of pairs"): 4096 * 3 * 2,
}
"""Of each check of a replaced instruction how many numbers it looks at."""

GATED = ("silu", "gelu_tanh", "swigluoai_uninterleave")
ACTIVATIONS = (*GATED, "relu2")
SCALES = ("separate", "shared")
SMALL_LAYER, DIVIDED = "small", "silu"
"""What a case of the part regimes is among layers of models, and its activation."""
FORMATS = ("modelopt", "compressed-tensors")
SIGMAS = (0.05, 0.02, 0.01, 0.005, 0.003)
ERROR_TOKENS = (1, 8, 64, 600)

GRAPH_TOKENS = (1, 4, 64, 600)
REPLAYED, RELOADED, ZEROED, LANES, LANES_IN_GRAPH = (
    "replayed", "replayed after a weight reload",
    "replayed after the workspace was zeroed", "two lanes at once",
    "two lanes in one graph",
)  # fmt: skip
GRAPHS = (REPLAYED, RELOADED, ZEROED, LANES, LANES_IN_GRAPH)

LINEAR_SHAPES = ((5120, 2048), (2048, 4096), (384, 512), (1024, 192), (512, 7168))
LINEAR_TOKENS = (1, 9, 64, 65, 200, 255, 1000)
OWN_CHOICE = "its own choice"

W4A16_CLASS = "B12xExperts"
W4A16_BLOCKS = ("", "8", "16", "32", "48", "64")
"""Rows of a block of tokens; of the kernel for few tokens none is told."""
W4A16_MODELS = ("Qwen3-30B-A3B", "Qwen3.6-35B-A3B", "Nemotron-3-Nano")
W4A16_TOKENS = (1, 2, 7, 9, 64, 116, 154, 256, 512, 1024, 2048)
WHOLE, THIRD, ALL_PADDED, TO_ONE, WEIGHT_0 = (
    "all", "a third padded", "all padded", "all to one expert", "a weight of 0",
)  # fmt: skip
OTHER_ROWS = (THIRD, ALL_PADDED, TO_ONE, WEIGHT_0)
"""Rows of a call: all of them real ones, or these."""
W4A16_ROWS = (WHOLE, THIRD)

TOOLS = ("racecheck", "memcheck", "initcheck", "synccheck")
KINDS = (
    "micro", "direct micro", "static", "dynamic", "dynamic gated", "micro relu2",
    "static relu2", "dynamic relu2", "w4a16", "dense",
)  # fmt: skip

EAGER = "eager"
HOW = (EAGER, "decode in CUDA graphs")
"""Ways of vLLM's engine."""
