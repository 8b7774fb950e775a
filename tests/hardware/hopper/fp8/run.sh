#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bash FOLDER/run.sh [PACKAGES]: FlashInfer's SM12x FP8 MoE on a Hopper GPU, under 300 s.
# PACKAGES has env.sh (make hopper STEP=packages); left out if $HOPPER_SITE, else
# /tmp/hopper-site, is unpacked already. Results: $OUT/fp8/results.json, logs beside it.
here=$(dirname "$(readlink -f "$0")")
out=${OUT:-/tmp/fp8-out}/fp8
seconds=${FP8_SECONDS:-185}
mkdir -p "$out"
if [ -n "$1" ] && [ -e "$1/env.sh" ]; then
	# shellcheck source=/dev/null
	. "$1/env.sh"
else
	site=${HOPPER_SITE:-/tmp/hopper-site}
	export PYTHONPATH="$site:$site/nvidia_cutlass_dsl/dsl_packages${PYTHONPATH:+:$PYTHONPATH}"
fi
export CUTE_DSL_ARCH=sm_120a CUTE_DSL_NO_CACHE=1 FLASHINFER_CUTE_DSL_DISABLE_CACHE=1
export TRITON_CACHE_DIR="${TMPDIR:-/tmp}/fp8-triton" PYTHONDONTWRITEBYTECODE=1
timeout -k 5 "$seconds" python3 "$here/run.py" --out "$out" --seconds "$((seconds - 10))" > "$out/run.log" 2>&1
status=$?
echo "run.py: exit $status" | tee -a "$out/run.log"
tail -n 40 "$out/run.log"
if ! command -v compute-sanitizer > /dev/null; then
	echo "there is no compute-sanitizer"
	exit "$status"
fi
for tool in memcheck racecheck synccheck; do
	more=(--tool "$tool" --print-limit 50 --kernel-name kns=kernel_cutlass)
	[ "$tool" = racecheck ] && more+=(--racecheck-report analysis)
	[ "$tool" = memcheck ] && more+=(--report-api-errors no)
	(
		export PYTORCH_NO_CUDA_MEMORY_CACHING=1
		timeout -k 5 "${FP8_TOOL_SECONDS:-75}" compute-sanitizer "${more[@]}" \
			python3 "$here/run.py" --out "$out/$tool" --parts sanitize --seconds 70 > "$out/$tool.log" 2>&1
		echo "$tool: exit $?" >> "$out/$tool.log"
	) &
done
wait
grep -h 'SUMMARY\|: exit' "$out"/memcheck.log "$out"/racecheck.log "$out"/synccheck.log
exit "$status"
