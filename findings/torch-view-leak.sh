#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: A module that keeps a view of its own parameter is never freed, gc.collect() or not
# Versions: torch 2.13.0
# Date: 2026-11-30
# Behaviour: A view holds its base in C++, where Python's collector does not look. Where the
#   base holds the module by an attribute, as vLLM's parameters hold it by weight_loader, that
#   is a cycle that nobody sees: weights stay allocated until the process ends. no_grad() and
#   inference_mode() change nothing. Views of .data or of detach() have another base, and go.
# Output:
# > no view                        freed
# > parameter.view(2, 2)           alive
# > parameter[:2]                  alive
# > the same under no_grad         alive
# > the same under inference_mode  alive
# > parameter.data.view(2, 2)      freed
# > parameter.detach().view(2, 2)  freed
# Matters: A layer that keeps a swizzled or reshaped view of a weight for its kernel makes a
#   reloaded model take twice the memory, and nothing in Python shows who holds it.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0; } >&2 || exit 2
seen=$(v/bin/python -W ignore - << 'E'
import contextlib
import gc
import weakref

import torch


class Layer(torch.nn.Module):
    def __init__(self, view, mode):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4), requires_grad=False)
        self.weight.weight_loader = self.load
        with mode():
            self.kept = view(self.weight)

    def load(self):
        pass


for name, view, mode in (
    ("no view", lambda p: None, contextlib.nullcontext),
    ("parameter.view(2, 2)", lambda p: p.view(2, 2), contextlib.nullcontext),
    ("parameter[:2]", lambda p: p[:2], contextlib.nullcontext),
    ("the same under no_grad", lambda p: p[:2], torch.no_grad),
    ("the same under inference_mode", lambda p: p[:2], torch.inference_mode),
    ("parameter.data.view(2, 2)", lambda p: p.data.view(2, 2), contextlib.nullcontext),
    ("parameter.detach().view(2, 2)", lambda p: p.detach().view(2, 2), contextlib.nullcontext),
):
    alive = weakref.ref(Layer(view, mode))
    gc.collect()
    print(f"{name:<30} {'alive' if alive() is not None else 'freed'}")
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
