#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: FlashInfer and b12x both own b12x/__init__.py: the last install wins, the first removal takes it
# Versions: flashinfer-python 0.7.2.post1, b12x 1.5.1, pip 26.3, uv 0.13.9
# Date: 2026-11-30
# Behaviour: F is FlashInfer, B is b12x, installed in this order, -F and -B removed. Neither pip
#   nor uv says a word when the second one overwrites the file or when the removal of one takes
#   it from the other, and both leave the same. Without it and with B, the rest of its files is left, and
#   `import b12x` succeeds as a namespace package that has nothing of b12x's in it.
# Output:
# > F B      1.5.1, file of b12x, import spec: file
# > B F      1.5.1, file of FlashInfer, import spec: file
# > F B -B   no b12x, no file, import spec: none
# > F B -F   1.5.1, no file, import spec: namespace
# > B F -F   1.5.1, no file, import spec: namespace
# > uv: the same
# > said by pip and uv of it: nothing
# Matters: vllm[b12x] installs both. After an upgrade of FlashInfer alone another b12x runs than
#   pip lists, and a probe by find_spec or by version believes in one that is not there.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile pip==26.3 uv==0.13.9 \
  && v/bin/python -m pip download -q --no-deps -d w flashinfer-python==0.7.2.post1 b12x==1.5.1; } \
  >&2 || exit 2
look() {
  e/bin/python - << 'E'
import importlib.metadata
import importlib.util
import sysconfig
from pathlib import Path

file = Path(sysconfig.get_path("purelib"), "b12x", "__init__.py")
try:
    version = importlib.metadata.version("b12x")
except importlib.metadata.PackageNotFoundError:
    version = "no b12x"
owner = "no file"
if file.exists():
    ours = "Load the embedded implementation" in file.read_text(encoding="utf-8")
    owner = f"file of {'FlashInfer' if ours else 'b12x'}"
spec = importlib.util.find_spec("b12x")
kind = "none" if spec is None else "file" if spec.origin else "namespace"
print(f"{version}, {owner}, import spec: {kind}")
E
}
step() { # pip or uv, one of F B -F -B
  local name=b12x
  case $2 in *F) name=flashinfer ;; esac
  case $1$2 in
    pip-*) v/bin/python -m pip --python e/bin/python uninstall -y "${name/%infer/infer-python}" ;;
    uv-*) v/bin/uv pip uninstall -p e/bin/python "${name/%infer/infer-python}" ;;
    pip*) v/bin/python -m pip --python e/bin/python install --no-compile --no-deps w/"$name"*.whl ;;
    uv*) v/bin/uv pip install --no-deps -p e/bin/python w/"$name"*.whl ;;
  esac
}
orders() {
  for order in "F B" "B F" "F B -B" "F B -F" "B F -F"; do
    rm -rf e && "${PYTHON:-python3}" -m venv --without-pip e
    for one in $order; do step "$1" "$one" >> said 2>&1; done
    printf '%-8s %s\n' "$order" "$(look)"
  done
}
seen=$(
  orders pip > by-pip
  orders uv > by-uv
  cat by-pip
  echo "uv: $(diff by-pip by-uv >&2 && echo the same || echo other)"
  echo "said by pip and uv of it: $(grep -ciE 'overwr|conflict|clobber|__init__|also owned|shared' said || true)" | sed 's/ 0$/ nothing/'
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
