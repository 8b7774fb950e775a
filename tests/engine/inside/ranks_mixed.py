# SPDX-License-Identifier: Apache-2.0
"""Ranks whose layers are not alike, and drafts: ``ranks_mixed.py FOLDER OUT``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoint import Format
from draft import SPECULATIVE, write_glm
from model import Tiny, write
from offline import Tokens, agreeing, generate, tokens_of
from ranks import GEMMS, NAMED, ONE, TWO, given
from rows import Rows
from split import COUNT, Split, apart, ask, by_fork, heard, started
from told import failed_rank
from vllm.model_executor.models.qwen3_moe import Qwen3MoeForCausalLM
from vllm.v1.worker.gpu_model_runner import GPUModelRunner

STAGES = Split(pipeline=2)
OURS, GEMM = "FlashInferCuteDSLSM12xExperts", "FlashInferB12xNvFp4LinearKernel"
OTHERS = "CPUUnquantizedExperts"
MIXED: dict[str, tuple[Tiny, list[Any], list[int]]] = {
    "an NVFP4 MLP on the first": (
        Tiny(0.01, linear=True, layers=4, dense=(0,)),
        [([OURS], [GEMM]), ([OURS], [GEMM])],
        [2 * GEMMS, GEMMS],
    ),
    "the first in BF16, an MLP in it": (
        Tiny(0.01, linear=True, layers=4, dense=(0,), plain=(0, 1)),
        [([OTHERS], []), ([OURS], [GEMM])],
        [0, GEMMS],
    ),
    "the second in BF16": (
        Tiny(0.01, Format.COMPRESSED, linear=True, plain=(1,)),
        [([OURS], [GEMM]), ([OTHERS], [])],
        [GEMMS, 0],
    ),
}
"""By what the two stages have: the model, kernels of the experts and of linear layers
by stage, and calls of the GEMM that warm it up: an MLP has two matrices more."""
NO_DRAFT = "object has no attribute 'drafter'"
NO_EXPERTS = "No Qwen3MoE layer found in the model.layers."


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    by_fork()
    for number, name in enumerate(MIXED):
        staged(rows, folder / f"ranks mixed {number}", name)
    without_experts(rows, folder / "ranks mixed dense")
    for quantised in (False, True):
        drafted(rows, folder, quantised=quantised)
    out.write_text(json.dumps(rows), encoding="utf-8")


def staged(rows: Rows, folder: Path, name: str) -> None:
    """Stages with other layers each: TP 1's bits, and each its own kernels."""
    tiny, wanted, gemms = MIXED[name]
    checkpoint = write(folder, tiny)
    with started(checkpoint, ONE, **NAMED) as llm:
        want = ask(llm, *given())
    with started(checkpoint, STAGES, **NAMED) as llm:
        said = ask(llm, *given())
        kernels = llm.collective_rpc("sm12x_kernels")
        warm = llm.collective_rpc("sm12x_warm_up")
    found = [(each["moe"], each["linear"]) for each in kernels]
    rows.add(
        f"{STAGES.name}: {name}", f"the bits of {ONE.name}, each stage on its kernels",
        f"error {apart(said, want)}; {agreeing(said.tokens, want.tokens)} of "
        f"{COUNT * 4} tokens; "
        + " | ".join(", ".join([*moe, *linear]) or "none" for moe, linear in found),
        said.equals(want) and found == wanted,
    )  # fmt: skip
    rows.add(
        f"{STAGES.name}: {name}: warm-up",
        f"each call that the series counts for experts of a stage, {gemms} of the GEMM",
        " | ".join(f"{each['moe']} and {each['linear']} calls" for each in warm),
        [(each["moe"] > 0, each["linear"]) for each in warm]
        == [(moe == [OURS], n) for (moe, _), n in zip(wanted, gemms, strict=True)]
        and all(each["moe"] == each["moe wanted"] for each in warm),
    )  # fmt: skip


def without_experts(rows: Rows, folder: Path) -> None:
    """A stage that has no experts at all, which vLLM's models of this kind refuse."""
    checkpoint = write(folder, Tiny(0.01, linear=True, dense=(0,)))
    log: list[str] = []
    with heard(log), suppress(Exception), started(checkpoint, STAGES):
        pass
    shown = failed_rank(log)
    rows.not_run(
        f"{STAGES.name}: no experts on the first",
        len(shown) == 1 and "Worker_PP0" in shown[0] and NO_EXPERTS in shown[0],
        Qwen3MoeForCausalLM.__init__, f"RuntimeError: {NO_EXPERTS}", NO_EXPERTS,
    )  # fmt: skip


@dataclass
class Drafted:
    """What a model with a draft of multi-token prediction said.

    Attributes:
        tokens: Its answers.
        proposed: What the draft proposed last, by answer.
        kernels: Of the draft, by rank.
        count: Tokens that it proposed.
    """

    tokens: list[Tokens]
    proposed: list[Any]
    kernels: list[list[str]]
    count: int


def with_draft(checkpoint: Path, split: Split, chosen: Mapping[str, str]) -> Drafted:
    more = {"speculative_config": SPECULATIVE, "disable_log_stats": False}
    tokens, proposed = [], []
    with started(checkpoint, split, **more, **chosen) as llm:
        for each in given()[0]:
            tokens.append(tokens_of(generate(llm, [each], COUNT)[0]))
            proposed.append(llm.collective_rpc("sm12x_proposed")[-1])
        kernels = llm.collective_rpc("sm12x_draft_kernels")
        counts = {each.name: getattr(each, "value", 0) for each in llm.get_metrics()}
    count = counts.get("vllm:spec_decode_num_draft_tokens", 0)
    return Drafted(tokens, proposed, kernels, count)


def drafted(rows: Rows, folder: Path, *, quantised: bool) -> None:
    """Drafts in halves; beside a target in BF16 they propose what the whole proposes.

    Halves of an NVFP4 target give its draft other hidden states, by FP4 codes at edges.
    """
    form, chosen = ("NVFP4", {}) if quantised else ("BF16", NAMED)
    checkpoint = write_glm(
        folder / f"ranks glm {form}", Tiny(0.01, intermediate=512), quantised=quantised
    )
    with started(checkpoint, TWO) as llm:
        alone = [tokens_of(generate(llm, [each], COUNT)[0]) for each in given()[0]]
    found = with_draft(checkpoint, TWO, chosen)
    one = [OURS if quantised else OTHERS]
    rows.add(
        f"{TWO.name}: {form} draft", f"the tokens of {TWO.name} alone",
        f"{agreeing(found.tokens, alone)} of {COUNT * len(alone)} tokens; "
        f"{found.count} proposed; draft on "
        + " and ".join(", ".join(each) for each in found.kernels),
        found.tokens == alone and found.count > 0 and found.kernels == [one, one],
    )  # fmt: skip
    if quantised:
        whole = with_draft(checkpoint, ONE, chosen)
        rows.add(
            f"{TWO.name}: what the {form} draft proposed last", f"{ONE.name}'s",
            f"{found.proposed}, {whole.proposed} by {ONE.name}",
            found.proposed == whole.proposed and all(whole.proposed),
        )  # fmt: skip
        log: list[str] = []
        with heard(log), suppress(Exception):
            with_draft(checkpoint, STAGES, chosen)
        shown = failed_rank(log)
        rows.not_run(
            f"{STAGES.name}: {form} draft",
            len(shown) == 1 and "Worker_PP0" in shown[0] and NO_DRAFT in shown[0],
            GPUModelRunner._check_and_update_cudagraph_mode,
            f"the CPU's model runner: {NO_DRAFT}", "self.drafter,",
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
