#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: FlashInfer's b12x over an older FlashInfer ends in FileNotFoundError, which `except ImportError` lets through
# Versions: flashinfer-python 0.7.2.post1 and 0.6.17
# Date: 2026-11-30
# Behaviour: The b12x/__init__.py that FlashInfer installs since 0.7.2 loads files beside
#   whichever flashinfer is first on the path. With none there it raises ImportError; with one that
#   has no experimental/b12x, as where an older one is laid over an image's by PYTHONPATH, it is
#   FileNotFoundError, an OSError. find_spec says in both cases that b12x is there.
# Output:
# > no flashinfer:     find_spec yes, import: ImportError, an ImportError yes
# > flashinfer 0.6.17: find_spec yes, import: FileNotFoundError, an ImportError no
# Matters: Optional imports are guarded by `except ImportError`: an engine that only wanted to know
#   whether b12x is there dies while it is imported.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile --no-deps \
  --target=new flashinfer-python==0.7.2.post1 && v/bin/python -m pip install -q --no-compile \
  --no-deps --target=old flashinfer-python==0.6.17; } >&2 || exit 2
mkdir none && mv new/b12x none/
cat > look.py << 'E'
import importlib.util

there = "yes" if importlib.util.find_spec("b12x") else "no"
try:
    import b12x  # noqa: F401

    print("find_spec", there, "import: ok")
except Exception as e:
    kind = "yes" if isinstance(e, ImportError) else "no"
    print(f"find_spec {there}, import: {type(e).__name__}, an ImportError {kind}")
E
seen=$(
  echo "no flashinfer:     $(PYTHONPATH=$dir/none v/bin/python look.py)"
  echo "flashinfer 0.6.17: $(PYTHONPATH=$dir/old:$dir/none v/bin/python look.py)"
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
