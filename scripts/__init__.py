# SPDX-License-Identifier: Apache-2.0
"""Tools that keep the SM12x patch series alive on a pinned vLLM."""

import gc
import sys

if sys.argv[:1] == ["-m"]:
    # `python -m scripts` imports this before anything else, and the next modules
    # take half a second: Ctrl-C has to be heard by then.
    from scripts.base.interrupt import while_loading

    while_loading()
    # What a verb makes while it loads is no garbage; looking for some takes time.
    gc.set_threshold(100_000)

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: `upstream.lock`, `patches/` and `build/` lie here."""
IN_VLLM = ROOT / "scripts" / "in_vllm"
"""What runs in vLLM's own Python."""
RECORDS = ROOT / "records"
"""What targets found and the repository keeps."""
