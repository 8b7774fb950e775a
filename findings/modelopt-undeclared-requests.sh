#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: nvidia-modelopt 0.47.0 needs requests and huggingface_hub, asks for neither, and cannot be imported
# Versions: nvidia-modelopt 0.47.0, torch 2.13.0, requests 2.34.2
# Date: 2026-11-30
# Behaviour: `pip install nvidia-modelopt torch` into an empty environment gives a ModelOpt whose
#   import of modelopt.torch ends in ModuleNotFoundError, while pip check finds no fault.
#   requests stands in no Requires-Dist of it without an extra, nor does huggingface_hub, which
#   the import asks for next.
# Output:
# > import modelopt: 0.47.0
# > import modelopt.torch: ModuleNotFoundError: No module named 'requests'
# > pip check: No broken requirements found.
# > with requests: ModuleNotFoundError: No module named 'huggingface_hub'
# Matters: A quantisation job in a slim image stops before it begins; a lock file made from the
#   metadata, of pip, uv or Nix, repeats the fault everywhere.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile torch==2.13.0 \
  nvidia-modelopt==0.47.0; } >&2 || exit 2
try() { v/bin/python -W ignore -c "$1" 2>&1 | tail -n 1; }
seen=$(
  echo "import modelopt: $(try 'import modelopt; print(modelopt.__version__)')"
  echo "import modelopt.torch: $(try 'import modelopt.torch')"
  echo "pip check: $(v/bin/python -m pip check)"
  v/bin/python -m pip install -q --no-compile requests==2.34.2 >&2 || exit 2
  echo "with requests: $(try 'import modelopt.torch; print("ok")')"
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
