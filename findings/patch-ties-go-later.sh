#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: Of two equal places as far away, git apply and GNU patch both edit the later one
# Versions: git 2.39.5 and GNU patch 2.7.6, those of Debian 12, fetched by apt-get; patch-ng
#   1.19.1, whatthepatch 1.0.7
# Date: 2026-11-30
# Behaviour: The hunk says line 21; its lines stand at 13 and at 29, nowhere else. Both tools take
#   29 and exit 0; git apply does not even say that it moved. One line nearer, and the earlier
#   one is taken. Two libraries that apply patches in Python refuse.
# Output:
# > git apply:      exit 0, line 31, says: nothing
# > patch -p1:      exit 0, line 31, says: Hunk #1 succeeded at 29 (offset 8 lines).
# > patch --merge:  exit 0, line 31, says: nothing
# > earlier copy one line nearer, git apply: exit 0, line 16, says: nothing
# > earlier copy one line nearer, patch -p1: exit 0, line 16, says: Hunk #1 succeeded at 14 (offset -7 lines).
# > whatthepatch:   refuses
# > patch-ng:       refuses
# Matters: Which of two twins a carried patch edits hangs on how many lines came in above them; a
#   distribution that builds with either tool ships the wrong one without a warning.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile patch-ng==1.19.1 \
  whatthepatch==1.0.7 && apt-get download -q git=1:2.39.5-0+deb12u3 patch=2.7.6-7+deb12u1 \
  && for deb in *.deb; do dpkg -x "$deb" d; done; } >&2 || exit 2
export PATH=$dir/d/usr/bin:$PATH GIT_EXEC_PATH=$dir/d/usr/lib/git-core
export GIT_TEMPLATE_DIR=$dir/d/usr/share/git-core/templates
for tool in git patch; do [ "$(command -v $tool)" = "$dir/d/usr/bin/$tool" ] && $tool --version | sed -n 1p; done \
  | diff <(printf '%s\n' "git version 2.39.5" "GNU patch 2.7.6") - >&2 || exit 2
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
mkdir r && git init -q r && cd r
file() { # lines before the first copy, lines between the two
  local n
  for ((n = 0; n < $1; n++)); do echo "before_$n = 0"; done
  printf 'def f():\n    a = 1\n    b = 2\n    c = 3\n    return a\n'
  for ((n = 0; n < $2; n++)); do echo "between_$n = 0"; done
  printf 'def f():\n    a = 1\n    b = 2\n    c = 3\n    return a\n'
  for ((n = 0; n < 20; n++)); do echo "after_$n = 0"; done
}
cat > h.patch << 'E'
--- a/t
+++ b/t
@@ -21,5 +21,5 @@
 def f():
     a = 1
-    b = 2
+    b = 9
     c = 3
     return a
E
try() { # label, command
  local label=$1 said code=0
  shift
  "$@" > ../said 2>&1 || code=$?
  said=$(sed '/^patching file/d' ../said)
  echo "$label exit $code, line $(grep -n 'b = 9' t | cut -d: -f1), says: ${said:-nothing}"
}
seen=$(
  file 12 11 > t && try "git apply:     " git apply h.patch
  file 12 11 > t && try "patch -p1:     " patch -p1 -i h.patch
  file 12 11 > t && try "patch --merge: " patch -p1 --merge -i h.patch
  file 13 10 > t && try "earlier copy one line nearer, git apply:" git apply h.patch
  file 13 10 > t && try "earlier copy one line nearer, patch -p1:" patch -p1 -i h.patch
  file 12 11 > t && ../v/bin/python -W ignore - << 'E'
import logging
from pathlib import Path

import patch_ng
import whatthepatch

logging.disable()
(diff,) = whatthepatch.parse_patch(Path("h.patch").read_text())
try:
    whatthepatch.apply_diff(diff, Path("t").read_text().splitlines())
    how = "applies"
except whatthepatch.exceptions.HunkApplyException:
    how = "refuses"
print("whatthepatch:  ", how)
done = patch_ng.fromfile("h.patch").apply(strip=1)
print("patch-ng:      ", "applies" if done else "refuses")
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
