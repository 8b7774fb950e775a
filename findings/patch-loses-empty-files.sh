#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: dpkg-source makes no empty file that a git patch adds, and quilt pop restores none that one deletes
# Versions: dpkg-source 1.21.23, GNU patch 2.7.6, quilt 0.66, git 2.39.5: those of Debian 12,
#   fetched by apt-get
# Date: 2026-11-30
# Behaviour: A git patch that adds b/__init__.py, empty, and one that deletes the empty
#   a/__init__.py. git apply and patch do both. patch -E, which dpkg-source uses, takes the new
#   empty file away again; dpkg-source warns that the second "doesn't contain any patch" and ends
#   well. After quilt pop the deleted file is not there again: the tree is not the one before.
# Output:
# > before:         a/__init__.py
# > git apply:      b/__init__.py b/m.py
# > patch:          b/__init__.py b/m.py
# > patch -E:       b/m.py
# > dpkg-source -x: b/m.py
# > quilt pop -a:   none of them
# Matters: An empty __init__.py is what makes a package of Python: a distribution's build of a
#   series lacks a module that every developer's has, and nothing failed on the way.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ apt-get download -q git=1:2.39.5-0+deb12u3 patch=2.7.6-7+deb12u1 dpkg-dev=1.21.23 \
  libdpkg-perl=1.21.23 quilt=0.67+really0.66-1 && for deb in *.deb; do dpkg -x "$deb" d; done; } \
  >&2 || exit 2
export PATH=$dir/d/usr/bin:$PATH PERL5LIB=$dir/d/usr/share/perl5
export GIT_EXEC_PATH=$dir/d/usr/lib/git-core GIT_TEMPLATE_DIR=$dir/d/usr/share/git-core/templates
export QUILT_DIR=$dir/d/usr/share/quilt QUILT_PATCHES=debian/patches
for tool in git patch dpkg-source quilt; do
  [ "$(command -v $tool)" = "$dir/d/usr/bin/$tool" ] && $tool --version | sed -n 's/\.\?$//;1p'
done > versions
printf '%s\n' "git version 2.39.5" "GNU patch 2.7.6" "Debian dpkg-source version 1.21.23" 0.66 \
  | diff - versions >&2 || exit 2
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_{AUTHOR,COMMITTER}_NAME=n GIT_{AUTHOR,COMMITTER}_EMAIL=n@example.org
# git's own form of a series: one patch adds an empty __init__.py, one deletes another.
git init -q -b main p-1 && cd p-1
mkdir a b && : > a/__init__.py && echo x > a/m.py && git add . && git commit -qm base
git archive --prefix=p-1/ -o ../p_1.orig.tar.gz HEAD
: > b/__init__.py && echo y > b/m.py && git add . && git commit -qm "adds b"
git rm -q a/__init__.py && git commit -qm "deletes a/__init__.py"
git format-patch -q --no-signature -2 -o ..
cd .. && rm -rf p-1
have() { for f in a/__init__.py b/__init__.py b/m.py; do [ -e "$1/$f" ] && echo "$f"; done | paste -sd' '; }
fresh() { rm -rf p-1 && tar xf p_1.orig.tar.gz; }
seen=$(
  fresh && echo "before:         $(have p-1)"
  (cd p-1 && git init -q && git apply ../000*.patch) && echo "git apply:      $(have p-1)"
  fresh
  for p in 000*.patch; do patch -s -p1 -d p-1 < "$p"; done && echo "patch:          $(have p-1)"
  fresh
  for p in 000*.patch; do patch -s -E -p1 -d p-1 < "$p"; done && echo "patch -E:       $(have p-1)"
  fresh
  mkdir -p p-1/debian/{source,patches} && cp 000*.patch p-1/debian/patches
  (cd p-1/debian && echo "3.0 (quilt)" > source/format && (cd patches && ls 000*.patch > series))
  printf 'Source: p\nMaintainer: n <n@example.org>\nStandards-Version: 4.6.2\n\nPackage: p\nArchitecture: all\nDescription: x\n' > p-1/debian/control
  printf 'p (1-1) unstable; urgency=low\n\n  * x.\n\n -- n <n@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n' > p-1/debian/changelog
  dpkg-source -b p-1 > log 2>&1 || { tail -n 5 log >&2; exit 1; }
  dpkg-source -x p_1-1.dsc x >> log 2>&1
  echo "dpkg-source -x: $(have x)"
  cd x
  quilt --quiltrc /dev/null pop -qa >> ../log 2>&1
  echo "quilt pop -a:   $(have . | sed "s/^$/none of them/")"
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
