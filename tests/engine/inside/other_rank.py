# SPDX-License-Identifier: Apache-2.0
"""A worker whose rank has what others have not, or dies (``worker_cls``).

``--additional-config`` says what under ``NAME``, by rank: ``flashinfer`` is the release
that it finds installed, ``capability`` that of its device, ``code`` a folder of files
that it has in place of vLLM's, ``dies`` that it kills itself in its first forward pass.
"""

from __future__ import annotations

import importlib.metadata
import os
import signal
from pathlib import Path
from typing import Any

from vllm.v1.worker.cpu_worker import CPUWorker

NAME = "sm12x_ranks"


class OtherRank(CPUWorker):
    """vLLM's own worker but for what it is told of its rank."""

    def init_device(self) -> None:
        told = self.vllm_config.additional_config[NAME].get(str(self.rank), {})
        if release := told.get("flashinfer"):
            _installed("flashinfer-python", release)
        if capability := told.get("capability"):
            import sm12x_double

            sm12x_double.become(capability)
        if folder := told.get("code"):
            from vllm.utils import sm12x_ranks

            real = sm12x_ranks._digest
            sm12x_ranks._digest = lambda package: real(Path(folder))
        self.sm12x_dies = bool(told.get("dies"))
        super().init_device()

    def execute_model(self, *args: Any, **kwargs: Any) -> Any:
        if self.sm12x_dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute_model(*args, **kwargs)


def _installed(distribution: str, release: str) -> None:
    import platform_double

    real = importlib.metadata.version
    importlib.metadata.version = lambda name: (
        release if name == distribution else real(name)
    )
    platform_double.clear_caches()  # what vLLM's probes have answered
