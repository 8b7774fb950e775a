#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: vllm 0.33.0 pins flashinfer-python 0.7.2.post1 and takes four features only from exactly 0.7.2
# Versions: vllm 0.33.0 (source archive), flashinfer-python 0.7.2.post1
# Date: 2026-11-30
# Behaviour: The specialised decode of DeepSeek V4.1 compares the installed version with its own
#   constant as text. The comment over the constant names requirements/cuda.txt, which asks for
#   the post-release. With what vLLM itself requires installed the comparison fails, a warning
#   tells the user to install 0.7.2, and the stock path runs.
# Output:
# > requirements/cuda.txt: flashinfer-python==0.7.2.post1
# > the constant: 0.7.2
# > asked with 0.7.2.post1 installed: False, warned once
# > asked by 4:
# >   pinning the MXFP8 GEMM tactics
# >   the fused kernel's MXFP8 layer input
# >   the publishing wo_b GEMM
# >   the sparse-MLA decode's persistent KV counters
# Matters: Owners of the GPUs that these paths are for get the slower one in silence but for a
#   line of the log; and whoever compares versions as text, where a post-release is a fix that
#   nothing else tells apart.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile pip==26.3 \
  && v/bin/python -m pip install -q --no-compile --no-deps flashinfer-python==0.7.2.post1 \
  && mkdir tmp; } >&2 || exit 2
# To download a source archive is to begin its build, which ends here at once; what was
# unpacked stays.
TMPDIR=$dir/tmp v/bin/python -m pip download -q --no-deps --no-binary=vllm --no-build-isolation \
  --no-clean vllm==0.33.0 > log 2>&1 || true
tree=$(dirname "$(find tmp -path '*/requirements/cuda.txt' | head -n 1)")/..
[ -f "$tree/CMakeLists.txt" ] || { tail -n 5 log >&2; exit 2; }
cat > ask.py << 'E'
import ast
import importlib.metadata
import logging
import sys
from functools import cache
from pathlib import Path

tree = Path(sys.argv[1])
package = tree / "vllm" / "models" / "deepseek_v41" / "nvidia" / "specialized_decode"
names = {"FLASHINFER_VERSION", "uses_checked_flashinfer"}
kept = [
    node
    for node in ast.parse((package / "__init__.py").read_text()).body
    if getattr(node, "name", "") in names
    or (isinstance(node, ast.Assign) and node.targets[0].id in names)
]
said = []
handler = logging.Handler()
handler.emit = said.append
logger = logging.getLogger("here")
logger.addHandler(handler)
space = {"cache": cache, "importlib": importlib, "logger": logger}
exec(compile(ast.Module(kept, []), "specialized_decode", "exec"), space)
ask = space["uses_checked_flashinfer"]
answers = {ask("one"), ask("one")}
version = importlib.metadata.version("flashinfer-python")
print("the constant:", space["FLASHINFER_VERSION"])
print(f"asked with {version} installed: {answers.pop()}, warned", ["", "once"][len(said)])
features = {
    node.args[0].value
    for path in (tree / "vllm").rglob("*.py")
    if "uses_checked_flashinfer" in (text := path.read_text())
    for node in ast.walk(ast.parse(text))
    if isinstance(node, ast.Call)
    and getattr(node.func, "id", "") == "uses_checked_flashinfer"
}
print(f"asked by {len(features)}:", *sorted(features), sep="\n  ")
E
seen=$(
  echo "requirements/cuda.txt: $(grep -o '^flashinfer-python==[^ ;]*' "$tree/requirements/cuda.txt")"
  v/bin/python ask.py "$tree"
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
