#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: git merge-tree --write-tree of git 2.39 merges commits only, and cannot be told their base
# Versions: git 2.39.5, Debian 12's 1:2.39.5-0+deb12u3, fetched by apt-get
# Date: 2026-11-30
# Behaviour: Given trees it says "not something we can merge" and exits 1, which is also its code
#   for a conflict; --merge-base is an unknown option, exit 129. The base is found by history
#   alone, so that three trees have to be made into commits with a common parent first.
# Output:
# > two commits that conflict: exit 1, a tree id and the conflict
# > two trees: exit 1, no tree id
# > --merge-base: exit 129
# > the same trees as commits with one parent: exit 0, merged
# Matters: A tool that takes exit 1 for a conflict takes a refusal for one; and the manual that the
#   web shows is that of a git that has --merge-base (2.40) and takes trees (2.45).
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ apt-get download -q git=1:2.39.5-0+deb12u3 && dpkg -x git_*.deb d; } >&2 || exit 2
export PATH=$dir/d/usr/bin:$PATH GIT_EXEC_PATH=$dir/d/usr/lib/git-core
export GIT_TEMPLATE_DIR=$dir/d/usr/share/git-core/templates
[ "$(command -v git) $(git --version)" = "$dir/d/usr/bin/git git version 2.39.5" ] || exit 2
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_{AUTHOR,COMMITTER}_NAME=n GIT_{AUTHOR,COMMITTER}_EMAIL=n@example.org
git init -q -b main r && cd r
tree() { printf '%s\n' "$@" > f && git add f && git write-tree; }
commit() { git commit-tree "$1" ${2:+-p "$2"} -m x; }
lines=(1 2 3 4 5 6 7)
base=$(tree "${lines[@]}") top=$(tree top "${lines[@]}") end=$(tree "${lines[@]}" end)
other=$(tree other "${lines[@]}")
root=$(commit "$base")
a=$(commit "$top" "$root") b=$(commit "$end" "$root") c=$(commit "$other" "$root")
try() { code=0; git merge-tree --write-tree "$@" > out 2> err || code=$?; }
seen=$(
  try "$a" "$c"
  echo "two commits that conflict: exit $code,$(grep -qE '^[0-9a-f]{40}$' out && echo " a tree id and")$(grep -q CONFLICT out && echo " the conflict")"
  try "$top" "$end"
  echo "two trees: exit $code, $(grep -cE '^[0-9a-f]{40}$' out | sed 's/^0$/no/') tree id"
  try --merge-base "$root" "$a" "$b"
  echo "--merge-base: exit $code"
  try "$a" "$b"
  echo "the same trees as commits with one parent: exit $code, $([ "$(cat out)" = "$(tree top "${lines[@]}" end)" ] && echo merged)"
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
