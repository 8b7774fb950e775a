#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: rattler-build applies a git patch without its executable bit and its CR LF, and reports success
# Versions: py-rattler-build 0.73.0; git 2.39.5, Debian 12's, fetched by apt-get
# Date: 2026-11-30
# Behaviour: One patch of git's makes a script executable, adds a file with CR LF, adds an empty
#   file and deletes an empty one. git apply does all of it. In the folder that rattler-build's
#   own source step makes, the script is not executable and the new file has LF alone (8 bytes
#   for 10); the rest is right. It ends well, so that the build goes on with another tree.
# Output:
# > git:           run.sh executable, crlf 10 bytes, empty gone, new there, plain: changed
# > rattler-build: run.sh plain, crlf 8 bytes, empty gone, new there, plain: changed
# Matters: A conda recipe that carries patches builds something else than the same patches in
#   Debian, Arch or by hand; a wrapper script that was patched in stops only when it is called.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile \
  py-rattler-build==0.73.0 && apt-get download -q git=1:2.39.5-0+deb12u3 && dpkg -x git_*.deb d; } \
  >&2 || exit 2
export PATH=$dir/d/usr/bin:$PATH GIT_EXEC_PATH=$dir/d/usr/lib/git-core
export GIT_TEMPLATE_DIR=$dir/d/usr/share/git-core/templates
[ "$(command -v git) $(git --version)" = "$dir/d/usr/bin/git git version 2.39.5" ] || exit 2
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_{AUTHOR,COMMITTER}_NAME=n GIT_{AUTHOR,COMMITTER}_EMAIL=n@example.org
git init -q -b main p-1 && cd p-1
echo 'echo hello' > run.sh && echo text > plain && : > empty
git add . && git commit -qm before
git archive --prefix=p-1/ -o ../p-1.tar.gz HEAD
chmod +x run.sh && printf 'one\r\ntwo\r\n' > crlf && echo changed > plain && : > new && git rm -q empty
git add . && git commit -qm after
git format-patch -q --no-signature --stdout -1 > ../all.patch
cd ..
git -C p-1 reset -q --hard HEAD^ && git -C p-1 apply ../all.patch # git carries all of it
cat > recipe.yaml << E
schema_version: 1
package: {name: p, version: "1"}
source:
  - path: p-1.tar.gz
    sha256: $(sha256sum p-1.tar.gz | cut -d' ' -f1)
    patches: [all.patch]
build: {number: 0, noarch: generic, script: "true"}
about: {license: MIT}
E
v/bin/python - > place 2> log << 'E' || { cat log >&2; exit 1; }
from pathlib import Path

import rattler_build as build

(variant,) = build.Stage0Recipe.from_file(Path("recipe.yaml")).render()
session = build.DebugSession.create(variant, channels=[], output_dir=Path("output"))
print(session.work_dir)
E
work=$(tail -n 1 place)
tell() {
  cd "$1"
  [ -x run.sh ] && bit=executable || bit=plain
  [ -e empty ] && gone=there || gone=gone
  [ -e new ] && new=there || new=missing
  echo "run.sh $bit, crlf $(wc -c < crlf) bytes, empty $gone, new $new, plain: $(cat plain)"
}
seen=$(echo "git:           $(tell p-1)" && echo "rattler-build: $(tell "$work")")
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
