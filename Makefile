# The face of `python -m scripts`; every verb has --help with an example there.
# A failing verb exits 1 (finding) or 2 (usage, environment); make itself then
# exits 2 and prints the verb's code.

BOOTSTRAP ?= python3
SHELL := /bin/sh
.SHELLFLAGS := -euc
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.SUFFIXES:

# A file's tests share what is dear to make, so that they go to one worker.
PARALLEL ?= --numprocesses 2 --dist loadfile --no-loadscope-reorder

# A Ctrl-C while Python starts waits until scripts/base/interrupt.py can hear it. The shell
# is replaced: one that forks may take a Ctrl-C away from what it is about to start.
held := exec $(shell env --block-signal=INT true 2> /dev/null && echo env --block-signal=INT)
run := $(held) .venv/bin/python -m scripts
flag = $(if $(filter-out 0,$($(1))),$(2))
# As it was given, whatever quotes, spaces and dollars are in it.
quoted = '$(subst ','\'',$($(1)))'
opt = $(if $($(1)),$(2) $(quoted))
# Each of the words in it.
opts = $(foreach f,$($(1)),$(2) '$(subst ','\'',$(f))')
# How long it takes, on two cores, is said before all else; README has the same words.
says/%:
	@echo "make $* takes $(takes-$*)" >&2

.PHONY: help
help: ## This list, in groups | make
	@awk '/^## / { printf "\n%s\n", substr($$0, 4) } \
	  /^[a-z][a-z0-9-]*:.*## / { \
	    name = $$0; sub(":.*", "", name); text = $$0; sub("^[^#]*## ", "", text); \
	    example = text; sub(".* \\| ", "", example); sub(" \\| .*", "", text); \
	    printf "  make %-17s %s\n%25s%s\n", name, text, "", example }' Makefile

.venv/bin/python:
	@"$(BOOTSTRAP)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(BOOTSTRAP) is not Python 3.11 or newer; next: make BOOTSTRAP=python3.12 ..." >&2; exit 2; }
	"$(BOOTSTRAP)" -m venv .venv

# What a verb needs, and no more: tools, page (its plots), maintainer.
.venv/.page: requirements/tools.txt
.venv/.maintainer: requirements/page.txt requirements/tools.txt
.venv/.%: requirements/%.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

## For an owner of an SM12x GPU

.PHONY: install doctor patch-installed verify-wheel matrix footprint test-sm12x bench-sm12x kernel-cache
takes-install = up to some twenty minutes; 4.4 GB come, and the environment takes 10 GB
install: says/install .venv/.tools ## The wheel and all that it requires into an environment, then the doctor (VENV=env DRY_RUN=1 ARCH=) | make install VENV=env DRY_RUN=1
	@$(run) install $(call opt,VENV,--venv) $(call flag,DRY_RUN,--dry-run) $(call opt,ARCH,--arch)

doctor: .venv/.tools ## This machine and its vLLM, or with MODEL=folder that model on a GPU (PYTHON=/path/to/python CAPABILITY=12.1 GPU=5090 COUNT=2 TP=2 CONTEXT= SEQS= TOKENS= KV=fp8 RECIPE=eugr FORMAT=markdown JSON=1) | make doctor MODEL=path/of/checkpoint GPU=5090
	@$(run) doctor $(call opt,PYTHON,--python) $(call opt,CAPABILITY,--capability) $(call opt,MODEL,--model) $(call opt,GPU,--gpu) $(call opt,COUNT,--count) $(call opt,TP,--tp) $(call opt,CONTEXT,--context) $(call opt,SEQS,--seqs) $(call opt,TOKENS,--tokens) $(call opt,KV,--kv) $(call opt,RECIPE,--recipe) $(call opt,FORMAT,--format) $(call flag,JSON,--json)

patch-installed: .venv/.tools ## The series into an installed vLLM (PYTHON=/path/to/python REVERT=1) | make patch-installed PYTHON=/opt/venv/bin/python
	@$(run) patch-installed $(call opt,PYTHON,--python) $(call flag,REVERT,--revert) $(call flag,FORCE,--force)

verify-wheel: .venv/.tools ## Derive a wheel again from the lock and print what differs (WHEEL=dist/...) | make verify-wheel WHEEL=dist/vllm-...whl
	@$(run) verify-wheel $(call opt,WHEEL,)

takes-matrix = half a minute for trees that it has asked before, else minutes, and some gigabytes the first time; RECORDED=1 at once
matrix: says/matrix .venv/.tools ## What vLLM selects for NVFP4 layers, fork beside upstream (RECORDED=1 ALL=1 JSON=1 UPDATE=1) | make matrix RECORDED=1
	@$(run) matrix $(call flag,RECORDED,--recorded) $(call flag,ALL,--all) $(call flag,JSON,--json) $(call flag,UPDATE,--update)

takes-footprint = under a minute for trees that it has asked before, else minutes; RECORDED=1 at once
footprint: says/footprint .venv/.tools ## Bytes of NVFP4 experts of real models, fork beside upstream's default (RECORDED=1 JSON=1 UPDATE=1) | make footprint RECORDED=1
	@$(run) footprint $(call flag,RECORDED,--recorded) $(call flag,JSON,--json) $(call flag,UPDATE,--update)

test-sm12x: .venv/.tools ## For owners of an SM12x GPU: the wheel, its tests, the real kernel's errors (JSON=1 DOUBLE=1) | make test-sm12x
	@$(run) test-sm12x $(call flag,DOUBLE,--double) $(call flag,JSON,--json)

bench-sm12x: .venv/.page ## For owners: layers and a model, each backend in turn (MODEL=name ROUNDS=3 JSON=1 DOUBLE=1) | make bench-sm12x MODEL=nvidia/Qwen3-30B-A3B-NVFP4
	@$(run) bench-sm12x $(call opt,MODEL,--model) $(call opt,ROUNDS,--rounds) $(call flag,DOUBLE,--double) $(call flag,JSON,--json)

kernel-cache: .venv/.tools ## FlashInfer's MoE kernels for one GPU, to ship in an image; untested on hardware (ARCH=sm_120a SITE=/path/in/image MODEL= SMS= SHAPES= OUT=) | make kernel-cache ARCH=sm_120a SITE=/opt/venv/lib/python3.12/site-packages
	@$(run) kernel-cache --arch $(call quoted,ARCH) --site $(call quoted,SITE) $(call opt,MODEL,--model) $(call opt,SMS,--multiprocessors) $(call opt,SHAPES,--shapes) $(call opt,OUT,--out)

## What is built

.PHONY: wheel sdist wheel-source
wheel: .venv/.tools ## dist/*.whl: the series laid over the pinned upstream wheel (ARCH=x86_64|aarch64 OUT=dir) | make wheel ARCH=aarch64
	@$(run) wheel $(call opt,ARCH,--arch) $(call opt,OUT,--out)

sdist: .venv/.tools ## dist/*.tar.gz: the patched source archive (OUT=dir) | make sdist
	@$(run) sdist $(call opt,OUT,--out)

wheel-source: .venv/.tools ## A full build by upstream's own tools, for 12.0a and 12.1a (DRY_RUN=1 PYTHON= TARGET_DEVICE= OUT=) | make wheel-source PYTHON=env/bin/python DRY_RUN=1
	@$(run) wheel-source $(call flag,DRY_RUN,--dry-run) $(call opt,TARGET_DEVICE,--target-device) $(call opt,PYTHON,--python) $(call opt,OUT,--out)

## The series, for maintainers

.PHONY: pin apply export check
pin: .venv/.tools ## Pin an upstream release in upstream.lock (VERSION=0.33.0) | make pin VERSION=0.33.0
	@$(run) pin $(call opt,VERSION,)

apply: .venv/.tools ## build/vllm: the pin and one commit a patch (SOURCE=git UPSTREAM_URL= UNTIL=0003 FORCE=1) | make apply UNTIL=0003
	@$(run) apply $(call opt,SOURCE,--source) $(call opt,UPSTREAM_URL,--url) $(call opt,UNTIL,--until) $(call flag,FORCE,--force)

export: .venv/.tools ## Commits of build/vllm into patches/, and the lock's tree id (FORCE=1) | make export
	@$(run) export $(call flag,FORCE,--force)

check: .venv/.maintainer ## Everything that can be said of the series without running it (JSON=1) | make check JSON=1
	@$(run) check $(call flag,JSON,--json)

## Another release

.PHONY: port port-continue carry-matrix bot bot-rehearsal
takes-port = some ten seconds with DRY_RUN=1 and two the next time, some twenty-five with NO_PROOF=1; its proof asks and tests the series there, and no whole one was timed
port: says/port .venv/.maintainer ## Carry the series to another upstream, and prove it (TO=0.32.0 DRY_RUN=1 NO_PROOF=1 FORMAT=markdown; GIT=clone names the commits at fault, PROOF=1 proves a ref of it) | make port TO=0.32.0 DRY_RUN=1
	@$(run) port $(call quoted,TO) $(call opt,GIT,--git) $(call flag,DRY_RUN,--dry-run) $(call flag,NO_PROOF,--no-proof) $(call flag,PROOF,--proof) $(call opt,FORMAT,--format)

port-continue: .venv/.maintainer ## Go on once the conflict in build/port/vllm is fixed (REASON="why it is right") | make port-continue REASON="upstream renamed it"
	@$(run) port-continue --reason $(call quoted,REASON) $(call flag,NO_PROOF,--no-proof) $(call opt,FORMAT,--format)

takes-carry-matrix = some ten minutes, most of it the cases made by hand
carry-matrix: says/carry-matrix .venv/.maintainer ## The series to 0.29.0 ... 0.33.0, beside git am, rebase, patch, quilt (ARGS="--release 0.32.0") | make carry-matrix ARGS="--release 0.32.0"
	@$(held) .venv/bin/python -m tests.bench.carry $(ARGS)

takes-bot = seconds where nothing is new, with NO_PROOF=1 as long as make port; its long steps are make matrix, make kernels and the tests of the series, and no whole run was timed
bot: says/bot .venv/.maintainer ## The new release's pull request, shown; APPLY=1 opens it (TO=0.34.0 NO_PROOF=1 AGAIN=1 MADE=1 REMOTE=origin BASE=main TAGS=url) | make bot TO=0.34.0 NO_PROOF=1
	@$(run) bot $(call opt,TO,--to) $(call flag,APPLY,--apply) $(call flag,NO_PROOF,--no-proof) $(call flag,AGAIN,--again) $(call flag,MADE,--made) $(call opt,REMOTE,--remote) $(call opt,BASE,--base) $(call opt,TAGS,--tags)

takes-bot-rehearsal = some eighty seconds of the processor, and two wheels of upstream's to download
bot-rehearsal: says/bot-rehearsal .venv/.maintainer ## The bot from an older release to the pin, for real, without the long steps (ARGS="--release 0.32.0") | make bot-rehearsal ARGS="--release 0.32.0"
	@$(held) .venv/bin/python -m tests.bench.rehearsal $(ARGS)

## What packagers take (docs/packagers.md)

.PHONY: export-debian export-rpm export-nix export-arch export-conda merge-series unmerge-series packager-tools browser-tools
exported = $(run) $@ $(call opt,BEFORE,--before) $(call opt,AFTER,--after) $(call opt,OUT,--out) $(call flag,FORCE,--force) $(call opt,MAINTAINER,--maintainer)
export-debian: .venv/.tools ## build/export/debian: a 3.0 (quilt) debian/ (BEFORE=dir AFTER=dir OUT=dir MAINTAINER="Name <address>") | make export-debian AFTER=../vllm/debian/patches
	@$(exported)

export-rpm: .venv/.tools ## build/export/rpm: patches, a list to include, a spec (BEFORE= AFTER= OUT=) | make export-rpm OUT=SOURCES
	@$(exported)

export-nix: .venv/.tools ## build/export/nix: an expression with hash, patches, override (BEFORE= AFTER= OUT=) | make export-nix OUT=pkgs/vllm-sm12x
	@$(exported)

export-arch: .venv/.tools ## build/export/arch: a PKGBUILD (BEFORE= AFTER= OUT=) | make export-arch AFTER=my-patches
	@$(exported)

export-conda: .venv/.tools ## build/export/conda: a recipe.yaml (BEFORE= AFTER= OUT=) | make export-conda OUT=recipe
	@$(exported)

merge-series: .venv/.tools ## The series into a quilt folder of yours (DIR=debian/patches BEHIND=yours.patch) | make merge-series DIR=debian/patches
	@$(run) merge-series $(call opt,DIR,) $(call opt,BEHIND,--behind)

unmerge-series: .venv/.tools ## ... and out of it again, to the same bytes (DIR=debian/patches FORCE=1) | make unmerge-series DIR=debian/patches
	@$(run) unmerge-series $(call opt,DIR,) $(call flag,FORCE,--force)

packager-tools: ## What the tests of these exports and of the bot run, from Debian's packages (as root) | sudo make packager-tools
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends dpkg-dev gh libarchive-tools lintian makepkg nix-bin pacman-package-manager patch quilt rpm

browser-tools: ## The browser that the tests of the page run, from Debian's packages (as root) | sudo make browser-tools
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium

## What is published

.PHONY: release reproduce
takes-release = as long as make check with DRY_RUN=1; a whole one was not timed
release: says/release .venv/.maintainer ## dist/: both wheels, sdist, SBOMs, sums, index; nothing is pushed (DRY_RUN=1 TAG=1 NEXT=1 FILES_URL= OUT=) | make release DRY_RUN=1
	@$(run) release $(call flag,DRY_RUN,--dry-run) $(call flag,TAG,--tag) $(call flag,NEXT,--next) $(call opt,FILES_URL,--files-url) $(call opt,OUT,--out)

reproduce: .venv/.tools ## Build a published wheel or sdist again, and compare byte for byte (WHEEL=file) | make reproduce WHEEL=vllm-...whl
	@$(run) reproduce $(call quoted,WHEEL)

## Proof

.PHONY: test test-fast lint kernels hopper evidence mutants engine bench site
# What these two ask of a ported series, make evidence asks of this one, and keeps.
of_a_port = --ignore tests/on_cpu/test_trailers_hold.py --ignore tests/on_cpu/test_upstream_tests.py
takes-test = some thirty minutes with what it needs in the cache, longer the first time; each test is named as it ends
test: says/test .venv/.maintainer ## All tests, real upstream archives and wheels included; make evidence asks the rest | make test ARGS="-k sdist"
	.venv/bin/python -m pytest --verbose $(PARALLEL) $(of_a_port) $(ARGS)

takes-test-fast = some three minutes
test-fast: says/test-fast .venv/.maintainer ## The tests for every edit: no upstream archive, no build | make test-fast
	.venv/bin/python -m pytest $(PARALLEL) -m "not upstream and not slow" $(ARGS)

lint: .venv/.maintainer ## ruff, mypy, rooms, shellcheck, hadolint, workflows and the series check, as pre-commit runs them | make lint
	.venv/bin/pre-commit run --all-files

takes-kernels = some six minutes the first time, seconds from the cache
kernels: says/kernels .venv/.tools ## Compile every kernel that vLLM reaches for sm_120a and sm_121a, without a GPU (JSON=1 UPDATE=1 ALL=1 FLASHINFER=0.7.2.post1 SHAPES=file) | make kernels
	@$(run) kernels $(call flag,JSON,--json) $(call flag,UPDATE,--update) $(call flag,ALL,--all) $(call opt,FLASHINFER,--flashinfer) $(call opt,SHAPES,--shapes)

takes-hopper = long with STEP=prepare, and no whole run was timed; RECORDED=1 at once
hopper: says/hopper .venv/.tools ## The SM12x kernels themselves on a Hopper GPU, every claim held to them (RECORDED=1 STEP=prepare|run|record|packages|readme|device FLASHINFER=0.7.2.post1 PYTHON= PARTS= MODELS= RESULTS= UPDATE=1 JSON=1) | make hopper RECORDED=1
	@$(run) hopper $(call opt,STEP,--step) $(call flag,RECORDED,--recorded) $(call opt,FLASHINFER,--flashinfer) $(call opt,PYTHON,--python) $(call opt,PARTS,--parts) $(call opt,MODELS,--models) $(call opts,RESULTS,--results) $(call flag,UPDATE,--update) $(call flag,JSON,--json)

takes-evidence = some fourteen minutes for a series that it has not seen, seconds after
evidence: says/evidence .venv/.maintainer ## What each patch is needed for, and what it leaves alone (JSON=1 FORMAT=markdown PROCESSES=2) | make evidence FORMAT=markdown
	@$(run) evidence $(call opt,FORMAT,--format) $(call flag,JSON,--json) $(call opt,PROCESSES,--processes)

takes-mutants = some forty minutes for a series that it has not seen, on a machine that did much else; an interrupted one resumes
mutants: says/mutants .venv/.maintainer ## Each line of the series changed: some test must fail; takes long (PATCH=0003 UPDATE=1 PROCESSES=2) | make mutants PATCH=0003
	@$(run) mutants $(call opt,PATCH,--patch) $(call flag,UPDATE,--update) $(call opt,PROCESSES,--processes)

takes-engine = some twenty minutes once its environment is there, some gigabytes: five for one process, and of the parts that split a model six for ranks, one each for data and faults, two for nodes and seven for ray
engine: says/engine .venv/.maintainer ## A real vLLM on this CPU, from checkpoint to tokens, with the SM12x kernels doubled (ARGS="--only steps") | make engine ARGS="--only steps"
	@$(held) .venv/bin/python -m tests.engine $(ARGS)

takes-bench = some time, as each side runs several times; a whole one was not timed
bench: says/bench .venv/.maintainer ## Ratios: wheel, apply, patch-installed against the usual tools, both sides in one run | make bench
	@$(held) .venv/bin/python -m tests.bench $(ARGS)

site: .venv/.page ## build/site/index.html: the series as a page, drawn from what the targets reported | make site
	@$(run) site

.PHONY: findings
takes-findings = some twenty-five minutes for all, beside gigabytes of downloads; NAME= for one
findings: says/findings .venv/.tools ## What other people's software does, a script each; wants the network, outside CI (NAME=ptxas-setmaxnreg) | make findings NAME=ptxas-setmaxnreg
	@$(run) findings $(call opt,NAME,)

## Housekeeping

.PHONY: clean
clean: ## Remove dist/ and .venv/; build/ holds work and stays | make clean
	rm -rf dist .venv
