# SPDX-License-Identifier: Apache-2.0
"""Log probabilities against the BF16 model: ``compare.py FOLDER OUT SIDE SIGMA...``.

SIDE is ``fork``, which makes the checkpoints and the reference and then takes what is
selected by itself, or ``upstream``, which takes ``flashinfer_b12x`` on the same ones.
The reference is the same weights, dequantised, in the same engine without the double's
part, since unquantised experts have kernels of their own on a CPU.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from checkpoint import Format
from model import Tiny, write
from offline import apart_of, end, engine, generate, prompts, score, tokens_of

PROMPTS, START, COUNT = 8, 16, 24
SAID = "said.pt"


def cases(sigmas: list[float]) -> list[tuple[float, Format, bool]]:
    """Sigma, format, and whether attention is NVFP4 as well."""
    plain = [(sigma, form, False) for sigma in sigmas for form in Format]
    return [*plain, (sigmas[len(sigmas) // 2], Format.MODELOPT, True)]


def main(folder: Path, out: Path, side: str, sigmas: list[float]) -> None:
    found = []
    for sigma, form, linear in cases(sigmas):
        group = folder / f"{sigma}{' linear' if linear else ''}"
        reference, checkpoint = group / "bf16", group / form.value
        if side == "fork":
            if not (reference / SAID).exists():
                make_reference(write(reference, Tiny(sigma, None, linear)))
            write(checkpoint, Tiny(sigma, form, linear))
        sequences, want = torch.load(reference / SAID)
        backend = "auto" if side == "fork" else "flashinfer_b12x"
        llm = engine(checkpoint, moe_backend=backend)
        (kernels,) = llm.collective_rpc("sm12x_kernels")
        got = score(llm, sequences, START)
        found.append(
            {"sigma": sigma, "form": form.value, "linear": linear, "side": side}
            | {"kernels": [*kernels["moe"], *kernels["linear"]]}
            | distance(got, want)
        )
        print(f"row {json.dumps(found[-1])}", flush=True)
        end(llm)
    out.write_text(json.dumps(found), encoding="utf-8")


def make_reference(folder: Path) -> None:
    """Let the BF16 model say something, and keep it with its log probabilities."""
    llm = engine(folder)
    given = prompts(PROMPTS, START)
    outputs = generate(llm, given, COUNT)
    said = [p + tokens_of(o) for p, o in zip(given, outputs, strict=True)]
    want = score(llm, said, START)
    # What it says it would say: scoring and generating are the same function.
    chosen = torch.tensor(said)[:, START:]
    if (want.argmax(-1) != chosen).sum() > COUNT // 8:
        raise AssertionError("the reference does not agree with itself")
    torch.save((said, want), folder / SAID)
    end(llm)


def distance(got: torch.Tensor, want: torch.Tensor) -> dict[str, Any]:
    """How far two sets of log probabilities [..., tokens] lie apart.

    ``error`` is ``apart_of``; ``divergence`` is Kullback and Leibler's of the reference
    from it, the mean over positions, in nats; ``agree`` are positions at which both
    would choose the same token.
    """
    return {
        "error": apart_of(got, want),
        "divergence": (want.exp() * (want - got)).sum(-1).mean().item(),
        "agree": int((got.argmax(-1) == want.argmax(-1)).sum()),
        "of": want.shape[0] * want.shape[1],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], [*map(float, sys.argv[4:])])
