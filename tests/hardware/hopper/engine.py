# SPDX-License-Identifier: Apache-2.0
"""As much of vLLM's engine as runs from its Python alone on this GPU."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checkpoint import Format, Shape, make_layers
from checkpoint_files import write_model
from loading import FORK

COLUMNS = ("step", "what came of it")


def rows(stage: Any) -> Iterator[list[Any]]:
    """One row: the tokens, or the line of vLLM at which it stops."""
    if stage.recording:
        return
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from vllm import LLM, SamplingParams

    shape = Shape(0.02, layers=2, hidden=256, intermediate=256)
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(
            Path(folder) / "m", shape, make_layers(shape), Format.MODELOPT
        )
        try:
            llm = LLM(
                model=str(path),
                skip_tokenizer_init=True,
                enforce_eager=True,
                max_model_len=256,
                gpu_memory_utilization=0.05,
                moe_backend=FORK,
            )
            asked = [{"prompt_token_ids": [1, 2, 3, 4]}]
            made = llm.generate(asked, SamplingParams(max_tokens=8, detokenize=False))
            yield ["LLM.generate", str(list(made[0].outputs[0].token_ids))]
        except Exception as e:
            at = [
                f
                for f in traceback.extract_tb(e.__traceback__)
                if "/vllm/" in f.filename
            ]
            place = at[-1] if at else traceback.extract_tb(e.__traceback__)[-1]
            name = place.filename.rpartition("/vllm/")[2]
            said = f"{type(e).__name__}: {e}".splitlines()[0][:300]
            yield ["LLM(...)", f"stops at vllm/{name}:{place.lineno}, {said}"]
