# SPDX-License-Identifier: Apache-2.0
"""What a process has before its first test: a platform double, then vLLM.

A process that ends with this can be forked, and each fork is then as a process that
has just been started: nothing here says yet which device there is.
"""

from __future__ import annotations

import os

import platform_double

# FlashInfer without nvcc and ninja; no hub; no model card in a log.
os.environ.setdefault("VLLM_HAS_FLASHINFER_CUBIN", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("OMP_NUM_THREADS", "1")

DOUBLE = platform_double.install()


def load() -> None:
    """Import what a worker does, while the platform is "unspecified"."""
    import vllm.model_executor.model_loader
    import vllm.model_executor.models.qwen3_moe
    import vllm.utils.flashinfer  # noqa: F401
